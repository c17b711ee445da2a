"""Losses whose predictions are means and variances: values, derivatives, training, mistakes."""

import importlib
import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cbackprop as cb
from cbackprop import layers, losses

CLASSES = {name: thing for name, thing in losses.registry if getattr(thing, "target_kind", "") == "half"}
CASES = [
    ("GaussianNegativeLogLikelihood", {}),
    ("StudentTNegativeLogLikelihood", {}),
    ("StudentTNegativeLogLikelihood", {"degrees_of_freedom": 0.7}),
    ("StudentTNegativeLogLikelihood", {"degrees_of_freedom": 1e7}),
]
EACH_CASE = pytest.mark.parametrize(("name", "options"), CASES)
EACH_TYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
# For values and derivatives of size 1; with few degrees of freedom these are differences of numbers of size 1.
LIMITS = {"float32": 2e-5, "float64": 1e-11}


def problem(rows, k, dtype, rng):
    y_pred = np.hstack([rng.normal(size=(rows, k)), rng.uniform(-2, 2, size=(rows, k))]).astype(dtype)
    y_true = rng.normal(size=(rows, k)).astype(dtype)
    y_true[0] = y_pred[0, :k]
    return y_true, y_pred


def compiled(loss, y_true, y_pred, coefficients):
    delta = np.full_like(y_pred, np.nan)
    filled = np.hstack([y_true, np.full_like(y_true, np.nan)])  # the values there are not read
    return loss.row_function(False, y_pred.dtype.name).values(filled, y_pred.copy(), coefficients, delta), delta


def twin(loss, y_true, y_pred):
    module, _, name = type(loss).implementation.rpartition(".")
    cls = getattr(importlib.import_module(f"cbackprop.reference.{module}"), name)
    _, values, gradient = cls(loss, False).evaluate(np.hstack([y_true, y_true]), y_pred)
    return values, gradient


def distribution(name, options, y_pred):
    """SciPy's distribution with the parameters in `y_pred`."""
    stats = pytest.importorskip("scipy.stats")
    mean, log_variance = np.split(y_pred, 2, axis=-1)
    if name.startswith("Gaussian"):
        return stats.norm(mean, np.exp(log_variance / 2))
    return stats.t(options.get("degrees_of_freedom", 4.0), mean, np.exp(log_variance / 2))


def test_every_class_has_a_case():
    assert set(CLASSES) == {name for name, _ in CASES}


@EACH_CASE
def test_values_are_those_of_scipy(name, options, rng):
    y_true, y_pred = rng.normal(size=(20, 5, 3)), rng.normal(size=(20, 5, 6))
    expected = -distribution(name, options, y_pred).logpdf(y_true).mean(axis=-1)
    found = CLASSES[name](reduction=None, dtype="float64", **options)(y_true, y_pred)
    # Of 1e7 degrees of freedom, lgamma has numbers of 7e7 to subtract, here and in SciPy.
    assert_allclose(found, expected, rtol=1e-11, atol=1e-7 if options.get("degrees_of_freedom", 0) > 1e6 else 1e-12)


@EACH_TYPE
@EACH_CASE
def test_kernel_agrees_with_twin(name, options, dtype, rng):
    loss = CLASSES[name](dtype=dtype, **options)
    for rows, k in [(1, 1), (6, 1), (5, 2), (40, 3), (3, 35)]:
        y_true, y_pred = problem(rows, k, dtype, rng)
        coefficients = rng.uniform(0, 2, size=rows)
        values, delta = compiled(loss, y_true, y_pred, coefficients)
        expected, gradient = twin(loss, y_true, y_pred)
        assert gradient.dtype == dtype
        size = max(1, np.abs(gradient).max())
        assert_allclose(values, expected, rtol=LIMITS[dtype], atol=LIMITS[dtype])
        assert_allclose(delta, gradient * coefficients[:, None], rtol=0, atol=2 * size * LIMITS[dtype])


@EACH_CASE
def test_delta_is_the_derivative(name, options, rng):
    loss, h = CLASSES[name](dtype="float64", **options), 1e-5
    y_true, y_pred = problem(6, 2, "float64", rng)
    coefficients = rng.uniform(0.5, 2, size=6)
    _, delta = compiled(loss, y_true, y_pred, coefficients)
    for j in range(4):
        step = h * np.eye(4)[j]
        above, below = (compiled(loss, y_true, y_pred + sign * step, coefficients)[0] for sign in (1, -1))
        assert_allclose(delta[:, j], coefficients * (above - below) / (2 * h), rtol=1e-5, atol=1e-8)


@EACH_TYPE
def test_extremes(dtype):
    """If squares of errors and scales overflow, loss and delta of the t distribution are still finite and right."""
    huge = {"float32": 1e30, "float64": 1e200}[dtype]
    y_pred = np.array([[huge, 0.0], [-huge, 5.0], [0.0, -80.0], [0.0, 1e4], [1e-30, -80.0]], dtype)
    loss = losses.StudentTNegativeLogLikelihood(1.0, dtype=dtype)
    values, delta = compiled(loss, np.zeros((5, 1), dtype), y_pred, np.ones(5))
    expected, gradient = twin(loss, np.zeros((5, 1), dtype), y_pred)
    assert_allclose(values, expected, rtol=LIMITS[dtype])
    assert_allclose(delta, gradient, rtol=1e-4, atol=1e-30)
    assert values[0] == pytest.approx(math.log(math.pi) + 2 * math.log(huge), rel=1e-6)
    assert delta[0, 0] == pytest.approx(2 / huge, rel=1e-5)
    assert delta[:2, 1].tolist() == pytest.approx([-0.5, -0.5])


