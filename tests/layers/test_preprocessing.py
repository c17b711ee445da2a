"""Layers that prepare data."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def test_adapt_in_batches_is_adapt_at_once(rng):
    data = rng.normal(5, 3, size=(100, 4, 3))
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(data)
    parts.adapt(iter([data[:7], data[7:60], data[60:]]))
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(whole.mean, data.mean(axis=(0, 1)), rtol=1e-6)
    y = whole(data)
    np.testing.assert_allclose(y.mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=(0, 1)), 1, rtol=1e-5)


def test_adapt_changes_models_that_are_there(rng):
    layer = layers.Normalization(axis=None)
    model = cb.Sequential([cb.Input((2,)), layer])
    x = rng.normal(3, 2, size=(50, 2))
    np.testing.assert_allclose(model.predict(x, verbose=0), x, rtol=1e-6)
    layer.adapt(x)
    np.testing.assert_allclose(model.predict(x, verbose=0), (x - x.mean()) / x.std(), rtol=1e-4, atol=1e-6)


def test_invert_undoes(rng):
    x = rng.normal(size=(5, 3))
    there = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0])
    back = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0], invert=True)
    np.testing.assert_allclose(back(there(x)), x, atol=1e-6)


def test_training_leaves_mean_and_variance_alone(rng):
    layer = layers.Normalization()
    layer.adapt(rng.normal(size=(20, 3)))
    before = layer.get_weights()
    model = cb.Sequential([cb.Input((3,)), layer, layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(rng.normal(size=(20, 3)), rng.normal(size=(20, 1)), verbose=0)
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_category_encoding():
    x = [[0, 2, 2], [1, 1, 0]]
    count = layers.CategoryEncoding(4, "count")
    np.testing.assert_array_equal(count(x), [[1, 0, 2, 0], [1, 2, 0, 0]])
    np.testing.assert_array_equal(layers.CategoryEncoding(4)(x), [[1, 0, 1, 0], [1, 1, 0, 0]])
    one_hot = layers.CategoryEncoding(4, "one_hot")(x)
    np.testing.assert_array_equal(one_hot, np.eye(4)[np.array(x)])


def test_masking():
    x = np.array([[[0, 0], [0, 1], [2, 0]]], float)
    np.testing.assert_array_equal(layers.Masking()(x), x)
    np.testing.assert_array_equal(layers.Masking(mask_value=0.0)(x + 0), x)
    np.testing.assert_array_equal(layers.Masking(1.0)(np.ones((1, 2, 3))), np.zeros((1, 2, 3)))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: layers.Rescaling("a"), TypeError, "scale"),
        (lambda: layers.Rescaling(np.nan), ValueError, "scale must be finite"),
        (lambda: layers.Rescaling([1.0, 2.0])(cb.Input((3,))), ValueError, "does not fit"),
        (lambda: layers.Normalization(mean=1.0), ValueError, "both mean and variance"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0]), ValueError, "same shape"),
        (lambda: layers.Normalization(mean=0.0, variance=-1.0), ValueError, "negative"),
        (lambda: layers.Normalization(axis=0)(cb.Input((3,))), ValueError, "axis"),
        (lambda: layers.Normalization(axis=2)(cb.Input((3,))), ValueError, "axis"),
        (lambda: layers.Normalization(axis=(1, -1))(cb.Input((3,))), ValueError, "different axes"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 1.0])(cb.Input((3,))), ValueError, "fit"),
        (lambda: layers.Normalization(mean=0.0, variance=1.0).adapt(np.ones((2, 2))), ValueError, "adapt"),
        (lambda: layers.Normalization().adapt([]), (TypeError, ValueError), "adapt"),
        (lambda: layers.Normalization().adapt(np.full((2, 2), np.nan)), ValueError, "finite"),
        (lambda: layers.CategoryEncoding(), ValueError, "num_tokens"),
        (lambda: layers.CategoryEncoding(3, "two_hot"), ValueError, "output_mode"),
        (lambda: layers.CategoryEncoding(3, sparse=True), ValueError, "sparse"),
        (lambda: layers.CategoryEncoding(3)([[3]]), ValueError, r"\[0, 3\)"),
        (lambda: layers.CategoryEncoding(3)([[0.5]]), ValueError, "whole"),
        (lambda: layers.Masking(None), TypeError, "mask_value"),
    ],
)
def test_mistakes(make, error, match):
    with pytest.raises(error, match=match):
        make()
