"""Every loss of the registry: kernel against twin and differences, reductions, extremes, function form, mistakes."""

import importlib
import itertools
import json
import math

import numpy as np
import pytest
from losses_of_rows import CLASSES, CROSSENTROPIES, EACH_CLASS, POSITIVE, predictions, problem, targets
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, losses
from cbackprop.losses.row_function import owner

FUNCTIONS = {name: thing for name, thing in losses.registry if owner(thing) in CLASSES.values()}
LINKED = [name for name, cls in CLASSES.items() if cls.link]

SMOOTHED = [
    {"from_logits": logits, "label_smoothing": smoothing}
    for logits, smoothing in itertools.product([False, True], [0.0, 0.2, 1.0])
]
FOCAL = [{"gamma": gamma, "from_logits": logits} for gamma in (2.0, 0.0, 1.0, 0.5, 3.5) for logits in (False, True)]
# Every way to make a loss that changes its numbers; all others have one way.
OPTIONS = {
    "Huber": [{}, {"delta": 0.3}, {"delta": 7.0}],
    "BinaryCrossentropy": SMOOTHED,
    "CategoricalCrossentropy": SMOOTHED,
    "SparseCategoricalCrossentropy": [{}, {"from_logits": True}],
    "BinaryFocalCrossentropy": [
        *FOCAL,
        {"label_smoothing": 0.2},
        {"apply_class_balancing": True, "alpha": 0.7},
        {"apply_class_balancing": True, "label_smoothing": 0.2, "from_logits": True},
    ],
    "CategoricalFocalCrossentropy": [
        *FOCAL,
        {"label_smoothing": 0.2, "alpha": 0.5},
        {"label_smoothing": 0.2, "from_logits": True},
    ],
    "CategoricalGeneralizedCrossEntropy": [{"q": 0.5}, {"q": 0.9}],
    "Quantile": [{}, {"quantile": 0.1}],
}
# Losses that grow faster than their predictions.
STEEP = ("MeanSquaredError", "SquaredHinge", "MeanAbsolutePercentageError", "BinaryFocalCrossentropy")
CASES = [
    pytest.param(
        name, options, linked, id="-".join([name, *(f"{k}={v}" for k, v in options.items()), *["linked"] * linked])
    )
    for name in CLASSES
    for options in OPTIONS.get(name, [{}])
    for linked in ([False, True] if CLASSES[name].link and not options.get("from_logits") else [False])
]
EACH_CASE = pytest.mark.parametrize(("name", "options", "linked"), CASES)
# Predictions without bounds, and values that do not grow faster than they.
UNBOUNDED = [
    case
    for case in CASES
    if case.values[0] not in (*STEEP, *POSITIVE)
    and (not CLASSES[case.values[0]].link or case.values[1].get("from_logits") or case.values[2])
]
EACH_FUNCTION = pytest.mark.parametrize("name", FUNCTIONS)
EACH_TYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
# Of a value that is a sum of terms of size 1; a delta is one term.
LIMITS = {"float64": 1e-12, "float32": 1e-5}
SHAPES = [(1, 1), (6, 1), (5, 2), (40, 3), (3, 70)]


def compiled(loss, y_true, y_pred, coefficients=None, linked=False):
    """The kernel's results for copies: predictions, values and, given coefficients, delta."""
    y_pred = np.array(y_pred)
    function = loss.row_function(linked, y_pred.dtype.name)
    evaluate = function.values_of_classes if loss.target_kind == "index" else function.values
    y_true = np.ascontiguousarray(y_true, np.int64 if loss.target_kind == "index" else y_pred.dtype)
    if coefficients is None:
        return y_pred, evaluate(y_true, y_pred), None
    delta = np.full_like(y_pred, np.nan)
    values = evaluate(y_true, y_pred, coefficients, delta)
    return y_pred, values, delta


def twin_class(cls):
    module, _, name = cls.implementation.rpartition(".")
    return getattr(importlib.import_module(f"cbackprop.reference.{module}"), name)


