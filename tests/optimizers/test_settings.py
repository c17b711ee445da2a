"""Settings of an optimizer that can change later: hyperparameters, learning rate and counts, weights."""

import copy
import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, optimizers

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])
SETTINGS = [
    (optimizers.Adam, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    (optimizers.SGD, {"momentum": 0.3, "nesterov": True}),
    (optimizers.SGD, {"weight_decay": 0.1}),
    (optimizers.SGD, {"clipnorm": 0.01}),
    (optimizers.RMSprop, {"rho": 0.5, "clipvalue": 0.01}),
    (optimizers.Adagrad, {"epsilon": 0.1, "global_clipnorm": 0.1}),
    (optimizers.Lion, {"beta_1": 0.5}),
    (optimizers.Muon, {"momentum": 0.5}),
]
EACH_SETTING = pytest.mark.parametrize(("cls", "settings"), SETTINGS)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(24, 3)).astype("float32")
    return x, x[:, :2]


def model_of(optimizer, engine="compiled"):
    cb.utils.set_random_seed(4)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(5, activation="tanh"), layers.Dense(2)])
    model.compile(optimizer, "mse", engine=engine)
    return model


@EACH_ENGINE
@EACH_SETTING
def test_settings_hold_from_the_next_run_on(cls, settings, engine, data):
    """As if the state had been handed to an optimizer that was made with them."""
    first = {"momentum": 0.9} if cls is optimizers.SGD else {}
    model, twin = model_of(cls(0.01, **first), engine), model_of(cls(0.01, **first | settings), engine)
    model.fit(*data, batch_size=8, epochs=2, shuffle=False, verbose=0)
    twin.set_weights(model.get_weights())
    twin.optimizer.set_state(model.optimizer.state(model.trainable_variables), twin.trainable_variables)
    for name, value in settings.items():
        setattr(model.optimizer, name, value)
    assert model.optimizer.get_config() == twin.optimizer.get_config() | {"name": model.optimizer.name}
    for each in (model, twin):
        each.fit(*data, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert_array_equal(a, b)


def test_large_tables_follow_settings(rng):
    """Without momentum only rows that were read are updated: with it, all of them."""
    ids, y = rng.integers(0, 50, (8, 3)), rng.normal(size=(8, 3, 2))
    found = []
    for late in (True, False):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((3,), dtype="int32"), layers.Embedding(50, 2)])
        model.compile(optimizers.SGD(0.1, weight_decay=None if late else 0.5), "mse")
        model.predict(ids, verbose=0)
        if late:
            model._prepare(ids, "fit")
            model.optimizer.weight_decay = 0.5
        model.train_on_batch(ids, y)
        found.append(model.get_weights()[0])
    assert_array_equal(*found)


def test_wrong_settings_change_nothing():
    optimizer = optimizers.Adam()
    for name, value, error in (("beta_1", 1.5, ValueError), ("epsilon", "x", TypeError), ("amsgrad", 3, TypeError)):
        with pytest.raises(error, match=name):
            setattr(optimizer, name, value)
    optimizer.clipnorm = 1.0
    with pytest.raises(ValueError, match="Only one of clipnorm, clipvalue"):
        optimizer.clipvalue = 1.0
    with pytest.raises(AttributeError, match="has no setting 'beta1'"):
        optimizer.beta1 = 0.5
    assert (optimizer.beta_1, optimizer.epsilon, optimizer.clipvalue) == (0.9, 1e-7, None)


def test_what_decides_what_is_remembered_is_fixed_once_there_is_something(data):
    model = model_of(optimizers.Adam())
    model.optimizer.amsgrad = True
    model.train_on_batch(*data)
    for name, value in (("amsgrad", False), ("use_ema", True), ("gradient_accumulation_steps", 2)):
        with pytest.raises(AttributeError, match=f"{name} of Adam decides which slots"):
            setattr(model.optimizer, name, value)


