"""The losses against those of Keras: names, arguments, values with all options, gradients through torch."""

import inspect
import itertools

import keras
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from cbackprop import losses
from cbackprop.losses.row_function import owner

# CTC, whose targets are sequences of labels, is in test_ctc_keras.py.
CLASSES = {
    name: thing
    for name, thing in losses.registry
    if inspect.isclass(thing) and hasattr(keras.losses, name) and name != "CTC"
}
FUNCTIONS = {name: thing for name, thing in losses.registry if owner(thing) in CLASSES.values()}
# Losses whose predictions must be positive.
POSITIVE = ("KLDivergence", "Poisson", "MeanSquaredLogarithmicError")
KERAS_NAMES = keras.src.losses.ALL_OBJECTS_DICT

SMOOTHED = [
    {"from_logits": logits, "label_smoothing": smoothing}
    for logits, smoothing in itertools.product([False, True], [0.0, 0.1])
]
OPTIONS = {
    "Huber": [{}, {"delta": 0.3}],
    "BinaryCrossentropy": SMOOTHED,
    "CategoricalCrossentropy": SMOOTHED,
    "SparseCategoricalCrossentropy": [{}, {"from_logits": True}],
    "BinaryFocalCrossentropy": [
        *SMOOTHED,
        {"gamma": 0.0},
        {"gamma": 3.5, "from_logits": True},
        {"apply_class_balancing": True, "alpha": 0.7, "label_smoothing": 0.1},
    ],
    "CategoricalFocalCrossentropy": [*SMOOTHED, {"gamma": 0.0}, {"gamma": 3.5, "alpha": 0.7, "from_logits": True}],
    "CategoricalGeneralizedCrossEntropy": [{"q": 0.5}, {"q": 0.9}],
}
CASES = [(name, options) for name in CLASSES for options in OPTIONS.get(name, [{}])]
EACH_CASE = pytest.mark.parametrize(("name", "options"), CASES)
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]
EACH_TYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])


def limit(cls, dtype, reduction=None):
    """Rounding of sums of a few terms of size 1.

    On torch, Keras takes means and reduces losses in float32 whatever the dtype: only what it merely sums over
    classes is of float64 precision. It rounds alpha, gamma and q to float32 too.
    """
    exact = cls.__name__ in ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")
    return 1e-12 if dtype == "float64" and exact and reduction in (None, "none") else 2e-6


def keras_type(name, options, dtype):
    """The type in which Keras computes what ours is compared with.

    It takes the focal losses of logits from rounded and clipped probabilities, so that of a badly predicted label
    only some 4 digits are right in float32. Ours are of the logits, and right in both types.
    """
    return "float64" if "Focal" in name and options.get("from_logits") else dtype


def problem(loss, dtype, rng, shape=(6, 4, 3)):
    """Targets and predictions; of the probabilities, which do not sum to 1, some are 0 and some 1."""
    if loss.target_kind == "index":
        y_true = rng.integers(shape[-1], size=shape[:-1])
    elif loss.target_limits and loss.target_limits[1] > 1:
        y_true = rng.poisson(2, size=shape).astype(float)
    elif type(loss).__name__.endswith("inge"):
        y_true = rng.integers(2, size=shape).astype(float)
    elif loss.target_limits:
        y_true = np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
        y_true[:2] = rng.random((2, *shape[1:]))
    else:
        y_true = rng.normal(size=shape)
    if type(loss).__name__ in POSITIVE:
        return y_true, rng.uniform(0.05, 0.95, size=shape).astype(dtype)
    if not loss.link or loss.from_logits:
        return y_true, (3 * rng.normal(size=shape)).astype(dtype)
    y_pred = rng.uniform(0.05, 0.95, size=shape)
    if isinstance(loss, losses.CategoricalGeneralizedCrossEntropy):  # whose derivative is infinite at 0
        return y_true, y_pred.astype(dtype)
    y_pred[::3] = np.eye(shape[-1])[rng.integers(shape[-1], size=y_pred[::3].shape[:-1])]
    return y_true, y_pred.astype(dtype)


