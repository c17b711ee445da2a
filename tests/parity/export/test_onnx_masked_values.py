"""Pooling, attention and merges behind masks: ONNX Runtime and the model that is read predict the same as `predict`."""

import numpy as np
import onnx
import onnxruntime
import pytest

import cbackprop as cb
from cbackprop import layers

pytestmark = pytest.mark.filterwarnings("ignore")

LIMITS = {"float32": 1e-5, "float64": 1e-12}
STEPS = 5
# Nothing hidden, everything, the first step, the last one, some at the beginning, some at the end, and others.
SHOWN = np.array(
    [
        [1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1],
        [1, 1, 1, 1, 0],
        [0, 0, 0, 1, 1],
        [1, 1, 0, 0, 0],
        [0, 1, 0, 1, 0],
    ]
)
MORE = SHOWN[[3, 2, 5, 1, 6, 0, 4]]


def as_list(value):
    return [value] if isinstance(value, np.ndarray) else [array for part in value for array in as_list(part)]


def compare(model, path, *data, reads=True):
    """ONNX Runtime predicts the same, and so does the model that is read, of all samples and of one; return that."""
    cb.export.onnx(model, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    again = cb.export.from_onnx(path) if reads else model
    for rows in (slice(None), slice(1, 2), slice(2, 3)):
        given = [array[rows] for array in data]
        wanted = as_list(model.predict(given if len(given) > 1 else given[0], verbose=0))
        found = session.run(None, dict(zip((value.name for value in session.get_inputs()), given, strict=True)))
        mine = as_list(again.predict(given if len(given) > 1 else given[0], verbose=0))
        for arrays in (found, mine):
            for a, b in zip(arrays, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=LIMITS[model.dtype], atol=LIMITS[model.dtype])
    return again


def sequences(rng, features=3, dtype="float32", steps=STEPS):
    return rng.normal(size=(len(SHOWN), steps, features)).astype(dtype)


def hidden_as(x, value, shown=SHOWN):
    """Sequences in which hidden steps hold a value."""
    return np.where(shown[..., None], x, value).astype(x.dtype)


def words(rng):
    return np.where(SHOWN, rng.integers(1, 9, SHOWN.shape), 0).astype("int32")


# Pooling


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("steps", [STEPS, None])
def test_means_of_words(tmp_path, rng, dtype, steps):
    cb.config.set_floatx(dtype)
    x = cb.Input((steps,), dtype="int32")
    h = layers.Embedding(9, 4, mask_zero=True)(x)
    pools = [layers.GlobalAveragePooling1D(keepdims=keepdims) for keepdims in (False, True)]
    again = compare(cb.Model(x, [pool(h) for pool in pools]), str(tmp_path / "m.onnx"), words(rng))
    found = [one for one in again.layers if isinstance(one, layers.GlobalAveragePooling1D)]
    assert [one.keepdims for one in found] == [False, True]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_means_of_any_masks(tmp_path, rng, data_format):
    """A mask that is an input, and hides large numbers; and that of Masking."""
    first = data_format == "channels_first"
    x, mask = cb.Input((3, STEPS) if first else (None, 3)), cb.Input((STEPS if first else None,))
    y = layers.GlobalAveragePooling1D(data_format)(x, mask=mask)
    data = hidden_as(sequences(rng), 1e30)
    data = data.transpose(0, 2, 1).copy() if first else data
    compare(cb.Model([x, mask], layers.Activation("tanh")(y)), str(tmp_path / "m.onnx"), data, 2 * SHOWN.astype("f"))
    x = cb.Input((None, 3))
    h = layers.Dense(4)(layers.Masking(0.5)(x))
    outputs = [layers.GlobalAveragePooling1D()(h), layers.GlobalMaxPooling1D()(h), layers.GlobalAveragePooling1D()(x)]
    compare(cb.Model(x, outputs), str(tmp_path / "m.onnx"), hidden_as(sequences(rng), 0.5))


def test_means_of_one_step(tmp_path, rng):
    x = cb.Input((1, 3))
    h = layers.Masking(0.5)(x)
    data = sequences(rng, steps=1)
    data[::2] = 0.5
    compare(cb.Model(x, layers.GlobalAveragePooling1D()(h)), str(tmp_path / "m.onnx"), data)
