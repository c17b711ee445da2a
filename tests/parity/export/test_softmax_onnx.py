"""Softmax along several axes in ONNX files."""

import numpy as np
import onnxruntime
import pytest

import cbackprop as cb
from cbackprop import activations, layers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", [activations.softmax, activations.log_softmax])
@pytest.mark.parametrize("axis", [(1, 2), (2, 3), (3, 2), (-1, -2, -3), (2, 1)])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 1)])
def test_several_axes_in_onnx(tmp_path, shape, axis, function, dtype):
    layer = layers.Activation(function.bind(axis), dtype=dtype)
    model = cb.Sequential([cb.Input(shape, dtype=dtype), layer])
    cb.export.onnx(model, tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(0, 3, (2, *shape)).astype(dtype)
    expected = model.predict(x, verbose=0)
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    again = cb.export.from_onnx(tmp_path / "a.onnx")
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
    kernels = [one.layers[-1].activation.kernel() for one in (again, model)]
    assert kernels[0].axes(expected.shape) == kernels[1].axes(expected.shape)