def twin(loss, y_true, y_pred, coefficients, linked=False):
    """The NumPy twin's results for the same."""
    y_true = y_true if loss.target_kind == "index" else np.asarray(y_true, y_pred.dtype)
    p, values, gradient = twin_class(type(loss))(loss, linked).evaluate(y_true, y_pred)
    assert {p.dtype, values.dtype, gradient.dtype} == {y_pred.dtype}
    return p, values, gradient * coefficients[:, np.newaxis].astype(y_pred.dtype)


def test_there_are_losses():
    assert {"MeanSquaredError", "Hinge", "Poisson", "Quantile", *CROSSENTROPIES} < set(CLASSES)
    assert set(CROSSENTROPIES) < set(LINKED)
    assert {owner(function) for function in FUNCTIONS.values()} == set(CLASSES.values())


@EACH_CASE
def test_config_round_trip(name, options, linked):
    loss = CLASSES[name](reduction="sum", **options)
    config = json.loads(json.dumps(losses.serialize(loss)))
    again = losses.deserialize(config)
    assert type(again) is CLASSES[name]
    assert again.get_config() == loss.get_config()
    assert all(again.get_config()[key] == value for key, value in options.items())


# Kernels


@EACH_TYPE
@EACH_CASE
@pytest.mark.parametrize("weighted", [False, True])
def test_kernel_agrees_with_twin(name, options, linked, dtype, weighted, rng):
    loss = CLASSES[name](dtype=dtype, **options)
    for rows, width in SHAPES:
        y_true = targets(loss, rows, width, rng)
        y_pred = predictions(loss, rows, width, rng, linked).astype(dtype)
        coefficients = rng.uniform(0, 2, size=rows) if weighted else np.ones(rows)
        ours = compiled(loss, y_true, y_pred, coefficients, linked)
        numpys = twin(loss, y_true, y_pred, coefficients, linked)
        for a, b in zip(ours, numpys, strict=True):
            assert_allclose(a, b, rtol=LIMITS[dtype], atol=LIMITS[dtype])
        assert_array_equal(compiled(loss, y_true, y_pred, linked=linked)[1], ours[1])
        if not linked:
            assert_array_equal(ours[0], y_pred)


@EACH_CASE
def test_delta_is_the_derivative(name, options, linked, rng):
    loss = CLASSES[name](dtype="float64", **options)
    h = 1e-5
    for rows, width in [(6, 1), (5, 2), (8, 4)]:
        y_true = targets(loss, rows, width, rng)
        y_pred = predictions(loss, rows, width, rng, linked)
        if loss.link and not linked and not loss.from_logits:  # away from the limits, where differences are wrong
            y_pred = rng.uniform(0.1, 0.9, size=y_pred.shape)
        if loss.link == "softmax" and width == 1 and not linked and not loss.from_logits:
            continue  # a single probability is normalised to 1 and clipped: test_clipped_probabilities
        coefficients = rng.uniform(0.5, 2, size=rows)
        _, _, delta = compiled(loss, y_true, y_pred, coefficients, linked)
        for j in range(width):
            step = h * np.eye(width)[j]
            above = compiled(loss, y_true, y_pred + step, linked=linked)[1]
            below = compiled(loss, y_true, y_pred - step, linked=linked)[1]
            assert_allclose(delta[:, j], coefficients * (above - below) / (2 * h), rtol=1e-6, atol=1e-9)


@EACH_TYPE
@pytest.mark.parametrize(("name", "options", "linked"), UNBOUNDED)
def test_extremes_do_not_overflow(name, options, linked, dtype):
    """Logits of every sign and size; errors as large for the losses of linear growth."""
    loss = CLASSES[name](dtype=dtype, **options)
    huge = {"float32": 1e4, "float64": 1e300}[dtype]
    numbers = [-huge, -1.0, 0.0, 1.0, huge]
    y_pred = np.array(list(itertools.product(numbers, repeat=3)), dtype)
    for label in range(3):
        y_true = np.full(len(y_pred), label)
        y_true = y_true if loss.target_kind == "index" else np.eye(3)[y_true]
        ours = compiled(loss, y_true, y_pred, np.ones(len(y_pred)), linked)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            numpys = twin(loss, y_true, y_pred, np.ones(len(y_pred)), linked)
        for a, b in zip(ours, numpys, strict=True):
            assert np.isfinite(a).all()
            assert_allclose(a, b, rtol=LIMITS[dtype], atol=LIMITS[dtype])
        assert (ours[1] >= 0).all()
        if loss.link:
            assert np.abs(ours[2]).max() <= 1 + LIMITS[dtype]


