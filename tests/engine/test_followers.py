"""Layers that run others on parts of their output: which do, and that numbers stay the same."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def block(x, filters, activation="relu", **kwargs):
    x = layers.Conv2D(filters, 3, padding="same", **kwargs)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation(activation)(x)


def small_model(activation="relu"):
    x = inputs = cb.Input((9, 7, 2))
    x = block(x, 5, activation)
    x = layers.Conv2D(4, (3, 2), activation="softmax")(x)
    x = block(x, 3, activation, strides=2)
    outputs = layers.Dense(2)(layers.Flatten()(x))
    model = cb.Model(inputs, outputs)
    rng = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def led(model):
    """For each compiled layer, whether another one runs it in prediction and in training."""
    return [layer.is_led for layer in model._engine.network.layers]


def test_who_is_led():
    model = small_model()
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 9, 7, 2)), np.zeros((4, 2)), verbose=0)
    follows, alone, batch = (True, True), (False, False), (True, False)
    assert led(model) == [alone, batch, follows, alone, follows, alone, batch, follows, alone]


@pytest.mark.parametrize("activation", ["relu", "gelu", "softmax", "softplus"])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_predictions_are_those_of_the_twin(activation, rows):
    x = np.random.default_rng(1).normal(size=(rows, 9, 7, 2))
    model = small_model(activation)
    twin = cb.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile("sgd", "mse", engine="reference")
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(x, verbose=0), twin.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 16, 21])
def test_samples_of_one_line_that_are_computed_together(rows):
    """Those that are left over are told apart from them."""
    x = inputs = cb.Input((11, 3))
    for strides in (1, 2):
        x = layers.Conv1D(7, 3, padding="causal", strides=strides)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
    model = cb.Model(inputs, layers.Flatten()(x))
    rng = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    twin = cb.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile("sgd", "mse", engine="reference")
    x = rng.normal(size=(rows, 11, 3))
    np.testing.assert_allclose(model.predict(x, verbose=0), twin.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def test_a_loss_keeps_the_activation_that_it_takes_over():
    """The last activation is left to the loss in training, and must not run there."""
    x = inputs = cb.Input((5, 5, 1))
    x = layers.Conv2D(3, 3, padding="same")(x)
    model = cb.Model(inputs, layers.Softmax()(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(np.zeros((4, 5, 5, 1)), np.zeros((4, 5, 5)), verbose=0)
    assert led(model) == [(False, False), (False, False)]
    assert model.check_gradients(np.ones((2, 5, 5, 1)), np.zeros((2, 5, 5))).max_relative_error < 1e-5


def test_a_value_that_others_read_is_still_there():
    inputs = cb.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    y = layers.BatchNormalization()(x)
    model = cb.Model(inputs, [x, layers.Add()([x, layers.Activation("tanh")(y)])])
    data = np.random.default_rng(0).normal(size=(3, 6, 6, 2))
    first, both = model.predict(data, verbose=0)
    np.testing.assert_allclose(both - first, np.tanh(first / np.sqrt(1.001)), rtol=1e-4, atol=1e-5)


def test_what_follows_is_in_use_while_the_leader_reads():
    """A following layer's output must not share memory with the leader's input."""
    inputs = cb.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    model = cb.Model(inputs, layers.Conv2D(2, 3)(block(x, 8)))
    model.predict(np.zeros((5, 6, 6, 2)), verbose=0)
    steps, lifetimes = model._predictor.plan.steps, model._predictor.memory.of_blocks
    second, normalized = steps[1], steps[2]
    assert lifetimes[normalized.output].first == lifetimes[second.output].first == lifetimes[second.inputs[0]].last


def test_the_jacobian_runs_what_follows_once():
    """Levenberg-Marquardt on both engines, with a convolution that runs the activation after it."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(20, 8, 2)), rng.normal(size=(20, 1))
    losses = []
    for engine in ("compiled", "reference"):
        cb.utils.set_random_seed(1)
        model = cb.Sequential(
            [cb.Input((8, 2)), layers.Conv1D(3, 3, activation="tanh"), layers.Flatten(), layers.Dense(1)]
        )
        model.compile(cb.optimizers.LevenbergMarquardt(), "mse", engine=engine)
        losses.append(model.fit(x, y, batch_size=20, epochs=4, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
