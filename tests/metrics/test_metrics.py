"""Every metric of the registry: kernel against twin, means over batches, function form, in training, mistakes."""

import importlib
import inspect
import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, metrics
from cbackprop.losses.row_function import owner

CLASSES = {name: cls for name, cls in metrics.registry if issubclass(cls, metrics.RowMean)}
FUNCTIONS = [getattr(metrics, name) for name in metrics.__all__ if owner(getattr(metrics, name)) is not None]
OPTIONS = {
    "BinaryAccuracy": [{}, {"threshold": 0.2}, {"threshold": -1.0}],
    "BinaryCrossentropy": [{}, {"label_smoothing": 0.1}, {"from_logits": True}],
    "CategoricalCrossentropy": [{}, {"label_smoothing": 0.1}, {"from_logits": True}],
    "SparseCategoricalCrossentropy": [{}, {"from_logits": True}],
}
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)
EACH_CASE = pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name in CLASSES for options in OPTIONS.get(name, [{}])]
)
EACH_FUNCTION = pytest.mark.parametrize("function", [pytest.param(f, id=f.__name__) for f in FUNCTIONS])
EACH_TYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
LIMITS = {"float64": 1e-12, "float32": 1e-5}


def problem(metric, rng, shape=(4, 3, 2)):
    """Targets that the metric accepts, and predictions in (0, 1), many of them right."""
    y_pred = rng.uniform(0.05, 0.95, size=shape)
    if metric.target_kind == "index":
        guesses = rng.integers(shape[-1], size=shape[:-1])
        return np.where(rng.random(shape[:-1]) < 0.7, y_pred.argmax(-1), guesses), y_pred
    if "Correlation" in type(metric).__name__:
        return rng.normal(size=shape), y_pred
    if "Categorical" in type(metric).__name__:
        return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])], y_pred
    if type(metric).__name__ == "Accuracy":
        y_pred = y_pred.round(1)
    return np.where(rng.random(shape) < 0.5, y_pred.round(1), rng.integers(2, size=shape)), y_pred


def compiled(metric, y_true, y_pred):
    """The kernel's result for matrices."""
    function = metric.row_function(False, y_pred.dtype.name)
    if metric.target_kind == "index":
        return function.values_of_classes(np.ascontiguousarray(y_true, np.int64), y_pred)
    return function.values(np.ascontiguousarray(y_true, y_pred.dtype), y_pred)


def twin_class(cls):
    module, _, name = cls.implementation.rpartition(".")
    return getattr(importlib.import_module(f"cbackprop.reference.{module}"), name)


def finish(metric, mean):
    """The `result` for a mean."""
    return math.sqrt(mean) if type(metric).__name__ == "RootMeanSquaredError" else mean


@EACH_FUNCTION
def test_function_is_complete(function):
    text = inspect.getdoc(function)
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{section}\n{'-' * len(section)}\n" in text, section
    for argument in list(inspect.signature(function).parameters)[2:]:
        assert f"\n{argument} : " in text, argument


@EACH_CASE
def test_config_round_trip(name, options):
    metric = CLASSES[name](name="mine", **options)
    again = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
    assert type(again) is CLASSES[name]
    assert again.get_config() == metric.get_config()
    assert all(again.get_config()[key] == value for key, value in options.items())


# Values


@EACH_TYPE
@EACH_CASE
def test_kernel_agrees_with_twin(name, options, dtype, rng):
    metric = CLASSES[name](dtype=dtype, **options)
    for shape in [(1, 1), (6, 1), (5, 2), (40, 3), (3, 70)]:
        y_true, y_pred = problem(metric, rng, shape)
        y_pred = y_pred.astype(dtype)
        y_true = y_true if metric.target_kind == "index" else y_true.astype(dtype)
        _, values, _ = twin_class(type(metric))(metric, False).evaluate(y_true, y_pred)
        assert_allclose(compiled(metric, y_true, y_pred), values, rtol=LIMITS[dtype], atol=LIMITS[dtype])


def test_what_is_right(rng):
    """Ties and thresholds, written out."""
    y = [[0.5, 0.5], [0.5, 0.4]]
    assert metrics.BinaryAccuracy()([[0, 0], [0, 1]], y) == 0.75  # 0.5 is not above 0.5
    assert metrics.BinaryAccuracy()([[0.5, 0.5], [0.5, 0.5]], y) == 0.0  # no label of 0 or 1 is there to be met
    assert metrics.SparseCategoricalAccuracy()([0, 1], y) == 0.5  # of equal ones the first counts
    assert metrics.CategoricalAccuracy()([[1, 1], [1, 1]], y) == 1.0
    assert metrics.CategoricalAccuracy()([[0, 1], [0, 1]], y) == 0.0
    assert metrics.Accuracy()([[0.5, 0.4], [0.5, 0.4]], y) == 0.75
    assert metrics.RootMeanSquaredError()([[0, 0]], [[3, 4]]) == pytest.approx(math.sqrt(12.5))


