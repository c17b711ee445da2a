"""Methods that change no model leave the states of stateful layers alone, and compute from one set of states."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, optimizers

ROWS = 3

LAYERS = {
    "SimpleRNN": lambda: layers.SimpleRNN(3, stateful=True),
    "LSTM": lambda: layers.LSTM(3, stateful=True),
    "GRU": lambda: layers.GRU(3, stateful=True),
    "stacked": lambda: layers.RNN([layers.GRUCell(2), layers.LSTMCell(3)], stateful=True),
    "both ways": lambda: layers.Bidirectional(layers.GRU(3, stateful=True)),
}


@pytest.fixture(autouse=True)
def _float64():
    cb.config.set_floatx("float64")


def model_and_data(make, engine="compiled"):
    """A model in the middle of sequences, and the next part of these."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(ROWS, 4, 2)), rng.normal(size=(ROWS, 1))
    model = cb.Sequential([cb.Input((4, 2), batch_size=ROWS), make(), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    model.predict(rng.normal(size=(ROWS, 4, 2)), batch_size=ROWS, verbose=0)
    return model, x, y


def states_of(model):
    return [np.array(state) for state in model.layers[0].states]


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_nothing_changes(make, engine):
    model, x, y = model_and_data(make, engine)
    before = states_of(model)
    assert any(state.any() for state in before)
    vector = [np.ones(weight.shape) for weight in model.trainable_weights]
    calls = {
        "gradients": lambda: model.gradients(x, y),
        "by inputs": lambda: [model.gradients(x, y, wrt="inputs")],
        "backward": lambda: model.backward(x, np.ones((ROWS, 1))),
        "hvp": lambda: model.hvp(x, y, vector),
        "ggnvp": lambda: model.ggnvp(x, y, vector),
        "trace": lambda: [layer.a for layer in model.trace(x, y).layers],
    }
    for name, call in calls.items():
        first = call()
        assert same(states_of(model), before), name
        assert same(call(), first), name


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_gradients_in_the_middle_of_sequences(make, engine):
    """They are the gradients of the loss that starts from the current states."""
    model, x, y = model_and_data(make, engine)
    assert model.check_gradients(x, y).max_relative_error < 1e-6
    before = model.get_weights()
    rng = np.random.default_rng(1)
    vector = [rng.normal(size=weight.shape) for weight in before]

    def gradients(step):
        model.set_weights([weight + step * along for weight, along in zip(before, vector, strict=True)])
        return model.gradients(x, y)

    expected = [(a - b) / 2e-5 for a, b in zip(gradients(1e-5), gradients(-1e-5), strict=True)]
    model.set_weights(before)
    for found, wanted in zip(model.hvp(x, y, vector), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_gradients_of_single_samples():
    model, x, y = model_and_data(LAYERS["LSTM"])
    with pytest.raises(ValueError, match="one sample after the other, but a stateful layer of the model takes 3"):
        model.gradients(x, y, per_sample=True)


def test_line_search():
    """A step of LBFGS takes several losses of one batch, which have to begin with the same states."""
    model, x, y = model_and_data(LAYERS["GRU"])
    model.compile(optimizers.LBFGS(), "mse")
    with pytest.raises(ValueError, match=r"LBFGS compares losses of the same batch, but layer 'gru\w*' is stateful"):
        model.fit(x, y, batch_size=ROWS, verbose=0)


def test_pictures():
    pytest.importorskip("matplotlib").use("Agg")
    rng = np.random.default_rng(0)
    image = cb.Input(batch_shape=(2, 4, 4, 1))
    last = layers.GRU(3, stateful=True)(layers.Reshape((4, 4))(image))
    model = cb.Model(image, layers.Dense(3, "softmax")(last))
    x = rng.random((2, 4, 4, 1))
    model.predict(x, verbose=0)
    gru = model.layers[2]
    before = np.array(gru.states[0])
    cb.plotting.activations(model, x)
    cb.plotting.saliency(model, x)
    assert (np.array(gru.states[0]) == before).all()