@pytest.mark.parametrize("linked", [False, True])
@EACH_TYPE
def test_extreme_values_are_exact(dtype, linked):
    huge = {"float32": 1e4, "float64": 1e300}[dtype]
    z = np.array([[huge, -huge]], dtype)
    for name, right, wrong in [
        ("SparseCategoricalCrossentropy", [0], [1]),
        ("CategoricalCrossentropy", [[1, 0]], [[0, 1]]),
        ("BinaryCrossentropy", [[1, 0]], [[0, 1]]),
    ]:
        loss = CLASSES[name](from_logits=not linked, dtype=dtype)
        p, values, delta = compiled(loss, right, z, np.ones(1), linked)
        assert values.tolist() == [0.0]
        assert delta.tolist() == [[0.0, 0.0]]
        assert p.tolist() == ([[1.0, 0.0]] if linked else z.tolist())
        _, values, delta = compiled(loss, wrong, z, np.ones(1), linked)
        each = 2 if name == "BinaryCrossentropy" else 1
        assert values.tolist() == [2 * float(z[0, 0]) / each]
        assert delta.tolist() == [[1.0 / each, -1.0 / each]]
    for error in (huge, -huge):
        loss = losses.LogCosh(dtype=dtype)
        _, values, delta = compiled(loss, [[0.0]], np.array([[error]], dtype), np.ones(1))
        assert values[0] == pytest.approx(huge - math.log(2), rel=LIMITS[dtype])
        assert delta.tolist() == [[math.copysign(1, error)]]


def test_log_cosh_of_small_errors():
    """e^2 / 2 - e^4 / 12, not the 6e-8 that float32 rounds log 2 by."""
    e = np.array([1e-2, 1e-3, 1e-4], np.float32)[:, np.newaxis]
    values = compiled(losses.LogCosh(), np.zeros_like(e), e)[1]
    assert_allclose(values, (e**2 / 2 - e**4 / 12)[:, 0], rtol=2e-3)


@pytest.mark.parametrize("name", CROSSENTROPIES)
@EACH_TYPE
def test_clipped_probabilities(name, dtype):
    """Outside [1e-7, 1 - 1e-7] the value stays, and the derivative is 0."""
    loss = CLASSES[name](dtype=dtype)
    low, high = np.dtype(dtype).type(1e-7), np.dtype(dtype).type(1 - 1e-7)
    y_true = [0, 1] if loss.target_kind == "index" else [[1, 0], [0, 1]]
    p = np.array([[1.0, 0.0], [1.0, 0.0]], dtype)
    _, values, delta = compiled(loss, y_true, p, np.ones(2))
    each = np.array([-np.log(high), -np.log(low)])
    if name == "BinaryCrossentropy":
        each = (each - np.log1p([-low, -high])) / 2
    assert_allclose(values, each, rtol=1e-6)
    assert_array_equal(delta, np.zeros((2, 2)))