@EACH_ENGINE
def test_the_learning_rate_is_a_number_and_a_variable(engine, data):
    model = model_of(optimizers.SGD(0.5), engine)
    rate = model.optimizer.learning_rate
    assert isinstance(rate, float)
    assert (rate, rate.value, rate.numpy(), repr(rate), json.dumps(rate)) == (0.5, 0.5, 0.5, "0.5", "0.5")
    assert pickle.loads(pickle.dumps(rate)) == copy.deepcopy(rate) == 0.5
    rate.assign(np.float32(0.25))
    assert model.optimizer.learning_rate == 0.25
    model.optimizer.learning_rate.assign(0.0)
    before = model.get_weights()
    model.train_on_batch(*data)
    for a, b in zip(model.get_weights(), before, strict=True):
        assert_array_equal(a, b)
    with pytest.raises(ValueError, match="learning_rate must be at least 0"):
        rate.assign(-1)
    scheduled = optimizers.SGD(optimizers.schedules.ExponentialDecay(0.5, 1, 0.5))
    with pytest.raises(TypeError, match="it is a schedule"):
        scheduled.learning_rate.assign(0.1)


def test_counts_are_numbers_and_variables(data):
    optimizer = optimizers.Adam()
    assert isinstance(optimizer.iterations, int)
    optimizer.iterations.assign(7)
    assert (optimizer.iterations, optimizer.iterations.value, optimizer.iterations.numpy()) == (7, 7, 7)
    assert optimizer.variables[0] == 7
    assert optimizer.variables[0] != 8
    assert (int(optimizer.variables[0]), float(optimizer.variables[1])) == (7, 0.001)
    assert len({optimizer.variables[0], optimizer.variables[1]}) == 2
    assert pickle.loads(pickle.dumps(optimizer.iterations)) == 7


def test_set_weights(data):
    model, twin = model_of(optimizers.Adam()), model_of(optimizers.Adam())
    model.fit(*data, verbose=0)
    with pytest.raises(ValueError, match="nothing to set yet"):
        twin.optimizer.set_weights([])
    twin.optimizer.build(twin.trainable_variables)
    twin.optimizer.set_weights([variable.numpy() for variable in model.optimizer.variables])
    twin.set_weights(model.get_weights())
    assert twin.train_on_batch(*data) == model.train_on_batch(*data)
    with pytest.raises(ValueError, match="weights must hold 10 arrays, but got 1"):
        twin.optimizer.set_weights([np.int64(1)])
    with pytest.raises(ValueError, match="has shape"):
        twin.optimizer.set_weights([variable.numpy()[..., None] for variable in model.optimizer.variables])


def test_schedules_of_arrays_and_variables():
    schedule = optimizers.schedules.ExponentialDecay(0.1, 2, 0.5, staircase=True)
    steps = np.arange(6).reshape(2, 3)
    assert_allclose(schedule(steps), 0.1 * 0.5 ** (steps // 2))
    assert schedule([0, 2]).tolist() == [0.1, 0.05]
    optimizer = optimizers.SGD(schedule)
    optimizer.iterations = 4
    assert schedule(optimizer.iterations) == schedule(optimizer.variables[0]) == schedule(np.array(4)) == 0.025
    assert isinstance(schedule(np.int64(4)), float)
    assert schedule(np.array([1, -1])).tolist() == [0.1, 0.2]  # as in Keras, the formula is also used before step 0


def test_models_without_an_optimizer(data):
    model = model_of(None)
    assert model.optimizer is None
    assert optimizers.get(None) is None
    assert model.evaluate(*data, verbose=0) == pytest.approx(model.test_on_batch(*data), rel=1e-6)
    assert len(model.gradients(*data)) == 4
    for run in (lambda: model.fit(*data, verbose=0), lambda: model.train_on_batch(*data)):
        with pytest.raises(ValueError, match="needs an optimizer, but the model was compiled with optimizer=None"):
            run()
    assert pickle.loads(pickle.dumps(model)).evaluate(*data, verbose=0) == model.evaluate(*data, verbose=0)
