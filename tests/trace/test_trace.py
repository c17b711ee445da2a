"""Traces of every layer: the numbers of the twin, the gradients of `gradients`, the step of `train_on_batch`."""

import layer_cases
import loss_cases
import numpy as np
import pytest
from traced_models import SAMPLES, assert_same_step

import cbackprop as cb
from cbackprop import optimizers

# Relative to the largest number of an array, or of all deltas and gradients, which are sums in which terms cancel.
LIMITS = {"float64": 1e-12, "float32": 2e-5}


def traced(model, x, y, engine):
    model.compile(optimizers.SGD(0.1, momentum=0.9), "mse", engine=engine)
    return model.trace(x, y, training=True)


@pytest.mark.parametrize("dtype", list(LIMITS))
@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_every_layer_is_as_in_the_twin(make, shapes, dtype):
    cb.config.set_floatx(dtype)
    cb.utils.set_random_seed(7)
    model = layer_cases.around(make, shapes, beside=True)
    x, y = loss_cases.data_for(model, SAMPLES, np.random.default_rng(3), "mse")
    twin, found = (traced(model, x, y, engine).to_dict() for engine in ("reference", "compiled"))
    assert list(found) == list(twin)
    largest = max(np.abs(array).max(initial=0) for name, array in twin.items() if comes_back(name))
    for name, array in twin.items():
        scale = largest if comes_back(name) else largest_of(array)
        np.testing.assert_allclose(found[name], array, rtol=0, atol=LIMITS[dtype] * max(scale, 1e-3), err_msg=name)
    # and they are the gradients of the model's engine, to the bit
    trace = model.trace(x, y, training=True)
    expected = model.gradients(x, y, training=True)
    gradients = {v.path: g for v, g in zip(model.trainable_variables, expected, strict=True)}
    assert {path for path, weight in trace.weights.items() if weight.gradient is not None} == set(gradients)
    for path, gradient in gradients.items():
        assert trace.weights[path].gradient.tobytes() == gradient.tobytes()


def largest_of(array):
    """The largest finite number."""
    return np.abs(np.asarray(array)[np.isfinite(array)]).max(initial=0)


def comes_back(name):
    """Whether it is of the backward pass or the update."""
    last = name.rpartition("/")[2]
    return last.startswith(("below", "d")) or last in ("above", "momentum") or last.endswith(("step", "momentum after"))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_every_layer_makes_its_step(make, shapes, engine):
    """Nothing changes until `apply`, which then makes the step of `train_on_batch`, to the bit."""
    cb.utils.set_random_seed(7)
    model = layer_cases.around(make, shapes, twice=True)
    model.compile("adam", "mse", engine=engine)
    x, y = loss_cases.data_for(model, SAMPLES, np.random.default_rng(3), "mse")
    assert_same_step(model, x, y)