@pytest.mark.parametrize("name", [name for name in CROSSENTROPIES if CLASSES[name].link == "softmax"])
@EACH_TYPE
def test_rows_without_any_probability(name, dtype):
    """Their value is NaN, as in Keras, so that it is seen; but no weight is lost to them."""
    loss = CLASSES[name](dtype=dtype)
    y_true = np.array([0, 1]) if loss.target_kind == "index" else np.eye(2)
    p = np.array([[0, 0], [0.5, 0.5]], dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        for _, values, delta in (compiled(loss, y_true, p, np.ones(2)), twin(loss, y_true, p, np.ones(2))):
            assert np.isnan(values).tolist() == [True, False]
            assert_allclose(delta, [[0, 0], [1, -1]], atol=1e-6)


@pytest.mark.parametrize("name", LINKED)
def test_linked_loss_is_the_loss_of_the_activation(name, rng):
    """The results of a loss for logits that it has taken over: the activation's predictions, and their loss."""
    loss = CLASSES[name](dtype="float64")
    y_true, z = targets(loss, 20, 3, rng), rng.normal(size=(20, 3))
    p = cb.activations.get(loss.link)(z)
    predictions, values, _ = compiled(loss, y_true, z, np.ones(20), linked=True)
    assert_allclose(predictions, p, rtol=1e-14)
    assert_allclose(values, compiled(loss, y_true, p)[1], rtol=1e-12)
    assert_allclose(compiled(loss, y_true, z, linked=True)[0], p, rtol=1e-14)


def test_linked_loss_gives_the_gradients_of_logits(rng):
    """The same network, once with the link in the last layer, once with from_logits in the loss."""
    x = rng.normal(size=(12, 4))
    for name in LINKED:
        loss = CLASSES[name]()
        if "from_logits" not in loss.get_config():
            continue
        y = targets(loss, 12, 3, rng)
        found = []
        for activation, logits in ((loss.link, False), (None, True)):
            cb.utils.set_random_seed(3)
            model = cb.Sequential(
                [cb.Input((4,), dtype="float64"), layers.Dense(3, activation=activation, dtype="float64")]
            )
            model.compile(loss=CLASSES[name](from_logits=logits))
            found.append(model.gradients(x, y))
        for a, b in zip(*found, strict=True):
            assert_array_equal(a, b)


def test_kernel_checks_its_arrays():
    function = losses.MeanSquaredError().row_function(False, "float64")
    x = np.zeros((2, 3))
    with pytest.raises(ValueError, match="does not fit"):
        function.values(x[:1], x)
    with pytest.raises(ValueError, match="expected 'double' but got 'float'"):
        function.values(x.astype("f"), x.astype("f"))
    with pytest.raises(ValueError, match="delta does not fit"):
        function.values(x, x, np.ones(2), x[:1].copy())
    with pytest.raises(ValueError, match="one coefficient"):
        function.values(x, x, np.ones(1), x.copy())
    sparse = losses.SparseCategoricalCrossentropy().row_function(False, "float64")
    with pytest.raises(ValueError, match="Class 3 is outside"):
        sparse.values_of_classes(np.array([0, 3]), x)
    with pytest.raises(ValueError, match="does not fit"):
        sparse.values(x, x)


# Calls on plain arrays


@EACH_TYPE
@EACH_CLASS
@pytest.mark.parametrize("weights", [None, (4,), (4, 1), (4, 3), (4, 3, 1)])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None])
def test_reductions(name, dtype, weights, reduction, rng):
    loss = CLASSES[name](reduction=reduction, dtype=dtype)
    y_true, y_pred = problem(loss, rng)
    values = CLASSES[name](reduction=None, dtype=dtype)(y_true, y_pred)
    w = np.ones((4, 3)) if weights is None else rng.uniform(0, 2, size=weights)
    if weights not in (None, (4, 1)):
        w.flat[0] = 0
    spread = np.broadcast_to(w.reshape(w.shape[:2] if w.ndim > 1 else (4, 1)), (4, 3))
    expected = values * spread
    if reduction not in (None, "none"):
        divisor = {"sum": 1, "mean_with_sample_weight": spread.sum()}.get(reduction, 12)
        expected = expected.sum() / divisor
    found = loss(y_true, y_pred, sample_weight=None if weights is None else w)
    assert found.dtype == dtype
    assert found.shape == np.shape(expected)
    assert_allclose(found, expected, rtol=LIMITS[dtype])


@EACH_CLASS
def test_rows_that_weigh_nothing(name, rng):
    loss = CLASSES[name](reduction="mean_with_sample_weight")
    assert loss(*problem(loss, rng), sample_weight=np.zeros(4)) == 0


@EACH_CLASS
def test_call_leaves_its_arguments_alone(name, rng):
    loss = CLASSES[name](dtype="float64")
    y_true, y_pred = problem(loss, rng)
    before = y_true.copy(), y_pred.copy()
    loss(y_true, y_pred)
    assert_array_equal(y_true, before[0])
    assert_array_equal(y_pred, before[1])


@EACH_CLASS
def test_targets_without_the_last_axis_of_one(name, rng):
    loss = CLASSES[name](reduction=None)
    y_true, y_pred = problem(loss, rng, (5, 1))
    with_axis = y_true.reshape(5, 1)
    assert_array_equal(loss(with_axis[:, 0], y_pred), loss(with_axis, y_pred))


