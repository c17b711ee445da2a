"""Losses, weights, metrics and targets of outputs in lists and dicts, nested ones too."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cbackprop as cb
from cbackprop import layers, losses

ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])
X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.random.default_rng(1).normal(size=(4, 12, 1))


def dense(x, name):
    return layers.Dense(1, name=name)(x)


def model_of(make):
    cb.utils.set_random_seed(2)
    x = cb.Input((3,))
    return cb.Model(x, make([dense(x, name) for name in ("o1", "o2", "o3", "o4")]))


def deep(items):
    return {"a": [items[0], items[1]], "b": {"b1": items[2]}, "c": items[3]}


@ENGINES
def test_losses_nested_like_the_outputs(engine):
    model = model_of(deep)
    loss = {"a": ["mse", "mae"], "b": {"b1": "huber"}, "c": "log_cosh"}
    weights = {"a": [1.0, 2.0], "b": {"b1": 0.5}, "c": 3.0}
    metrics = {"a": [["mse"], ["mae"]], "b": {"b1": ["mse"]}, "c": ["mse"]}
    model.compile("sgd", loss, weights, metrics=metrics, engine=engine)
    logs = model.evaluate(X, deep(list(Y)), batch_size=12, verbose=0, return_dict=True)
    p = model.predict(X, verbose=0)
    each = {
        "a/o1_loss": losses.MeanSquaredError()(Y[0], p["a"][0]),
        "a/o2_loss": losses.MeanAbsoluteError()(Y[1], p["a"][1]),
        "b/b1_loss": losses.Huber()(Y[2], p["b"]["b1"]),
        "c_loss": losses.LogCosh()(Y[3], p["c"]),
    }
    for name, value in each.items():
        assert_allclose(logs[name], value, rtol=1e-5)
    assert_allclose(logs["loss"], np.dot(list(each.values()), [1, 2, 0.5, 3]), rtol=1e-5)
    assert np.isfinite(list(model.fit(X, deep(list(Y)), verbose=0).history.values())).all()
    assert model.check_gradients(X, deep(list(Y))).max_relative_error < 1e-6


@ENGINES
def test_some_outputs_have_no_loss(engine):
    model = model_of(lambda items: items[:3])
    model.compile("sgd", ["mse", None, "mae"], engine=engine)
    full = model.evaluate(X, list(Y[:3]), batch_size=12, verbose=0)
    assert model.evaluate(X, [Y[0], Y[2]], batch_size=12, verbose=0) == full
    model.compile("sgd", ["mse", None, None], engine=engine)
    assert model.evaluate(X, Y[0], batch_size=12, verbose=0) == pytest.approx(full[1], rel=1e-6)


@ENGINES
def test_several_losses_of_one_output_add_up(engine):
    model = model_of(lambda items: items[:2])
    model.compile("sgd", ["mse", ["mse", "mae"]], [1.0, [0.5, 2.0]], engine=engine)
    logs = model.evaluate(X, list(Y[:2]), batch_size=12, verbose=0, return_dict=True)
    p = model.predict(X, verbose=0)
    expected = 0.5 * ((p[1] - Y[1]) ** 2).mean() + 2 * abs(p[1] - Y[1]).mean()
    assert_allclose(logs["o2_loss"], expected, rtol=1e-5)
    assert_allclose(logs["loss"], ((p[0] - Y[0]) ** 2).mean() + expected, rtol=1e-5)
    assert model.check_gradients(X, list(Y[:2])).max_relative_error < 1e-6
    model.compile("sgd", ["mse", ["mse", "sparse_categorical_crossentropy"]], engine=engine)
    with pytest.raises(ValueError, match="must hold class numbers, but got the fraction"):
        model.fit(X, list(Y[:2]), verbose=0)


@pytest.mark.parametrize("make", [lambda items: items[0], lambda items: items[:1], lambda items: {"o1": items[0]}])
@pytest.mark.parametrize("loss", ["mse", ["mse"], {"o1": "mse"}, {"o1": ["mse"]}])
def test_one_output(make, loss):
    model = model_of(make)
    model.compile("sgd", loss, metrics={"o1": ["mae"]})
    assert set(model.evaluate(X, Y[0], verbose=0, return_dict=True)) == {"loss", "mae"}


def test_keys_of_no_output():
    model = model_of(lambda items: items[:2])
    with pytest.raises(ValueError, match=r"loss has a key 'o9'.*Expected keys \['o1', 'o2'\]"):
        model.compile("sgd", {"o1": "mse", "o9": "mse"})
    with pytest.raises(ValueError, match="Invalid `metrics`: metrics has a key 'o9'"):
        model.compile("sgd", "mse", metrics={"o9": ["mse"]})
    keyed = model_of(lambda items: {"a": items[0], "b": items[1]})
    for kind in (KeyError, ValueError):
        with pytest.raises(kind, match="in the `loss` argument, can't be found in either the model's output"):
            keyed.compile("sgd", {"a": "mse", "o9": "mse"})
    with pytest.raises(ValueError, match="loss must have 2 entries, one for each output, but got 3"):
        model.compile("sgd", ["mse"] * 3)


def test_crossentropy_of_one_unit_is_the_binary_one():
    model = model_of(lambda items: items[0])
    model.compile("sgd", "crossentropy")
    assert isinstance(model.metrics, list)
    y = (Y[0] > 0).astype(float)
    assert_allclose(
        model.evaluate(X, y, verbose=0), losses.BinaryCrossentropy()(y, model.predict(X, verbose=0)), rtol=1e-5
    )
    wide = cb.Sequential([cb.Input((3,)), layers.Dense(3, "softmax")])
    with pytest.raises(ValueError, match="does not say how targets are written: give 'sparse_categorical"):
        wide.compile("sgd", "crossentropy")


@ENGINES
def test_predictions_without_a_second_axis(engine):
    """One number for each sample, for losses of this library and for own ones."""
    shapes = []

    def own(y_true, y_pred):
        shapes.append((y_true.shape, y_pred.shape))
        return (y_true - y_pred) ** 2, 2 * (y_pred - y_true)

    x = cb.Input((3,))
    for loss in ("mse", own):
        cb.utils.set_random_seed(3)
        model = cb.Model(x, layers.Reshape(())(layers.Dense(1)(x)))
        model.compile("sgd", loss, metrics=["mae"] if loss == "mse" else [], engine=engine)
        p = model.predict(X, verbose=0)
        assert p.shape == (12,)
        found = model.evaluate(X, Y[0, :, 0], batch_size=12, verbose=0)
        assert_allclose(np.ravel(found)[0], ((p - Y[0, :, 0]) ** 2).mean(), rtol=1e-5)
        assert model.check_gradients(X, Y[0, :, 0]).max_relative_error < 1e-6
    assert set(shapes) == {((12,), (12,))}
