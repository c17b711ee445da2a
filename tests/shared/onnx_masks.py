"""Masks of sequences, and what ONNX Runtime makes of models that read them."""

import numpy as np
import onnx
import onnxruntime

import cbackprop as cb

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


def as_list(value):
    """All arrays of an output, however they are nested."""
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