@EACH_TYPE
def test_a_certain_and_right_prediction_is_no_nan(dtype):
    loss = losses.GaussianNegativeLogLikelihood(dtype=dtype)
    y_pred = np.array([[3.0, -1e4]], dtype)
    values, delta = compiled(loss, np.array([[3.0]], dtype), y_pred, np.ones(1))
    assert values[0] == pytest.approx((math.log(2 * math.pi) - 1e4) / 2)
    assert delta.tolist() == [[0.0, 0.5]]
    assert twin(loss, np.array([[3.0]], dtype), y_pred)[1].tolist() == [[0.0, 0.5]]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", CLASSES)
def test_training_finds_mean_and_variance(name, engine, rng):
    """Of samples of the distribution itself, which do not depend on x."""
    y = np.asarray(distribution(name, {}, np.array([[1.5, 0.6, -1.0, 0.8]])).rvs((4000, 2), random_state=rng))
    model = cb.Sequential([cb.Input((1,)), layers.Dense(4, kernel_initializer="zeros")])
    model.compile(cb.optimizers.LBFGS(), name, engine=engine)
    model.fit(np.zeros((4000, 1)), y, epochs=60, verbose=0)
    assert_allclose(model.predict([[0.0]], verbose=0)[0], [1.5, 0.6, -1.0, 0.8], atol=0.1)


@pytest.mark.parametrize("name", CLASSES)
def test_weights_and_several_rows(name, rng):
    """The loss of a model equals the loss of its predictions, with sample weights."""
    model = cb.Sequential([cb.Input((5, 3)), layers.Dense(4)])
    model.compile("sgd", name)
    x, y, w = rng.normal(size=(8, 5, 3)), rng.normal(size=(8, 5, 2)), rng.uniform(size=8)
    expected = float(CLASSES[name]()(y, model.predict(x, verbose=0), sample_weight=w))
    assert model.evaluate(x, y, sample_weight=w, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert model.check_gradients(x, y, sample_weight=w).max_relative_error < 1e-6


@pytest.mark.parametrize("name", CLASSES)
def test_one_target_may_lack_its_axis(name, rng):
    loss, y_pred = CLASSES[name](), rng.normal(size=(6, 2))
    assert loss(np.arange(6), y_pred) == loss(np.arange(6)[:, None], y_pred)


@EACH_CASE
def test_function_and_config(name, options, rng):
    loss = CLASSES[name](reduction=None, **options)
    again = losses.deserialize(json.loads(json.dumps(losses.serialize(loss))))
    assert again.get_config() == loss.get_config()
    function = losses.get(loss.name)
    y_true, y_pred = problem(5, 2, "float32", rng)
    np.testing.assert_array_equal(function(y_true, y_pred, **options), loss(y_true, y_pred))
    assert type(losses.as_loss(function)) is CLASSES[name]
    assert losses.get(loss.name.replace("negative_log_likelihood", "nll")) is function


def network(units, **settings):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(units)])
    model.compile("sgd", "gaussian_nll", **settings)
    return model


X = np.zeros((6, 3))
MISTAKES = {
    "odd": (lambda: network(3), "GaussianNegativeLogLikelihood needs .* an even number of units, but got 3"),
    "as wide": (lambda: network(2).fit(X, X[:, :2]), r"half as wide as the predictions, \(6, 1\), but got .*\(6, 2\)"),
    "nan": (lambda: network(2).fit(X, np.full((6, 1), np.nan)), "y must be finite, but got nan"),
    "too large": (lambda: network(2).fit(X, np.full((6, 1), 1e300)), "y as float32 must be finite|y must be finite"),
    "metrics": (
        lambda: network(2, metrics=["mse"]),
        "Metrics cannot be computed for output .* Make the means a second output",
    ),
    "weights": (
        lambda: network(2).fit(X, np.zeros(6), class_weight={0: 2.0}),
        "class_weight needs targets that are classes",
    ),
    "odd array": (lambda: losses.gaussian_negative_log_likelihood([[1.0]], [[1.0, 2.0, 3.0]]), "have 3 columns"),
    "degrees": (lambda: losses.StudentTNegativeLogLikelihood(0), "degrees_of_freedom must be at least 1e-07"),
    "few degrees": (lambda: losses.StudentTNegativeLogLikelihood(5e-324), "degrees_of_freedom must be at least 1e-07"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    act, message = MISTAKES[name]
    with pytest.raises(ValueError, match=message):
        act()


def test_means_of_a_second_output_have_metrics(rng):
    x = cb.Input((3,))
    mean, spread = layers.Dense(1, name="mean")(x), layers.Dense(1)(x)
    both = layers.Concatenate(name="both")([mean, spread])
    model = cb.Model(x, [both, mean])
    model.compile("adam", {"both": "gaussian_nll"}, metrics={"mean": ["mae"]})
    y = rng.normal(size=(6, 1))
    results = model.evaluate(X, [y, y], verbose=0, return_dict=True)
    assert results["mean_mae"] == pytest.approx(np.abs(model.predict(X, verbose=0)[1] - y).mean(), rel=1e-5)
