"""Shared by tests of ONNX files: every layer and activation, weights and inputs for them, and comparison."""

import numpy as np
import pytest
from layer_cases import called

import cbackprop as cb
from cbackprop import activations

# In float64 the epsilon of normalizations is off by up to 5e-11, because attributes are float32.
LIMITS = {"float32": 1e-5, "float64": 1e-8}

BOUND = [
    activations.relu.bind(0.2, 1.5, 0.3),
    activations.relu.bind(0.2, 1.5, -0.3),
    activations.relu.bind(-0.2),
    activations.relu.bind(0.1, None, -0.5),
    activations.elu.bind(-0.7),
    activations.elu.bind(0.7),
    activations.celu.bind(-0.7),
    activations.celu.bind(0.4),
    activations.gelu.bind(True),
    activations.squareplus.bind(0.5),
    activations.squareplus.bind(0),
    activations.softmax.bind(1),
    activations.log_softmax.bind(1),
    activations.softmax.bind((1, 2)),
    activations.log_softmax.bind((-1, -2)),
    activations.sparsemax.bind(1),
    activations.glu.bind(2),
    activations.threshold.bind(0.2, -1.0),
    activations.soft_shrink.bind(0.1),
    activations.hard_shrink.bind(0.1),
]
ACTIVATIONS = [
    *(pytest.param(function, id=name) for name, function in activations.registry),
    *(pytest.param(function, id=repr(function)) for function in BOUND),
]


def model_of(make, shapes, dtype="float32"):
    """A model of one layer, with weights of which no two are alike."""
    cb.config.set_floatx(dtype)
    layer, inputs = make(), [cb.Input(shape) for shape in shapes]
    model = cb.Model(inputs, called(layer, inputs))
    rng = np.random.default_rng(1)
    model.set_weights([w + rng.uniform(0.1, 0.4, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def activation_model(function, dtype="float32"):
    """A model of one activation, for samples (4, 6)."""
    x = cb.Input((4, 6), dtype=dtype)
    return cb.Model(x, cb.layers.Activation(function, dtype=dtype)(x))


def inputs_for(model, samples=7, scale=1.0):
    """An array for each input: whole numbers where it must be, and where activations have corners."""
    rng = np.random.default_rng(2)
    arrays = []
    for tensor, limit in zip(model.inputs, model.plan.id_ranges, strict=True):
        shape = (samples, *tensor.shape[1:])
        whole = limit is not None or tensor.dtype not in LIMITS
        array = rng.integers(limit or 9, size=shape) if whole else rng.normal(0, scale, shape)
        if not whole:
            array.flat[:4] = 0.0, -3.0, 3.0, 1.0
        arrays.append(array.astype(tensor.dtype))
    return arrays


def as_list(value):
    """Outputs of `predict`, in the order of the model's outputs."""
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return value if isinstance(value, list) else [value]


def assert_same(found, expected, dtype):
    """Both are the same lists of arrays, up to rounding."""
    for a, b in zip(as_list(found), as_list(expected), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=LIMITS[dtype], atol=LIMITS[dtype] * max(1, np.abs(b).max()))
