"""Recurrent layers in files and configs of Keras's: called with initial states, which Keras notes in the config."""

import keras
import numpy as np
import pytest

import cbackprop as cb


def model_of(k, name):
    layers = k.layers
    if name.startswith("ConvLSTM"):
        x, states = k.Input((3, 4, 4, 1)), [k.Input((4, 4, 2)), k.Input((4, 4, 2))]
        layer = layers.ConvLSTM2D(2, 3, padding="same")
    else:
        layer, count = {
            "SimpleRNN": lambda: (layers.SimpleRNN(3), 1),
            "GRU": lambda: (layers.GRU(3), 1),
            "LSTM": lambda: (layers.LSTM(3), 2),
            "RNN": lambda: (layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(3)]), 2),
            "Bidirectional": lambda: (layers.Bidirectional(layers.GRU(3)), 2),
        }[name]()
        x, states = k.Input((5, 2)), [k.Input((3,)) for _ in range(count)]
    return k.Model([x, *states], layer(x, initial_state=states))


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional", "ConvLSTM2D"])
def test_layers_that_were_given_states(name, tmp_path):
    theirs = model_of(keras, name)
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(4, *tensor.shape[1:])).astype("float32") for tensor in theirs.inputs]
    expected = theirs.predict(data, verbose=0)
    own = cb.Model.from_config(theirs.get_config())
    own.set_weights(theirs.get_weights())
    theirs.save(tmp_path / "theirs.keras")
    own.save(tmp_path / "own.keras")
    for model in (
        own,
        cb.models.load_model(tmp_path / "theirs.keras"),
        keras.models.load_model(tmp_path / "own.keras"),
    ):
        np.testing.assert_allclose(model.predict(data, verbose=0), expected, rtol=1e-4, atol=1e-5)
