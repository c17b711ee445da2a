"""Calls on arrays with ``training=True`` update averages and draw new random numbers, as training does."""

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


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("size", [4, None])
def test_layers_frozen_between_calls(engine, compiled, size):
    """Batch normalization that is frozen after a call uses its averages in the next one, within models too."""
    normal = layers.BatchNormalization(momentum=0.5, axis=-1 if size else 1)
    inner = cb.Sequential([cb.Input((4,) if size else (2, None)), normal])
    model = cb.Sequential([cb.Input((4,) if size else (2, None)), inner])
    x = X if size else X.reshape(8, 2, 2)
    axes = (0,) if size else (0, 2)
    if compiled:
        model.compile("sgd", "mse", engine=engine)
        model.evaluate(x, x, verbose=0)

    def expected(mean, variance):
        where = tuple(1 if axis in axes else -1 for axis in range(x.ndim))
        return (x - mean.reshape(where)) / np.sqrt(variance.reshape(where) + normal.epsilon)

    for layer, frozen in ((normal, False), (normal, True), (normal, False), (inner, True), (model, False)):
        layer.trainable = not frozen
        before = [weight.numpy() for weight in (normal.moving_mean, normal.moving_variance)] if normal.built else None
        found = model(x, training=True)
        moments = before if frozen else [x.mean(axis=axes), x.var(axis=axes)]
        np.testing.assert_allclose(found, expected(*moments), rtol=1e-4, atol=1e-5)
        if frozen:
            np.testing.assert_array_equal(normal.moving_mean, before[0])


def test_layers_frozen_between_gradients_and_calls_with_masks():
    normal = layers.BatchNormalization(momentum=0.5)
    model = cb.Sequential([cb.Input((2, 4)), layers.Masking(), normal])
    x = np.stack([X, 0 * X], axis=1)
    for frozen in (False, True, False):
        normal.trainable = not frozen
        slope = 1 / np.sqrt(normal.moving_variance.numpy() + normal.epsilon)
        found = model(x, training=True)[:, 0]
        if frozen:
            np.testing.assert_allclose(found, (X - normal.moving_mean) * slope, rtol=1e-4)
            gradient = model.backward(x, np.ones((8, 2, 4)), wrt="inputs", training=True)
            np.testing.assert_allclose(gradient[:, 0], np.broadcast_to(slope, (8, 4)), rtol=1e-4)
        else:
            np.testing.assert_allclose(found.mean(axis=0), np.zeros(4), atol=1e-5)
