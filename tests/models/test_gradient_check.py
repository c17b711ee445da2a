"""Analytic gradients against central differences in float64: every layer, activation, loss, and random graphs."""

import families
import layer_cases
import loss_cases
import masked_models
import numpy as np
import pytest
import random_models

import cbackprop as cb
from cbackprop import layers

LIMIT = 1e-6
# Layers whose data must be whole numbers.
LOOK_UP = (layers.CategoryEncoding, layers.Embedding)


@pytest.mark.parametrize("way", [None, "beside", "twice", "first"], ids=["alone", "beside", "twice", "first"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_layer(make, shapes, engine, way, rng):
    cb.utils.set_random_seed(1)
    model = layer_cases.around(make, shapes, **({way: True} if way else {}))
    model.compile("sgd", "mse", engine=engine)
    x, y = loss_cases.data_for(model, 3, rng)
    if way == "first" and any(isinstance(layer, LOOK_UP) for layer in model.layers):
        x = np.abs(np.rint(x)).clip(max=2)
    report = model.check_gradients(x, y, training=True)
    assert report.checked == sum(variable.size for variable in model.trainable_weights)
    assert report.max_relative_error <= LIMIT, report


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", masked_models.MASKED)
def test_masks(name, engine, rng):
    model = masked_models.MASKED[name]()
    model.compile("sgd", "mse", engine=engine)
    x, y = loss_cases.data_for(model, 5, rng)
    rows = model.outputs[0].shape[1:-1]
    report = model.check_gradients(x, y, sample_weight=rng.uniform(0.5, 1.5, (5, *rows)), training=True)
    assert report.checked == sum(variable.size for variable in model.trainable_weights)
    assert report.max_relative_error <= LIMIT, report


@pytest.mark.parametrize("name", [name for name, _ in cb.activations.registry])
@pytest.mark.parametrize("where", ["dense", "layer"])
def test_activation(name, where, rng):
    cb.utils.set_random_seed(2)
    x = cb.Input((4,))
    if where == "dense":
        h = layers.Dense(6, activation=name)(x)
    else:
        z = layers.Dense(6)(x)
        h = layers.Concatenate()([layers.Activation(name)(z), z])
    model = cb.Model(x, layers.Dense(2)(h))
    model.compile("sgd", "mse")
    report = model.check_gradients(*loss_cases.data_for(model, 4, rng))
    assert report.max_relative_error <= LIMIT, report


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("last", ["linear", "sigmoid", "softmax"])
@pytest.mark.parametrize("name", families.classes(cb.losses.registry))
def test_loss(name, last, weighted, rng):
    cb.utils.set_random_seed(3)
    loss, last = loss_cases.objective_for(name, last)
    end = loss_cases.last_layers(loss, last)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="tanh"), *end])
    model.compile("sgd", loss)
    x, y = loss_cases.data_for(model, 5, rng, loss)
    weights = rng.uniform(0.1, 2, size=5) if weighted else None
    report = model.check_gradients(x, y, sample_weight=weights)
    assert report.max_relative_error <= LIMIT, report


@pytest.mark.parametrize("seed", range(25))
def test_random_graph(seed, rng):
    cb.utils.set_random_seed(seed)
    model = random_models.random_model(seed)
    model.compile("sgd", "mse")
    report = model.check_gradients(*loss_cases.data_for(model, 3, rng), training=True)
    assert report.max_relative_error <= LIMIT, report


def test_a_wrong_gradient_is_found(monkeypatch, rng):
    from cbackprop.reference.layers.dense import Dense

    right = Dense.backward

    def wrong(self, delta, parameters, wanted):
        deltas, gradients = right(self, delta, parameters, wanted)
        gradients[0][0, 0] *= 1.001
        return deltas, gradients

    model = cb.Sequential([cb.Input((3,)), layers.Dense(2, name="only")])
    model.compile("sgd", "mse", engine="reference")
    data = loss_cases.data_for(model, 4, rng)
    assert model.check_gradients(*data).max_relative_error <= LIMIT
    monkeypatch.setattr(Dense, "backward", wrong)
    report = model.check_gradients(*data)
    assert report.max_relative_error == pytest.approx(1e-3, rel=0.01)
    assert report.worst == ("only/kernel", (0, 0))
    assert "only/kernel" in str(report)


def test_nothing_is_changed(rng):
    model = cb.Sequential([cb.Input((3,)), layers.Dropout(0.5), layers.Dense(2)])
    model.compile("adam", "mse")
    before = model.get_weights()
    data = loss_cases.data_for(model, 4, rng)
    model.gradients(*data)
    model.check_gradients(*data)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.optimizer.iterations == 0


def test_frozen_weights_have_no_gradient(rng):
    frozen = layers.Dense(3, trainable=False)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3), frozen, layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = loss_cases.data_for(model, 4, rng)
    assert [g.shape for g in model.gradients(x, y)] == [(3, 3), (3,), (3, 1), (1,)]
    assert model.check_gradients(x, y).max_relative_error <= LIMIT


def test_epsilon_is_checked(rng):
    model = cb.Sequential([cb.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="epsilon must be greater than 0"):
        model.check_gradients([[1.0]], [[1.0]], epsilon=0)
    assert model.check_gradients([[1.0]], [[0.0]], epsilon=1e-4).max_relative_error <= LIMIT


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_gradients_of_a_model_without_weights(engine):
    x = cb.Input((2,))
    model = cb.Model(x, cb.layers.Rescaling(3.0)(x))
    model.compile("sgd", "mse", engine=engine)
    data = np.array([[1.0, 2.0], [0.5, -1.0]])
    # L = mean of (3 x) ** 2 over four numbers
    np.testing.assert_allclose(model.gradients(data, np.zeros((2, 2)), wrt="inputs"), 4.5 * data, rtol=1e-6)
    assert model.gradients(data, np.zeros((2, 2))) == []