@EACH_TYPE
@EACH_CASE
@pytest.mark.parametrize("weights", [None, "samples", "column", "rows"])
def test_mean_over_batches(name, options, dtype, weights, rng):
    metric = CLASSES[name](dtype=dtype, **options)
    assert metric.result() == 0
    total = count = 0.0
    for size in (4, 1, 7):
        y_true, y_pred = problem(metric, rng, (size, 3, 2))
        flat = y_true.reshape(-1) if metric.target_kind == "index" else y_true.reshape(-1, 2)
        values = compiled(metric, flat, y_pred.reshape(-1, 2).astype(dtype)).reshape(size, 3)
        shape = {None: (size, 1), "samples": (size, 1), "column": (size, 1), "rows": (size, 3)}[weights]
        w = np.ones(shape) if weights is None else rng.uniform(0, 2, size=shape)
        given = {None: None, "samples": w[:, 0], "column": w, "rows": w}[weights]
        found = metric(y_true, y_pred, sample_weight=given)
        spread = np.broadcast_to(w, (size, 3))
        total, count = total + (values * spread).sum(), count + spread.sum()
        assert found == metric.result()
        assert found.dtype == dtype
        assert_allclose(found, finish(metric, total / count), rtol=1e-6 if dtype == "float32" else 1e-13)
    metric.reset_state()
    assert metric.result() == 0


@pytest.mark.parametrize("name", [name for name, cls in CLASSES.items() if cls.elementwise])
def test_single_elements(name, rng):
    """Batches of numbers without an axis, and weights of single elements."""
    y_true, y_pred = problem(CLASSES[name](), rng, (6, 2))
    each = CLASSES[name](dtype="float64")
    values = compiled(each, y_true.reshape(-1, 1), y_pred.reshape(-1, 1))
    w = rng.uniform(0, 2, size=(6, 2))
    weighted = finish(each, (values * w.ravel()).sum() / w.sum())
    assert_allclose(CLASSES[name](dtype="float64")(y_true, y_pred, sample_weight=w), weighted, rtol=1e-13)
    assert_allclose(
        CLASSES[name](dtype="float64")(y_true.ravel(), y_pred.ravel(), sample_weight=w.ravel()), weighted, rtol=1e-13
    )
    each.update_state(y_true.ravel(), y_pred.ravel())
    assert each.count == 12


@EACH_CLASS
def test_weights_of_nothing(name, rng):
    metric = CLASSES[name]()
    metric.update_state(*problem(metric, rng), sample_weight=np.zeros(4))
    assert metric.result() == 0


# Functions and names


@EACH_FUNCTION
@EACH_TYPE
def test_function_gives_the_values_of_its_class(function, dtype, rng):
    cls = owner(function)
    options = {"threshold": 0.3} if cls.__name__ == "BinaryAccuracy" else {}
    y_true, y_pred = problem(cls(), rng)
    y_pred = y_pred.astype(dtype)
    found = function(y_true, y_pred, **options)
    assert found.dtype == dtype
    assert found.shape == ((4, 3, 2) if cls.__name__ == "BinaryAccuracy" else (4, 3))
    expected = cls(dtype=dtype, **options).row_values(y_true, y_pred)
    assert_allclose(found.mean(-1) if found.ndim == 3 else found, expected, rtol=1e-6)


@EACH_CLASS
def test_names_stand_for_the_class(name):
    cls = CLASSES[name]
    for identifier in (name, name.lower(), cb.registry.snake_case(name), cls, cls(), metrics.serialize(cls())):
        assert type(metrics.get(identifier)) is cls
        assert type(metrics.as_metric(identifier)) is cls


@pytest.mark.parametrize("alias", ["mse", "MSE", "mae", "MAE", "bce", "BCE", "mape", "MAPE", "msle", "MSLE"])
def test_aliases(alias):
    names = {
        "mse": "MeanSquaredError",
        "mae": "MeanAbsoluteError",
        "bce": "BinaryCrossentropy",
        "mape": "MeanAbsolutePercentageError",
        "msle": "MeanSquaredLogarithmicError",
    }
    assert type(metrics.get(alias)) is CLASSES[names[alias.lower()]]


