"""Losses written in Python: the same numbers as compiled ones, and every way in which they can be wrong."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, losses

ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])


def of_samples(y_true, y_pred):
    error = y_pred - y_true
    axes = tuple(range(1, error.ndim))
    return (error**2).mean(axis=axes), 2 * error / np.prod(error.shape[1:])


def of_rows(y_true, y_pred):
    error = y_pred - y_true
    return (error**2).mean(axis=-1), 2 * error / error.shape[-1]


def of_batch(y_true, y_pred):
    error = y_pred - y_true
    return (error**2).mean(), 2 * error / error.size


class Squares(losses.Loss):
    """A subclass with arguments of its own."""

    def __init__(self, factor=1.0, reduction="sum_over_batch_size", name="squares", dtype=None):
        super().__init__(name, reduction, dtype)
        self.factor = factor

    def call(self, y_true, y_pred):
        values, gradient = of_rows(y_true, y_pred)
        return self.factor * values, self.factor * gradient


def model_of(loss, engine="compiled", shape=(6,)):
    cb.utils.set_random_seed(2)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(6, "tanh"), layers.Dense(6), layers.Reshape(shape)])
    model.compile("adam", loss, engine=engine)
    return model


def data(rng, shape=(6,)):
    return rng.normal(size=(20, 4)), rng.normal(size=(20, *shape))


@ENGINES
@pytest.mark.parametrize("function", [of_samples, of_rows, of_batch, Squares, Squares()])
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_trains_like_the_compiled_loss(engine, function, shape, weighted, rng):
    x, y = data(rng, shape)
    weights = rng.uniform(0.5, 2, size=20) if weighted and function is not of_batch else None
    found = []
    for loss in (function, "mse"):
        model = model_of(loss, engine, shape)
        history = model.fit(x, y, batch_size=8, epochs=2, sample_weight=weights, verbose=0).history["loss"]
        found.append([history, model.evaluate(x, y, verbose=0), *model.get_weights()])
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=2e-5, atol=1e-6)


@ENGINES
@pytest.mark.parametrize("function", [of_samples, of_rows, of_batch])
@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients(engine, function, reduction, weighted, rng):
    cb.config.set_floatx("float64")
    x, y = data(rng, (2, 3))
    model = model_of(losses.FunctionLoss(function, reduction), engine, (2, 3))
    weights = rng.uniform(0.5, 2, size=20) if weighted else None
    assert model.check_gradients(x, y, sample_weight=weights).max_relative_error <= 1e-6


def test_class_weights(rng):
    x, y = rng.normal(size=(20, 4)), np.eye(6)[rng.integers(6, size=20)]
    found = []
    for loss in (of_samples, "mse"):
        model = model_of(loss)
        model.fit(x, y, class_weight={0: 3.0, 1: 0.5}, verbose=0)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def test_class_numbers(rng):
    class Crossentropy(losses.Loss):
        target_kind = "index"

        def call(self, y_true, y_pred):
            rows = np.arange(len(y_true))
            assert y_true.dtype == np.int64
            gradient = np.zeros_like(y_pred)
            gradient[rows, y_true] = -1 / y_pred[rows, y_true]
            return -np.log(y_pred[rows, y_true]), gradient

    x, y = rng.normal(size=(20, 4)), rng.integers(3, size=20)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3, "softmax")])
    model.compile("sgd", Crossentropy())
    expected = losses.SparseCategoricalCrossentropy()(y, model.predict(x, verbose=0))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(float(expected), rel=1e-5)


def test_call_on_arrays(rng):
    y_true, y_pred = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    w = rng.uniform(size=5)
    for function in (of_samples, of_rows):
        for reduction in ("sum", "sum_over_batch_size", None):
            found = losses.FunctionLoss(function, reduction)(y_true, y_pred, sample_weight=w)
            assert_allclose(found, losses.MeanSquaredError(reduction)(y_true, y_pred, sample_weight=w), rtol=1e-6)
    assert float(losses.FunctionLoss(of_batch)(y_true, y_pred)) == pytest.approx(((y_true - y_pred) ** 2).mean())
    values = losses.MeanSquaredError().call(y_true, y_pred)  # as in Keras: before the reduction
    assert_allclose(values, ((y_true - y_pred) ** 2).mean(axis=-1), rtol=1e-5)


def test_config_of_a_subclass():
    again = Squares.from_config(Squares(3.0, reduction="sum").get_config())
    assert (again.factor, again.reduction) == (3.0, "sum")


def test_called_once_for_a_batch_with_arrays_of_its_own(rng):
    kept = []

    def loss(y_true, y_pred):
        kept.append((y_true, y_pred))
        values, gradient = of_samples(y_true, y_pred)
        y_pred[...] = np.nan
        return values, gradient

    model = model_of(loss)
    x, y = data(rng)
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)
    assert [len(y_true) for y_true, _ in kept] == [8, 8, 4]
    assert all(y_true.dtype == np.float32 for y_true, _ in kept)
    assert np.isfinite(model.predict(x, verbose=0)).all()


def raises(y_true, y_pred):
    raise ZeroDivisionError("in the loss")


BAD = {
    "no gradient": (lambda t, p: ((p - t) ** 2).mean(), TypeError, "must return a pair .value, gradient."),
    "nothing": (lambda t, p: None, TypeError, "must return a pair"),
    "three": (lambda t, p: (1.0, p, p), TypeError, "must return a pair"),
    "value": (lambda t, p: (np.ones(3), p), ValueError, "The value of the loss"),
    "gradient": (lambda t, p: (1.0, p[:, :2]), ValueError, "The gradient of the loss .* must have the shape of y_pred"),
    "nan value": (lambda t, p: (np.nan, p), ValueError, "The value of the loss .* is NaN"),
    "nan gradient": (lambda t, p: (1.0, p * np.inf), ValueError, "The gradient of the loss .* is NaN"),
    "text": (lambda t, p: ("1", p), TypeError, "must hold real numbers"),
    "objects": (lambda t, p: (1.0, object()), TypeError, "must hold real numbers"),
    "exception": (raises, ZeroDivisionError, "in the loss"),
}


@ENGINES
@pytest.mark.parametrize("name", BAD)
def test_mistakes_stop_a_run_before_weights_change(name, engine, rng):
    bad, error, message = BAD[name]
    calls = []

    def loss(y_true, y_pred):
        calls.append(len(y_true))
        return of_samples(y_true, y_pred) if len(calls) < 3 else bad(y_true, y_pred)

    x, y = data(rng)
    model = model_of(loss, engine)
    model.fit(x[:16], y[:16], batch_size=8, shuffle=False, verbose=0)
    before = model.get_weights()
    with np.errstate(invalid="ignore"), pytest.raises(error, match=message):
        model.fit(x, y, batch_size=8, verbose=0)
    assert len(calls) == 3
    for a, b in zip(before, model.get_weights(), strict=True):
        assert_array_equal(a, b)
    with np.errstate(invalid="ignore"), pytest.raises(error, match=message):
        model.evaluate(x, y, verbose=0)
    calls.clear()
    model.fit(x[:8], y[:8], batch_size=8, verbose=0)  # the failure is forgotten


def test_a_subclass_that_cannot_be_called():
    class Empty(losses.Loss):
        pass

    with pytest.raises(TypeError, match="Empty must have a method call"):
        losses.as_loss(Empty())
    with pytest.raises(TypeError, match="function must be callable"):
        losses.FunctionLoss(3)


@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_called_on_arrays_a_value_is_enough(shape):
    """Nothing asks for a gradient there; training does."""

    class Squares(cb.losses.Loss):
        def call(self, y_true, y_pred):
            return (y_true - y_pred) ** 2

    y = np.arange(np.prod(shape), dtype=float).reshape(shape)
    assert Squares()(y, 0 * y) == pytest.approx((y**2).mean())
    model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(2)])
    model.compile("sgd", Squares())
    with pytest.raises(TypeError, match=r"must return a pair .value, gradient."):
        model.fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)
