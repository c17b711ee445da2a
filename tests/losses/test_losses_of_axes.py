"""Losses along any axes, Dice, Tversky and cosine similarity: kernel against twin, differences, groups, mistakes."""

import importlib
import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, losses

CLASSES = {name: thing for name, thing in losses.registry if hasattr(thing, "layout")}
AXES = [None, -1, 1, 2, 0, (1, 2), (1, 2, 3), (0, 1, 2), [3, 1], (2, -1)]
EACH = pytest.mark.parametrize("name", CLASSES)
EACH_AXIS = pytest.mark.parametrize("axis", AXES)
EACH_TYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
SHAPE = (4, 3, 2, 5)
LIMITS = {"float64": 1e-12, "float32": 1e-5}


def problem(rng, dtype="float64", shape=SHAPE):
    return rng.integers(2, size=shape).astype(dtype), rng.uniform(0.05, 0.95, size=shape).astype(dtype)


def evaluate(loss, y_true, y_pred, coefficients):
    """Values of rows and the delta, by the kernel and by its twin."""
    dtype, width = y_pred.dtype.name, y_pred.shape[-1]
    y_true, rows = np.ascontiguousarray(y_true.reshape(-1, width)), np.array(y_pred.reshape(-1, width))
    function = loss.row_function(False, dtype)
    function.set_shape(y_pred.shape[1:])
    delta = np.full_like(rows, np.nan)
    values = function.values(y_true, rows, coefficients, delta)
    module, _, kernel = loss.implementation.rpartition(".")
    twin = getattr(importlib.import_module(f"cbackprop.reference.{module}"), kernel)(loss, False)
    twin.set_shape(y_pred.shape[1:])
    _, twin_values, gradient = twin.evaluate(y_true, rows)
    assert gradient.dtype == dtype
    return values, delta, twin_values, gradient * twin.spread(coefficients)[:, None]


def test_there_are_such_losses():
    assert set(CLASSES) == {"CosineSimilarity", "Dice", "Tversky"}


