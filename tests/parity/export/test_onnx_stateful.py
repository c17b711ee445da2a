"""Layers with states that last: the states are inputs and outputs of the file, with which ONNX Runtime goes on."""

import itertools

import keras_recurrent_models
import numpy as np
import onnx
import onnxruntime
import pytest

import cbackprop as cb
from cbackprop import layers

pytestmark = pytest.mark.filterwarnings("ignore")

LIMITS = {"float32": 1e-5, "float64": 1e-12}
ROWS = 2


def as_list(value):
    return [value] if isinstance(value, np.ndarray) else [array for part in value for array in as_list(part)]


def assert_close(found, wanted, limit):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit)


def go_on(model, path, rng, *data):
    """Batches one after the other: stateful predictions, those of ONNX Runtime, and those of the model that is read.

    Return the names of the states, at the beginning and at the end.
    """
    model.set_weights([weight + rng.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    cb.export.onnx(model, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session, again = onnxruntime.InferenceSession(path), cb.export.from_onnx(path)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    assert again.input_names == [value.name for value in inputs]
    assert again.output_names == [value.name for value in outputs]
    count, limit = len(model.inputs), LIMITS[model.dtype]
    states = mine = [np.zeros((data[0].shape[1], *value.shape[1:]), model.dtype) for value in inputs[count:]]
    for batch in zip(*data, strict=True):
        wanted = as_list(model.predict(list(batch) if count > 1 else batch[0], batch_size=len(batch[0]), verbose=0))
        found = session.run(None, dict(zip((value.name for value in inputs), [*batch, *states], strict=True)))
        given = [*batch, *mine]
        read = as_list(again.predict(given if len(given) > 1 else given[0], verbose=0))
        assert_close(found[: len(wanted)], wanted, limit)
        assert_close(read, found, limit)
        states, mine = ([*arrays[len(wanted) :]][: len(states)] for arrays in (found, read))
    return [value.name for value in inputs[count:]], [value.name for value in outputs[len(wanted) :]]


def batches(rng, *shape, dtype="float32", count=3):
    return rng.normal(size=(count, ROWS, *shape)).astype(dtype)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_a_layer(tmp_path, rng, name, dtype):
    cb.config.set_floatx(dtype)
    for masked, (sequence, state) in itertools.product((False, True), itertools.product((False, True), repeat=2)):
        x, mask = cb.Input((3, 4), batch_size=ROWS), cb.Input((3,), batch_size=ROWS)
        options = {"return_sequences": sequence, "return_state": state}
        layer = getattr(layers, name)(4, stateful=True, name="memory", go_backwards=state, **options)
        model = cb.Model([x, mask] if masked else x, layer(x, mask=mask if masked else None))
        data = [batches(rng, 3, 4, dtype=dtype)]
        data += [rng.integers(2, size=data[0].shape[:3]).astype(dtype)] if masked else []
        names = go_on(model, str(tmp_path / "m.onnx"), rng, *data)
        letters = "hc" if name == "LSTM" else "h"
        assert names == ([f"memory_{one}" for one in letters], [f"memory_next_{one}" for one in letters])


def test_several_layers(tmp_path, rng):
    """Several cells, a layer that is called twice, both directions, and one for each time step."""
    path, x = str(tmp_path / "m.onnx"), cb.Input((3, 4), batch_size=ROWS)
    cells = layers.RNN([layers.GRUCell(4), layers.LSTMCell(4)], stateful=True, return_sequences=True, name="cells")
    model = cb.Model(x, layers.GRU(3, stateful=True, name="last")(cells(cells(x))))
    starts = ["cells_0_h", "cells_1_h", "cells_1_c", "last_h"]
    assert go_on(model, path, rng, batches(rng, 3, 4))[0] == starts
    for state, sequence in itertools.product((False, True), repeat=2):
        options = {"stateful": True, "return_state": state, "return_sequences": sequence}
        go_on(cb.Model(x, layers.Bidirectional(layers.LSTM(3, **options))(x)), path, rng, batches(rng, 3, 4))
        other = layers.LSTM(3, "relu", go_backwards=True, **options)
        both = layers.Bidirectional(layers.LSTM(3, **options), backward_layer=other)(layers.Masking(0.0)(x))
        go_on(cb.Model(x, both), path, rng, batches(rng, 3, 4))
    sequences = cb.Input((2, 3, 4), batch_size=ROWS)
    each = layers.TimeDistributed(layers.GRU(3, stateful=True, name="each"))
    assert go_on(cb.Model(sequences, each(sequences)), path, rng, batches(rng, 2, 3, 4))[0] == ["each_h"]


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_convolutions(tmp_path, rng, layout):
    x = cb.Input((2, 4, 4, 4), batch_size=ROWS)
    y = layers.ConvLSTM2D(3, 2, data_format=layout, stateful=True, return_sequences=True)(x)
    go_on(cb.Model(x, y), str(tmp_path / "m.onnx"), rng, batches(rng, 2, 4, 4, 4))


def test_states_that_are_given(tmp_path, rng):
    """A call with states to begin with reads none that last. The next one does."""
    x, h = cb.Input((3, 4), batch_size=ROWS), cb.Input((4,), batch_size=ROWS)
    layer, path = layers.GRU(4, stateful=True, return_sequences=True, name="memory"), str(tmp_path / "m.onnx")
    first = layer(x, initial_state=[h])
    assert go_on(cb.Model([x, h], first), path, rng, batches(rng, 3, 4), batches(rng, 4))[0] == []
    layer.reset_state()
    assert go_on(cb.Model([x, h], layer(first)), path, rng, batches(rng, 3, 4), batches(rng, 4))[0] == []


def test_names_that_are_taken(tmp_path, rng):
    x = cb.Input((3, 4), batch_size=ROWS, name="memory_h")
    model = cb.Model(x, layers.GRU(4, stateful=True, name="memory")(x))
    assert go_on(model, str(tmp_path / "m.onnx"), rng, batches(rng, 3, 4)) == (["memory_h_1"], ["memory_next_h"])


@pytest.mark.parametrize("seed", range(8))
def test_models_drawn_at_random(tmp_path, seed):
    model = keras_recurrent_models.random_stateful_model(cb, seed)
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(3, *model.inputs[0].shape)).astype("float32")
    data[rng.random(data.shape[:3]) < 0.3] = 0
    go_on(model, str(tmp_path / "m.onnx"), rng, data)
