"""The short way of a few rows: the numbers of `predict`, and its refusals."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.models.engines import inference_engine


@pytest.fixture
def model():
    """A model that has predicted before, so that the short way is open."""
    model = cb.Sequential([cb.Input((5,)), layers.Dense(7, activation="tanh"), layers.Dense(3, activation="softmax")])
    model.predict(np.zeros((40, 5)), verbose=0)
    return model


def quick(model, x):
    """The result of the short way."""
    return (model._engine or model._predictor).predict_now(x, 32)


@pytest.mark.parametrize("rows", [1, 2, 24, 37])
def test_it_gives_what_predict_gives(model, rows, rng):
    x = rng.normal(size=(rows, 5)).astype("float32")
    expected = inference_engine(model).predict([x], 32, False)[0]
    np.testing.assert_allclose(quick(model, x), expected, rtol=1e-6)
    assert quick(model, x).shape == (rows, 3)
    assert model.predict_on_batch(x).tobytes() == quick(model, x).tobytes() == model(x).tobytes()


def test_it_is_taken_for_single_rows(model, monkeypatch):
    monkeypatch.setattr(type(model._predictor), "predict", None)
    assert model(np.zeros((1, 5), "float32")).shape == (1, 3)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((0, 5), "float32"),
        np.zeros((5, 4), "float32").T[:, :5],
        np.zeros((10_000, 5), "float32"),
        np.float32(1),
        np.zeros((1, 4), "float32"),
        np.zeros((1, 6), "float32"),
        np.zeros((1, 1, 5), "float32"),
        np.zeros(5, "float32"),
        np.zeros((1, 5), object),
        np.zeros((1, 5), "M8[s]"),
        np.zeros(21, "uint8")[1:].view("float32").reshape(1, 5),
        np.full((1, 5), np.nan, "float32"),
        np.full((2, 5), -np.inf, "float32"),
        np.full((2, 5), 1e300),
    ],
    ids=[
        "empty",
        "strided",
        "many",
        "scalar",
        *("few", "wide", "deep", "flat"),
        *("object", "dates", "unaligned"),
        *("nan", "inf", "large"),
    ],
)
def test_what_it_does_not_take(model, x):
    assert quick(model, x) is None


@pytest.mark.parametrize("dtype", ["float64", "float16", ">f4", "int32", "uint8", "int64", "bool"])
def test_it_converts_as_predict_does(model, dtype, rng):
    x = (100 * rng.normal(size=(10, 5))).astype(dtype)[::2]
    expected = inference_engine(model).predict([np.ascontiguousarray(x, "float32")], 32, False)[0]
    np.testing.assert_allclose(quick(model, x), expected, rtol=1e-6)


@pytest.fixture
def words():
    """A model of words, which are rows of a table of 10."""
    model = cb.Sequential([cb.Input((3,), dtype="int32"), layers.Embedding(10, 4), layers.Flatten(), layers.Dense(2)])
    model.predict(np.zeros((40, 3), "int32"), verbose=0)
    return model


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64"])
def test_it_takes_numbers_of_rows(words, dtype):
    x = np.array([[0, 5, 9], [9, 9, 1]], dtype)
    expected = inference_engine(words).predict([x.astype("float32")], 32, False)[0]
    np.testing.assert_allclose(quick(words, x), expected, rtol=1e-6)


@pytest.mark.parametrize("wrong", [10, -1, 2**40, 0.5, np.nan])
def test_wrong_numbers_of_rows_are_refused_as_ever(words, wrong):
    x = np.array([[0, wrong, 9]])
    assert quick(words, x) is None
    with pytest.raises(ValueError, match=r"must hold whole numbers|must be finite"):
        words(x)


def test_inputs_of_integers_are_whole():
    model = cb.Sequential([cb.Input((3,), dtype="int32"), layers.Dense(2)])
    model.predict(np.zeros((40, 3), "int32"), verbose=0)
    assert quick(model, np.array([[-1, 0, 2**20]])).shape == (1, 2)
    with pytest.raises(ValueError, match="must hold whole numbers, but got"):
        model(np.array([[0, 0.5, 1]], "float32"))


def test_mistakes_are_refused_as_ever(model):
    with pytest.raises(ValueError, match="must be finite"):
        model(np.full((1, 5), np.nan, "float32"))
    with pytest.raises(ValueError, match="must have shape"):
        model(np.zeros((1, 4), "float32"))
    assert np.isfinite(model(np.zeros((1, 5), "float32"))).all()


def test_it_follows_weights_that_change_or_move(model, rng):
    x = rng.normal(size=(2, 5)).astype("float32")
    before = model(x)
    model.set_weights([weight * 2 for weight in model.get_weights()])
    changed = model(x)
    assert not np.array_equal(before, changed)
    other = cb.Sequential([cb.Input((5,)), *model.layers, layers.Dense(2)])
    other.compile("sgd", "mse")
    other.fit(x, np.ones((2, 2)), verbose=0)  # the weights now live in a store of both
    assert not np.array_equal(changed, model(x))
    np.testing.assert_allclose(model(x), model.predict(np.repeat(x, 20, axis=0), verbose=0)[::20], rtol=1e-5)


def test_a_compiled_model_is_not_trained_by_predicting(model, rng):
    x = rng.normal(size=(64, 5)).astype("float32")
    y = rng.integers(3, size=64)
    model.compile("adam", "sparse_categorical_crossentropy")
    histories = []
    start = model.get_weights()
    for between in (lambda: None, lambda: model(x[:1])):
        model.set_weights(start)
        model.compile("adam", "sparse_categorical_crossentropy")
        losses = []
        for _ in range(3):
            losses += model.fit(x, y, shuffle=False, verbose=0).history["loss"]
            between()
        histories.append(losses)
    assert histories[0] == histories[1]
