"""A layer for each time step of sequences of open length: ONNX Runtime and the model that is read predict the same."""

import numpy as np
import onnx
import onnxruntime
import pytest

import cbackprop as cb
from cbackprop import layers

INNER = {
    "LayerNormalization": lambda: layers.LayerNormalization(),
    "BatchNormalization": lambda: layers.BatchNormalization(),
    "PReLU": lambda: layers.PReLU("uniform"),
    "Conv1D": lambda: layers.Conv1D(3, 3, activation="tanh"),
    "LSTM": lambda: layers.LSTM(3),
    "a loop": lambda: layers.SimpleRNN(3, "gelu"),
    "Bidirectional": lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True)),
    "GlobalMaxPooling1D": lambda: layers.GlobalMaxPooling1D(),
    "Flatten": lambda: layers.Flatten(),
    "Permute": lambda: layers.Permute((2, 1)),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.LayerNormalization()),
    "a model": lambda: cb.Sequential([layers.Conv1D(3, 3), layers.MaxPooling1D(2), layers.Flatten(), layers.Dense(2)]),
}


def data(rng):
    """Three sequences of five images (8, 4), some of whose rows or whole time steps are 0."""
    x = rng.normal(size=(3, 5, 8, 4)).astype("f")
    x[0, 3:] = x[1, 4:] = x[:, 0, 6:] = 0
    return x


def run(model, path, x):
    """What ONNX Runtime predicts."""
    cb.export.onnx(model, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def agrees(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", INNER)
def test_any_number_of_steps(tmp_path, rng, name):
    path, x = str(tmp_path / "m.onnx"), data(rng)
    inputs = cb.Input((None, 8, 4))
    h = layers.TimeDistributed(INNER[name]())(inputs)
    model = cb.Model(inputs, layers.GRU(2)(layers.TimeDistributed(layers.Flatten())(h)))
    again = None
    for part in (x, x[:1, :2], x[:, :1]):
        expected = model.predict(part, verbose=0)
        agrees(run(model, path, part), expected)
        again = again or cb.export.from_onnx(path)
        agrees(again.predict(part, verbose=0), expected)


@pytest.mark.parametrize("name", INNER)
def test_behind_a_mask(tmp_path, rng, name):
    """One that hides rows within time steps: what the layer makes of it is in the file."""
    path, x = str(tmp_path / "m.onnx"), data(rng)
    inputs = cb.Input((None, 8, 4))
    model = cb.Model(inputs, layers.TimeDistributed(INNER[name]())(layers.Masking()(inputs)))
    for part in (x, x[:, :2]):
        agrees(run(model, path, part), model.predict(part, verbose=0))


@pytest.mark.parametrize("name", ["LayerNormalization", "BatchNormalization", "PReLU"])
def test_between_a_mask_and_what_reads_it(tmp_path, rng, name):
    path, x = str(tmp_path / "m.onnx"), data(rng)[:, :, 0]
    inputs = cb.Input((None, 4))
    h = layers.TimeDistributed(INNER[name]())(layers.Masking()(inputs))
    model = cb.Model(inputs, layers.LSTM(2)(h))
    expected = model.predict(x, verbose=0)
    agrees(run(model, path, x), expected)
    agrees(cb.export.from_onnx(path).predict(x, verbose=0), expected)


def test_what_is_refused(tmp_path, rng):
    """States that last from step to step; and files whose loop has a mask, or is not what it says."""
    path = str(tmp_path / "m.onnx")
    inputs = cb.Input((None, 8, 4), batch_size=3)
    model = cb.Model(inputs, layers.TimeDistributed(layers.GRU(2, stateful=True), name="each")(inputs))
    with pytest.raises(ValueError, match="'each' has states that last from one time step to the next"):
        cb.export.onnx(model, path)
    inputs = cb.Input((None, 8, 4))
    run(cb.Model(inputs, layers.TimeDistributed(layers.GRU(2))(layers.Masking()(inputs))), path, data(rng))
    with pytest.raises(ValueError, match="a loop over time steps with states, or with masks"):
        cb.export.from_onnx(path)
    run(cb.Model(inputs, layers.TimeDistributed(layers.Flatten())(inputs)), path, data(rng))
    proto = onnx.load(path)
    loop = next(node for node in proto.graph.node if node.op_type == "Scan")
    next(each for each in loop.attribute if each.name == "scan_input_axes").ints[:] = [2]
    onnx.save(proto, path)
    with pytest.raises(ValueError, match=r"a loop over time steps|damaged"):
        cb.export.from_onnx(path)