@EACH
@EACH_AXIS
@EACH_TYPE
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_kernel_agrees_with_twin(name, axis, dtype, reduction, rng):
    loss = CLASSES[name](axis=axis, reduction=reduction)
    y_true, y_pred = problem(rng, dtype)
    coefficients = rng.uniform(0.5, 2, size=y_pred.size // 5)
    values, delta, twin_values, twin_delta = evaluate(loss, y_true, y_pred, coefficients)
    assert_allclose(values, twin_values, rtol=LIMITS[dtype], atol=LIMITS[dtype])
    assert_allclose(delta, twin_delta, rtol=LIMITS[dtype], atol=LIMITS[dtype])


@EACH
@EACH_AXIS
@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
def test_rows_have_the_reduction_of_the_loss(name, axis, reduction, rng):
    """Training reduces a value for each row to the same number as a call on arrays."""
    loss = CLASSES[name](axis=axis, reduction=reduction, dtype="float64")
    y_true, y_pred = problem(rng)
    values = evaluate(loss, y_true, y_pred, np.ones(y_pred.size // 5))[0]
    expected = float(loss(y_true, y_pred))
    assert (values.sum() if reduction == "sum" else values.mean()) == pytest.approx(expected, rel=1e-12)


@EACH
@EACH_AXIS
def test_delta_is_the_derivative(name, axis, rng):
    loss = CLASSES[name](axis=axis)
    y_true, y_pred = problem(rng)
    coefficients = rng.uniform(0.5, 2, size=y_pred.size // 5)
    delta = evaluate(loss, y_true, y_pred, coefficients)[1].reshape(-1)
    h = 1e-5
    for i in rng.choice(y_pred.size, 12, replace=False):
        total = []
        for sign in (1, -1):
            moved = y_pred.copy()
            moved.flat[i] += sign * h
            total.append(coefficients @ evaluate(loss, y_true, moved, coefficients)[0])
        assert delta[i] == pytest.approx((total[0] - total[1]) / (2 * h), rel=1e-6, abs=1e-9)


@EACH
@pytest.mark.parametrize("axis", [None, -1, (1, 2), (1, 2, 3), 0])
@pytest.mark.parametrize("weighted", [False, True])
def test_network(name, axis, weighted, rng):
    """Both engines give the same gradients of a network, on any number of threads."""
    x = rng.normal(size=(6, 4))
    y = rng.integers(2, size=(6, 3, 2, 2)).astype(float)
    weights = rng.uniform(0.1, 2, size=6) if weighted else None
    found = []
    for engine in ("compiled", "reference"):
        cb.utils.set_random_seed(3)
        cb.config.set_floatx("float64")
        model = cb.Sequential([cb.Input((4,)), layers.Dense(12, "sigmoid"), layers.Reshape((3, 2, 2))])
        model.compile("sgd", CLASSES[name](axis=axis), engine=engine)
        assert model.check_gradients(x, y, sample_weight=weights).max_relative_error <= 1e-6
        history = model.fit(x, y, sample_weight=weights, batch_size=4, epochs=3, verbose=0).history["loss"]
        found.append([*history, *(w.ravel() for w in model.get_weights())])
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@EACH
def test_the_same_bits_on_any_number_of_threads(name, rng, every_step_is_shared):
    x, y = rng.normal(size=(300, 40)).astype("f"), rng.integers(2, size=(300, 20)).astype("f")
    found = []
    for threads in (1, 2, 3):
        cb.utils.set_random_seed(3)
        cb.config.set_num_threads(threads)
        model = cb.Sequential([cb.Input((40,)), layers.Dense(300, "relu"), layers.Dense(20, "sigmoid")])
        model.compile("sgd", CLASSES[name](axis=None))
        history = model.fit(x, y, batch_size=150, epochs=2, verbose=0).history["loss"]
        found.append([history, *model.get_weights()])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_array_equal(a, b)


@EACH
def test_function_gives_the_values_of_its_class(name, rng):
    y_true, y_pred = problem(rng)
    function = getattr(losses, cb.registry.snake_case(name))
    for axis in AXES:
        assert_array_equal(
            function(y_true, y_pred, axis=axis),
            CLASSES[name](axis=axis, reduction=None, dtype="float64")(y_true, y_pred),
        )
    assert list(inspect.signature(function).parameters)[:2] == ["y_true", "y_pred"]


@EACH
@pytest.mark.parametrize(
    ("axis", "error", "message"),
    [
        (4, ValueError, r"axis 4 is out of range for predictions of shape \(batch, 3, 2, 5\)"),
        (-4, ValueError, "axis -4 is out of range"),
        ((1, 1), ValueError, "none twice"),
        ((), ValueError, "at least one axis"),
        (1.5, TypeError, "axis must be an integer"),
        (True, TypeError, "axis must be an integer"),
        ((1, "2"), TypeError, "axis must be an integer"),
    ],
)
def test_bad_axes(name, axis, error, message, rng):
    with pytest.raises(error, match=message):
        CLASSES[name](axis=axis)(*problem(rng))


@pytest.mark.parametrize("axis", [4, (1, 4)])
def test_an_axis_that_is_not_there_is_seen_before_training(axis):
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="out of range"):
        model.compile("sgd", losses.Dice(axis=axis))


@pytest.mark.parametrize("name", ["Dice", "Tversky"])
def test_labels_out_of_range(name):
    """Their formulas have a meaning for any targets, and Keras computes it."""
    assert np.isfinite(CLASSES[name]()([[2.0]], [[0.5]]))


@pytest.mark.parametrize(("option", "message"), [({"alpha": -1}, "alpha must be"), ({"beta": np.inf}, "beta must be")])
def test_bad_numbers(option, message):
    with pytest.raises(ValueError, match=message):
        losses.Tversky(**option)


@EACH
def test_nothing_at_all(name):
    """Where everything is 0, values are finite and no weight is lost."""
    zeros = np.zeros((2, 1, 1, 5))
    for axis in (None, -1):
        values, delta, twin_values, twin_delta = evaluate(CLASSES[name](axis=axis), zeros, zeros, np.ones(2))
        assert np.isfinite(delta).all()
        assert_allclose(values, twin_values)
        assert_allclose(delta, twin_delta)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None, (0, 1)])
@pytest.mark.parametrize("name", CLASSES)
def test_rows_that_a_mask_hides_are_part_of_their_sample(name, axis, engine, rng):
    x = rng.normal(size=(6, 3, 2))
    x[rng.random((6, 3)) < 0.5] = 0
    model = cb.Sequential([cb.Input((3, 2)), cb.layers.Masking(0.0), cb.layers.Dense(4, activation="sigmoid")])
    model.compile("sgd", CLASSES[name](axis=axis), engine=engine)
    report = model.check_gradients(x, rng.random((6, 3, 4)), sample_weight=rng.random((6, 3)))
    assert report.max_relative_error < 1e-5
