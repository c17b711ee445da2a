"""The metrics against those of Keras: names, arguments, and means over batches with all options and weights."""

import inspect

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cbackprop import metrics
from cbackprop.losses.row_function import owner

CLASSES = {name: cls for name, cls in metrics.registry if issubclass(cls, metrics.RowMean)}
FUNCTIONS = [name for name in metrics.__all__ if owner(getattr(metrics, name)) is not None]
KERAS_NAMES = keras.src.metrics.ALL_OBJECTS_DICT
OPTIONS = {
    "BinaryAccuracy": [{}, {"threshold": 0.2}],
    "BinaryCrossentropy": [{}, {"label_smoothing": 0.1}, {"from_logits": True}],
    "CategoricalCrossentropy": [{}, {"label_smoothing": 0.1}, {"from_logits": True}],
    "SparseCategoricalCrossentropy": [{}, {"from_logits": True}],
    # No more than there are classes here: Keras on PyTorch fails then
    "TopKCategoricalAccuracy": [{"k": 1}, {"k": 2}],
    "SparseTopKCategoricalAccuracy": [{"k": 1}, {"k": 2}],
}
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)
EACH_CASE = pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name in CLASSES for options in OPTIONS.get(name, [{}])]
)


def problem(metric, rng, shape):
    """Targets that the metric accepts, and predictions in (0, 1), some equal to each other or to targets."""
    y_pred = rng.uniform(0.05, 0.95, size=shape).round(1).astype(np.float32)
    if metric.target_kind == "index":
        return rng.integers(shape[-1], size=shape[:-1]), y_pred
    if "Correlation" in type(metric).__name__:
        # In float64: Keras loses digits of float32 where terms cancel
        return rng.normal(size=shape), rng.normal(size=shape)
    if "Hinge" in type(metric).__name__:
        return rng.integers(2, size=shape).astype(np.float32), y_pred
    if "Categorical" in type(metric).__name__:
        return np.eye(shape[-1], dtype=np.float32)[rng.integers(shape[-1], size=shape[:-1])], y_pred
    return np.where(rng.random(shape) < 0.3, y_pred, rng.integers(2, size=shape)).astype(np.float32), y_pred


@EACH_CLASS
def test_arguments_and_defaults(name):
    ours = inspect.signature(CLASSES[name]).parameters.values()
    theirs = inspect.signature(getattr(keras.metrics, name)).parameters.values()
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]
    assert CLASSES[name]().name == getattr(keras.metrics, name)().name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_and_defaults_of_functions(name):
    ours = inspect.signature(getattr(metrics, name)).parameters.values()
    theirs = inspect.signature(getattr(keras.metrics, name)).parameters.values()
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]


def test_base_class_takes_the_same_arguments():
    ours = inspect.signature(metrics.Metric).parameters.values()
    theirs = inspect.signature(keras.metrics.Metric).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_strings_stand_for_the_same_things():
    """Every string that Keras knows, of a metric that we have."""
    common = {key: thing.__name__ for key, thing in KERAS_NAMES.items() if thing.__name__ in CLASSES}
    assert len(common) == 2 * len(CLASSES) + 10
    for key, name in common.items():
        assert type(metrics.get(key)) is CLASSES[name], key
        assert type(keras.metrics.get(key)).__name__ == name, key


@EACH_CASE
def test_configs_are_understood(name, options):
    theirs = getattr(keras.metrics, name)(**options)
    ours = CLASSES[name].from_config(theirs.get_config())
    assert {key: getattr(ours, key) for key in theirs.get_config()} == theirs.get_config()
    again = type(theirs).from_config(CLASSES[name](**options).get_config())
    assert again.get_config() == theirs.get_config()


@EACH_CASE
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [(), (3,)])
def test_means_over_batches(name, options, weighted, rows, rng):
    ours, theirs = CLASSES[name](**options), getattr(keras.metrics, name)(**options)
    for size in (4, 1, 7):
        y_true, y_pred = problem(ours, rng, (size, *rows, 4))
        w = rng.uniform(0, 2, size=(size, *rows)) if weighted else None
        ours.update_state(y_true, y_pred, sample_weight=w)
        theirs.update_state(y_true, y_pred, sample_weight=w)
        assert_allclose(ours.result(), float(theirs.result()), rtol=2e-6)


@pytest.mark.parametrize("name", [name for name, cls in CLASSES.items() if cls.elementwise])
@pytest.mark.parametrize("weights", [None, "samples", "elements"])
def test_single_elements(name, weights, rng):
    ours, theirs = CLASSES[name](), getattr(keras.metrics, name)()
    for shape in [(5,), (2,)] if weights == "samples" else [(5, 1), (3, 1)]:
        y_true, y_pred = problem(ours, rng, shape)
        w = None if weights is None else rng.uniform(0, 2, size=shape)
        ours.update_state(y_true, y_pred, sample_weight=w)
        theirs.update_state(y_true, y_pred, sample_weight=w)
        assert_allclose(ours.result(), float(theirs.result()), rtol=2e-6)


def test_weights_of_elements(rng):
    """A weight for each of several elements of a row."""
    for name in [name for name, cls in CLASSES.items() if cls.elementwise]:
        ours, theirs = CLASSES[name](), getattr(keras.metrics, name)()
        for size in (5, 2):
            y_true, y_pred = problem(ours, rng, (size, 3))
            w = rng.uniform(0, 2, size=(size, 3))
            assert_allclose(ours(y_true, y_pred, w), float(theirs(y_true, y_pred, w)), rtol=2e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_values(name, rng):
    function = getattr(metrics, name)
    y_true, y_pred = problem(owner(function)(), rng, (6, 4, 3))
    for options in [{"k": 1}, {"k": 2}] if "top_k" in name else [{}]:
        check_function_values(name, y_true, y_pred, options)


def check_function_values(name, y_true, y_pred, options):
    found = getattr(metrics, name)(y_true, y_pred, **options)
    expected = keras.ops.convert_to_numpy(getattr(keras.metrics, name)(y_true, y_pred, **options))
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