def test_functions_stand_for_means():
    found = {f.__name__: type(metrics.as_metric(f)).__name__ for f in FUNCTIONS}
    assert found == {
        "binary_accuracy": "BinaryAccuracy",
        "binary_crossentropy": "BinaryCrossentropy",
        "binary_focal_crossentropy": "MeanMetricWrapper",
        "categorical_accuracy": "CategoricalAccuracy",
        "categorical_crossentropy": "CategoricalCrossentropy",
        "categorical_focal_crossentropy": "MeanMetricWrapper",
        "categorical_hinge": "CategoricalHinge",
        "concordance_correlation": "ConcordanceCorrelation",
        "hinge": "Hinge",
        "huber": "MeanMetricWrapper",  # Keras has no such metric class
        "kl_divergence": "KLDivergence",
        "log_cosh": "LogCoshError",
        "mean_absolute_error": "MeanAbsoluteError",
        "mean_absolute_percentage_error": "MeanAbsolutePercentageError",
        "mean_squared_error": "MeanSquaredError",
        "mean_squared_logarithmic_error": "MeanSquaredLogarithmicError",
        "poisson": "Poisson",
        "sparse_categorical_accuracy": "SparseCategoricalAccuracy",
        "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
        "sparse_top_k_categorical_accuracy": "SparseTopKCategoricalAccuracy",
        "pearson_correlation": "PearsonCorrelation",
        "squared_hinge": "SquaredHinge",
        "top_k_categorical_accuracy": "TopKCategoricalAccuracy",
    }
    assert metrics.as_metric(metrics.log_cosh).name == "log_cosh"


# In training


def make(sparse, engine):
    cb.utils.set_random_seed(1)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3, activation="softmax")])
    names = [name for name, cls in CLASSES.items() if (cls.target_kind == "index") == sparse]
    loss = "sparse_categorical_crossentropy" if sparse else "categorical_crossentropy"
    chosen, weighted = [CLASSES[n]() for n in names], [CLASSES[n](name=f"w_{n}") for n in names]
    model.compile(loss=loss, metrics=chosen, weighted_metrics=weighted, engine=engine)
    return model, names


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("sparse", [False, True])
def test_engines_give_the_same_means(sparse, engine, rng):
    model, names = make(sparse, engine)
    x, classes, w = rng.normal(size=(50, 4)), rng.integers(3, size=50), rng.uniform(0, 2, size=50)
    y = classes if sparse else np.eye(3)[classes]
    logs = model.evaluate(x, y, sample_weight=w, batch_size=8, verbose=0, return_dict=True)
    p = model.predict(x, verbose=0)
    for name in names:
        assert logs[CLASSES[name]().name] == pytest.approx(float(CLASSES[name]()(y, p)), rel=1e-5)
        assert logs[f"w_{name}"] == pytest.approx(float(CLASSES[name]()(y, p, sample_weight=w)), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "activation", "width", "expected"),
    [
        ("bce", "sigmoid", 1, "BinaryAccuracy"),
        ("mse", None, 1, "BinaryAccuracy"),
        ("categorical_crossentropy", "softmax", 3, "CategoricalAccuracy"),
        ("sparse_categorical_crossentropy", "softmax", 3, "SparseCategoricalAccuracy"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc", "Accuracy"])
def test_accuracy_is_that_of_the_loss(loss, activation, width, expected, name, rng):
    model = cb.Sequential([cb.Input((4,)), layers.Dense(width, activation=activation)])
    model.compile(loss=loss, metrics=[name])
    metric = CLASSES[expected]()
    classes = rng.integers(max(width, 2), size=20)
    y = classes if metric.target_kind == "index" else np.eye(width)[classes] if width > 1 else classes
    x = rng.normal(size=(20, 4))
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert logs[name] == pytest.approx(float(metric(y, model.predict(x, verbose=0))))


def test_compile_takes_functions(rng):
    model = cb.Sequential([cb.Input((4,)), layers.Dense(1)])
    model.compile(loss="mse", metrics=[metrics.binary_accuracy, metrics.mean_absolute_error, "mse", "MAE"])
    x, y = rng.normal(size=(20, 4)), rng.integers(2, size=(20, 1))
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "binary_accuracy", "mean_absolute_error", "mse", "MAE"}
    assert logs["mse"] == pytest.approx(logs["loss"])
    assert logs["MAE"] == logs["mean_absolute_error"]


# Mistakes


@EACH_CLASS
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t, p: (t[:3], p, None), ValueError, "^y_true must"),
        (lambda t, p: (t, p * np.nan, None), ValueError, "^y_pred must be finite"),
        (lambda t, p: (t * np.inf, p, None), ValueError, "^y_true must be finite"),
        (lambda t, p: (t, 0.5, None), ValueError, "^y_pred must have rows"),
        (lambda t, p: (t, p.astype(str), None), TypeError, "^y_pred must hold real numbers"),
        (lambda t, p: (t, p, np.full(4, np.nan)), ValueError, "^sample_weight must be finite"),
        (lambda t, p: (t, p, np.ones(5)), ValueError, "^sample_weight must have one weight for each sample"),
    ],
    ids=["length", "nan", "inf", "scalar", "text", "nan weight", "weights"],
)
def test_bad_batches_change_nothing(name, change, error, message, rng):
    metric = CLASSES[name]()
    y_true, y_pred = problem(metric, rng)
    metric.update_state(y_true, y_pred)
    before = float(metric.total), float(metric.count)
    with np.errstate(invalid="ignore"), pytest.raises(error, match=message):
        metric.update_state(*change(y_true, y_pred))
    assert (metric.total, metric.count) == before