@EACH_CLASS
def test_other_memory_layouts(name, rng):
    loss = CLASSES[name]()
    y_true, y_pred = problem(loss, rng)
    expected = loss(y_true, y_pred)
    assert loss(np.asfortranarray(y_true), np.asfortranarray(y_pred)) == expected
    assert loss(y_true.tolist(), y_pred.tolist()) == expected
    assert loss(y_true[::-1], y_pred[::-1]) == pytest.approx(float(expected), rel=1e-6)


# Functions


@EACH_FUNCTION
@EACH_TYPE
def test_function_gives_the_rows_of_its_class(name, dtype, rng):
    function, cls = FUNCTIONS[name], owner(FUNCTIONS[name])
    for options in OPTIONS.get(cls.__name__, [{}]):
        loss = cls(reduction=None, dtype=dtype, **options)
        y_true, y_pred = problem(loss, rng)
        y_pred = y_pred.astype(dtype)
        found = function(y_true, y_pred, **options)
        assert found.dtype == dtype
        assert found.shape == (4, 3)
        assert_array_equal(found, loss(y_true, y_pred))


@EACH_FUNCTION
def test_function_stands_for_its_class(name):
    function, cls = FUNCTIONS[name], owner(FUNCTIONS[name])
    assert losses.get(name) is function
    assert losses.get(function) is function
    assert losses.deserialize(losses.serialize(function)) is function
    for identifier in (function, name, cls, cls(), losses.serialize(cls())):
        assert type(losses.as_loss(identifier)) is cls
    assert losses.as_loss(name).get_config() == cls(name=name).get_config()


@EACH_FUNCTION
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_compile_takes_functions(name, engine, rng):
    cls = owner(FUNCTIONS[name])
    x, y = rng.normal(size=(6, 4)), targets(cls(), 6, 3, rng)
    found = []
    for loss in (FUNCTIONS[name], name, cls(), cls):
        cb.utils.set_random_seed(1)
        model = cb.Sequential(
            [cb.Input((4,)), layers.Dense(3, activation="softplus" if cls.__name__ in POSITIVE else cls.link)]
        )
        model.compile(loss=loss, engine=engine)
        found.append([model.evaluate(x, y, verbose=0), *(gradient.tolist() for gradient in model.gradients(x, y))])
    assert all(result == found[0] for result in found)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("mse", "mean_squared_error"),
        ("MSE", "mean_squared_error"),
        ("mae", "mean_absolute_error"),
        ("MAE", "mean_absolute_error"),
        ("bce", "binary_crossentropy"),
        ("BCE", "binary_crossentropy"),
        ("mape", "mean_absolute_percentage_error"),
        ("MAPE", "mean_absolute_percentage_error"),
        ("msle", "mean_squared_logarithmic_error"),
        ("MSLE", "mean_squared_logarithmic_error"),
        ("kld", "kl_divergence"),
        ("KLD", "kl_divergence"),
    ],
)
def test_aliases(alias, name):
    assert losses.get(alias) is FUNCTIONS[name]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight"])
def test_losses_of_several_positions_in_a_model(reduction, shape, engine):
    """Without sample weights, a model's loss equals the loss of its predictions, for any number of axes."""
    rng = np.random.default_rng(3)
    loss = losses.MeanSquaredError(reduction=reduction)
    model = cb.Sequential([cb.Input(shape), cb.layers.Dense(3)])
    model.compile("sgd", loss, engine=engine)
    x, y = rng.normal(size=(5, *shape)), rng.normal(size=(5, *shape[:-1], 3))
    expected = float(loss(y, model.predict(x, verbose=0)))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_reduction_that_is_set_later_is_checked(engine):
    loss = losses.MeanSquaredError()
    with pytest.raises(ValueError, match="reduction must be one of"):
        loss.reduction = "average"
    assert loss.reduction == "sum_over_batch_size"
    loss.reduction = "sum"
    assert loss(np.zeros((3, 2)), np.ones((3, 2))) == 3
    model = cb.Sequential([cb.Input((2,)), layers.Dense(2, kernel_initializer="zeros")])
    model.compile("sgd", loss, engine=engine)
    assert model.evaluate(np.ones((3, 2)), np.ones((3, 2)), verbose=0) == 3
    assert loss.get_config()["reduction"] == "sum"
