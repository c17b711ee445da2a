"""Calls on arrays as in training change what training changes: averages, and the next random numbers."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X = np.random.default_rng(0).normal(3, 2, (8, 4)).astype("float32")


def moved(x, momentum=0.9):
    return (1 - momentum) * x.mean(axis=0), momentum + (1 - momentum) * x.var(axis=0)


@pytest.mark.parametrize("frozen", [False, True])
def test_batch_normalization_called_in_training(frozen):
    layer = layers.BatchNormalization(momentum=0.9)
    layer.build((None, 4))
    layer.trainable = not frozen
    layer(X, training=False)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(4))
    layer(X, training=True)
    mean, variance = (np.zeros(4), np.ones(4)) if frozen else moved(X)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_model_called_in_training(engine, dtype):
    normal = layers.BatchNormalization(momentum=0.9, dtype=dtype)
    frozen = layers.BatchNormalization(momentum=0.9, dtype=dtype)
    frozen.trainable = False
    model = cb.Sequential(
        [cb.Input((4,), dtype=dtype), normal, frozen, layers.Dropout(0.5, dtype=dtype), layers.Dense(2, dtype=dtype)]
    )
    model.compile("sgd", "mse", engine=engine)
    kernel = model.get_weights()[-2]
    first, second = model(X, training=True), model(X, training=True)
    assert (first != second).any()  # other units are dropped
    mean, variance = moved(X)
    np.testing.assert_allclose(normal.moving_mean, 1.9 * mean, rtol=1e-5)
    np.testing.assert_allclose(normal.moving_variance, 0.9 * variance + 0.1 * X.var(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(frozen.moving_mean, np.zeros(4))
    before = model.get_weights()
    model(X)
    model.predict(X, verbose=0)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(model.get_weights()[-2], kernel)


def test_nested_and_shared():
    inner = cb.Sequential([cb.Input((4,)), layers.BatchNormalization(momentum=0.9)])
    x = cb.Input((4,))
    outer = cb.Model(x, layers.Dense(1)(inner(x)))
    outer(X, training=True)
    np.testing.assert_allclose(inner.layers[0].moving_mean, moved(X)[0], rtol=1e-5)