def as_numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@EACH_CLASS
def test_arguments_and_defaults(name):
    ours = inspect.signature(CLASSES[name]).parameters.values()
    theirs = inspect.signature(getattr(keras.losses, name)).parameters.values()
    own = {"missing"}  # an argument of this library's own, the last one
    assert [(p.name, p.default, p.kind) for p in ours if p.name not in own] == [
        (p.name, p.default, p.kind) for p in theirs
    ]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_and_defaults_of_functions(name):
    ours = inspect.signature(FUNCTIONS[name]).parameters.values()
    theirs = inspect.signature(getattr(keras.losses, name)).parameters.values()
    own = {"missing"}  # an argument of this library's own, the last one
    assert [(p.name, p.default, p.kind) for p in ours if p.name not in own] == [
        (p.name, p.default, p.kind) for p in theirs
    ]


def test_base_class_takes_the_same_arguments():
    ours = [p for p in inspect.signature(losses.Loss).parameters.values() if p.name != "missing"]
    theirs = inspect.signature(keras.losses.Loss).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


@EACH_CLASS
def test_names(name):
    assert CLASSES[name]().name == getattr(keras.losses, name)().name


def test_strings_stand_for_the_same_things():
    """Every string that Keras knows, of a loss that we have."""
    ours = {**CLASSES, **FUNCTIONS}
    unlisted = {"CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy"}  # Keras left them out
    common = {key: thing.__name__ for key, thing in KERAS_NAMES.items() if thing.__name__ in ours}
    assert not unlisted & set(common.values())
    assert len(common) == len(CLASSES) + len(FUNCTIONS) - len(unlisted) + 12
    for key, name in common.items():
        found, theirs = losses.get(key), keras.losses.get(key)
        assert inspect.isfunction(found) == inspect.isfunction(theirs), key
        assert (found if inspect.isfunction(found) else type(found)) is ours[name], key


@EACH_CASE
def test_configs_are_understood(name, options):
    theirs = getattr(keras.losses, name)(reduction="sum", **options)
    ours = CLASSES[name].from_config(theirs.get_config())
    assert {key: getattr(ours, key) for key in theirs.get_config()} == theirs.get_config()
    again = type(theirs).from_config(CLASSES[name](reduction="sum", **options).get_config())
    assert again.get_config() == theirs.get_config()


@EACH_TYPE
@EACH_CASE
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weights", [None, (6, 4)])
def test_values(name, options, dtype, reduction, weights, rng):
    ours = CLASSES[name](reduction=reduction, dtype=dtype, **options)
    theirs = getattr(keras.losses, name)(reduction=reduction, dtype=keras_type(name, options, dtype), **options)
    y_true, y_pred = problem(ours, dtype, rng)
    w = None if weights is None else rng.uniform(0, 2, size=weights)
    found, expected = ours(y_true, y_pred, sample_weight=w), as_numpy(theirs(y_true, y_pred, sample_weight=w))
    assert found.shape == expected.shape
    assert found.dtype == dtype
    tolerance = limit(CLASSES[name], dtype, reduction)
    assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@EACH_CASE
def test_weights_of_samples(name, options, rng):
    ours, theirs = CLASSES[name](**options), getattr(keras.losses, name)(**options)
    y_true, y_pred = problem(ours, "float32", rng, (6, 3))
    w = rng.uniform(0, 2, size=6)
    expected = float(theirs(y_true, y_pred, sample_weight=w))
    for weights in (w, w[:, np.newaxis]):
        assert float(ours(y_true, y_pred, sample_weight=weights)) == pytest.approx(expected, rel=1e-6)


