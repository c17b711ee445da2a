"""Checks for every layer: the same numbers from both engines, and gradients that differences confirm."""

from __future__ import annotations

import loss_cases
import numpy as np
from layer_cases import called

import cbackprop as cb

# Relative to the largest number of an array, and for gradients, which are sums in which terms cancel, of them all.
LIMITS = {"float64": 1e-13, "float32": 1e-5}
GRADIENT_LIMIT = 1e-6


def outputs(layer, inputs, training=False, engine="compiled"):
    """A layer's outputs for arrays, from one engine. The arrays' type is the layer's."""
    tensors = [cb.Input(x.shape[1:], dtype=layer.dtype) for x in inputs]
    model = cb.Model(tensors, called(layer, tensors, training=training))
    model.compile("sgd", engine=engine)
    return model.predict(list(inputs), verbose=0)


def assert_forward(layer, inputs, expected, training=False):
    """Both engines give these outputs."""
    for engine in ("compiled", "reference"):
        found = outputs(layer, inputs, training, engine)
        assert found.dtype == layer.dtype
        assert found.shape == expected.shape
        assert_close(found, expected, layer.dtype, np.abs(expected).max())


def assert_close(found, expected, dtype, scale):
    np.testing.assert_allclose(found, expected, rtol=0, atol=LIMITS[dtype] * scale)


def assert_backward(make_model, loss="mse", samples=5):
    """Both engines have the same outputs, loss and gradients in either type, and the gradients are right.

    Differences are taken of the compiled engine's loss alone: the twin's gradients are the same to 13 digits, and its
    loss takes ten times as long.
    """
    for dtype in LIMITS:
        cb.config.set_floatx(dtype)
        model = make_model()
        x, y = loss_cases.data_for(model, samples, np.random.default_rng(1), loss)
        found = []
        for engine in ("compiled", "reference"):
            model.compile("sgd", loss, engine=engine)
            gradients = model.gradients(x, y, training=True)
            for a, b in zip(gradients, model.gradients(x, y, training=True), strict=True):
                np.testing.assert_array_equal(a, b)
            found.append([model.predict(x, verbose=0), model.evaluate(x, y, verbose=0), *gradients])
        largest = max(np.abs(gradient).max() for gradient in found[1][2:])
        assert largest > 1e-4
        for index, (a, b) in enumerate(zip(*found, strict=True)):
            assert_close(a, b, dtype, largest if index >= 2 else np.abs(b).max())
    model.compile("sgd", loss)
    report = model.check_gradients(x, y, training=True)
    assert report.max_relative_error <= GRADIENT_LIMIT, report
