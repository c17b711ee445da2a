"""Losses, metrics and so on of Keras and PyTorch, which compute on tensors of their own, are refused by name."""

import keras
import numpy as np
import pytest
import torch

import cbackprop as cb
from cbackprop import layers


class OfKeras(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return y_true


def model():
    built = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    built.compile("sgd", "mse")
    return built


LOSSES = [
    (keras.losses.MeanSquaredError(), r"MeanSquaredError.* of keras: use cbackprop\.losses\.MeanSquaredError"),
    (keras.losses.MeanSquaredError, r"MeanSquaredError.* of keras: use cbackprop\.losses\.MeanSquaredError"),
    (keras.losses.mean_squared_error, r"mean_squared_error.* of keras: use cbackprop\.losses\.mean_squared_error"),
    (OfKeras(), r"OfKeras, which computes on tensors of keras"),
    (torch.nn.MSELoss(), r"MSELoss, which computes on tensors of torch"),
    (torch.nn.functional.mse_loss, r"mse_loss, which computes on tensors of torch"),
]
OTHERS = [
    (lambda: model().compile(keras.optimizers.Adam()), r"an optimizer of .*use cbackprop\.optimizers\.Adam"),
    (lambda: model().compile(torch.optim.SGD), r"an optimizer of .*use cbackprop\.optimizers\.SGD"),
    (lambda: layers.Dense(2, activation=keras.activations.relu), r"activation: .*use cbackprop\.activations\.relu"),
    (lambda: layers.Dense(2, kernel_initializer=keras.initializers.Zeros()), r"use cbackprop\.initializers\.Zeros"),
    (lambda: layers.Dense(2, kernel_regularizer=keras.regularizers.L2()), r"use cbackprop\.regularizers\.L2"),
    (lambda: layers.Dense(2, kernel_constraint=keras.constraints.NonNeg()), r"use cbackprop\.constraints\.NonNeg"),
    (
        lambda: cb.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)),
        r"use cbackprop\.optimizers\.schedules\.CosineDecay",
    ),
    (lambda: model().load_weights(torch.nn.Linear(3, 2)), r"the module Linear: pass module\.state_dict\(\)"),
]


@pytest.mark.parametrize(("loss", "message"), LOSSES)
def test_losses(loss, message):
    built = model()
    before = built.loss, built.optimizer
    with pytest.raises(TypeError, match="Expected a loss of this library, but got .*" + message):
        built.compile("sgd", loss)
    assert (built.loss, built.optimizer) == before


@pytest.mark.parametrize("metric", [keras.metrics.AUC(), keras.metrics.AUC, keras.metrics.binary_accuracy])
def test_metrics(metric):
    with pytest.raises(TypeError, match=r"Expected a metric of this library, but got .*use cbackprop\.metrics\.\w+"):
        model().compile("sgd", "mse", metrics=[metric])


@pytest.mark.parametrize(("make", "message"), OTHERS)
def test_others(make, message):
    with pytest.raises(TypeError, match=message):
        make()


class OwnLayer(keras.layers.Layer):
    pass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: cb.Sequential([keras.layers.Dense(2)]),
            r"Only instances of Layer.*: use cbackprop\.layers\.Dense\.$",
        ),
        (lambda: cb.Sequential([OwnLayer()]), r"OwnLayer: use what is in cbackprop\.layers\.$"),
        (lambda: cb.Sequential([torch.nn.Dropout(0.5)]), r": use cbackprop\.layers\.Dropout\.$"),
        (
            lambda: model().fit([[0.0] * 3], [[0.0] * 2], callbacks=[keras.callbacks.EarlyStopping()]),
            r"callbacks must hold Callback objects, .*: use cbackprop\.callbacks\.EarlyStopping\.$",
        ),
    ],
)
def test_layers_and_callbacks(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_functions_of_numpy_are_ones_own():
    built = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    built.compile("sgd", "mse", metrics=[np.subtract])


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("order", [1, 2, np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_normalize(axis, order, dtype, rng):
    x = rng.integers(-4, 5, size=(3, 4, 5)).astype(dtype)
    x[0] = 0
    found, expected = cb.utils.normalize(x, axis, order), keras.utils.normalize(x, axis, order)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == expected.dtype


def test_normalize_along_the_first_axis(rng):
    """Keras takes the first axis for none."""
    x = rng.normal(size=(3, 4))
    np.testing.assert_allclose(cb.utils.normalize(x, 0), x / np.linalg.norm(x, axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["a"],), TypeError, "x must hold real numbers"),
        ((1.0,), ValueError, "x must have at least one axis"),
        (([1.0], 1), ValueError, "axis must be at least -1 and at most 0"),
        (([1.0], 0, "l2"), TypeError, "order must be a number"),
    ],
)
def test_normalize_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        cb.utils.normalize(*arguments)