@EACH_TYPE
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_values(name, dtype, rng):
    for options in OPTIONS.get(owner(FUNCTIONS[name]).__name__, [{}]):
        y_true, y_pred = problem(owner(FUNCTIONS[name])(**options), dtype, rng)
        found = FUNCTIONS[name](y_true, y_pred, **options)
        their_pred = torch.tensor(y_pred.astype(keras_type(owner(FUNCTIONS[name]).__name__, options, dtype)))
        expected = as_numpy(getattr(keras.losses, name)(torch.tensor(y_true), their_pred, **options))
        assert found.dtype == dtype
        tolerance = limit(owner(FUNCTIONS[name]), dtype)
        assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@EACH_TYPE
@EACH_CASE
def test_gradients(name, options, dtype, rng):
    """The kernel's delta against torch's derivative of Keras's loss, clipped probabilities included."""
    ours = CLASSES[name](dtype=dtype, **options)
    their_type = keras_type(name, options, dtype)
    theirs = getattr(keras.losses, name)(reduction=None, dtype=their_type, **options)
    y_true, y_pred = problem(ours, dtype, rng, (12, 3))
    coefficients = rng.uniform(0.5, 1, size=12)
    tensor = torch.tensor(y_pred.astype(their_type), requires_grad=True)
    theirs(y_true, tensor, sample_weight=coefficients).sum().backward()
    function, delta = ours.row_function(False, dtype), np.empty_like(y_pred)
    function.set_shape(y_pred.shape[1:])
    if ours.target_kind == "index":
        function.values_of_classes(y_true, y_pred, coefficients, delta)
    else:
        function.values(y_true.astype(dtype), y_pred, coefficients, delta)
    expected = tensor.grad.numpy()
    tolerance = limit(CLASSES[name], dtype)
    assert np.abs(expected).max() < (1e4 if name == "MeanAbsolutePercentageError" else 20)  # from 1 / p; from 100 / y
    assert_allclose(delta, expected, rtol=tolerance, atol=20 * tolerance)


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
def test_extreme_logits(name):
    """Keras's values from logits are finite too, and the same."""
    ours, theirs = (family(from_logits=True, reduction=None) for family in (CLASSES[name], getattr(keras.losses, name)))
    z = np.array([[1e4, -1e4, 3.0], [-1e4, 1e4, 0.0], [1e4, 1e4, 1e4]], np.float32)
    y = np.array([0, 0, 2]) if ours.target_kind == "index" else np.eye(3)[[0, 0, 2]]
    assert_allclose(ours(y, z), as_numpy(theirs(y, z)), rtol=1e-6)


@EACH_TYPE
@pytest.mark.parametrize(
    ("name", "axis"),
    [
        (name, axis)
        for name in ("CosineSimilarity", "Dice", "Tversky")
        for axis in (None, -1, 0, 1, (1, 2), (0, 1), (-1, 1))
        # Of several axes in the other order, or of all, Keras takes the norm of a matrix, which makes no cosine.
        if name != "CosineSimilarity" or axis not in (None, (-1, 1))
    ],
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_axes(name, axis, dtype, reduction, rng):
    y_true, y_pred = (
        rng.integers(2, size=(6, 4, 3)).astype(dtype),
        rng.uniform(0.05, 0.95, size=(6, 4, 3)).astype(dtype),
    )
    ours = CLASSES[name](axis=axis, reduction=reduction, dtype=dtype)(y_true, y_pred)
    theirs = as_numpy(getattr(keras.losses, name)(axis=axis, reduction=reduction, dtype=dtype)(y_true, y_pred))
    assert ours.shape == theirs.shape
    assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_one_value_with_weights(reduction, rng):
    y_true, y_pred, w = rng.integers(2, size=(6, 3)).astype("f"), rng.random((6, 3)).astype("f"), rng.random(6)
    theirs = keras.losses.Dice(reduction=reduction)(y_true, y_pred, sample_weight=w)
    ours = losses.Dice(reduction=reduction)(y_true, y_pred, sample_weight=w)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)