@EACH_CLASS
def test_labels_out_of_range(name, rng):
    metric = CLASSES[name]()
    y_true, y_pred = problem(metric, rng)
    y_true = y_true.astype(float)
    y_true.flat[0] = wrong = -2 if type(metric).__name__ == "Poisson" else 2
    if metric.target_kind == "index":
        with pytest.raises(ValueError, match=r"classes in \[0, 2\), but got 2"):
            metric.update_state(y_true, y_pred)
    elif metric.target_limits and metric.beyond_limits == "refuse":
        with pytest.raises(ValueError, match=rf"^y_true must hold .* but got {wrong}"):
            metric.update_state(y_true, y_pred)
    else:
        metric.update_state(y_true, y_pred)


@EACH_CLASS
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dtype": "int32"}, ValueError, "dtype 'float32' or 'float64'"),
        ({"threshold": "half"}, TypeError, "threshold must be a number"),
        ({"threshold": np.nan}, ValueError, "threshold must be finite"),
        ({"from_logits": 0}, TypeError, "from_logits must be True or False"),
        ({"label_smoothing": 2}, ValueError, "label_smoothing must be"),
        ({"axis": 0.5}, TypeError, "axis must be an integer"),
        ({"k": 0}, ValueError, "k must be at least 1"),
        ({"ignore_class": "1"}, TypeError, "ignore_class must be an integer"),
    ],
)
def test_bad_arguments(name, options, error, message):
    (argument,) = options
    if argument not in inspect.signature(CLASSES[name]).parameters:
        error, message = TypeError, "unexpected keyword"
    with pytest.raises(error, match=message):
        CLASSES[name](**options)


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("binary_acc", ValueError, "Unknown metric 'binary_acc'. Did you mean 'binary_accuracy'"),
        ({"class_name": "Hits", "config": {}}, ValueError, "Unknown metric 'Hits'"),
        (7, TypeError, "Expected a metric"),
        (cb.losses.Huber(), TypeError, "Expected a metric"),
    ],
)
def test_unknown_metrics(identifier, error, message):
    with pytest.raises(error, match=message):
        metrics.as_metric(identifier)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(1)])
    with pytest.raises(error, match=message):
        model.compile(loss="mse", metrics=[identifier])


def test_functions_do_not_change_their_arguments(rng):
    y_true, y_pred = problem(metrics.BinaryAccuracy(), rng)
    before = y_pred.copy()
    metrics.binary_accuracy(y_true, y_pred)
    assert_array_equal(y_pred, before)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (6,), (6, 1), (3, 2)])
def test_labels_of_the_top_k_may_be_of_any_shape(shape, rng):
    labels, scores = rng.integers(0, 5, 6), rng.random((2, 3, 5))
    ranks = (scores.reshape(6, 5) > scores.reshape(6, 5)[np.arange(6), labels][:, np.newaxis]).sum(axis=1)
    found = metrics.sparse_top_k_categorical_accuracy(labels.reshape(shape), scores, k=2)
    np.testing.assert_array_equal(found, (ranks < 2).reshape(shape))
    metric = metrics.SparseTopKCategoricalAccuracy(k=2)
    assert metric(labels.reshape(shape), scores) == pytest.approx((ranks < 2).mean())
    with pytest.raises(ValueError, match=r"one class number for each prediction, shape \(2, 3\), but got shape \(5,\)"):
        metric(labels[:5], scores)
