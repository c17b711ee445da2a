"""States of optimizers: averages of weights, sums of gradients, and the whole state, which can be set again."""

import warnings

import families
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, optimizers

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])
EACH_CLASS = pytest.mark.parametrize("name", families.stepping_optimizers())
OPTIONS = {"use_ema": True, "ema_momentum": 0.8, "gradient_accumulation_steps": 2}


def model_of(optimizer, engine="compiled"):
    cb.utils.set_random_seed(4)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(5, activation="tanh"), layers.Dense(2)])
    model.compile(optimizer, "mse", engine=engine)
    return model


@pytest.fixture
def data(rng):
    x = rng.normal(size=(24, 3)).astype("float32")
    return x, x[:, :2]


@EACH_ENGINE
def test_fit_ends_with_the_averages(data, engine):
    model = model_of(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), engine)
    averages = []
    for _ in range(3):
        model.train_on_batch(*data)
        weights = model.get_weights()
        averages = [0.5 * a + 0.5 * w for a, w in zip(averages or weights, weights, strict=True)]
    for a, b in zip(model.optimizer.averages.values(), averages, strict=True):
        assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    model.fit(*data, batch_size=24, epochs=1, verbose=0)
    for weight, average in zip(model.get_weights(), model.optimizer.averages.values(), strict=True):
        assert_array_equal(weight, average)


@EACH_ENGINE
def test_swap_averages(data, engine):
    model = model_of(optimizers.Adam(0.1, use_ema=True), engine)
    for _ in range(3):
        model.train_on_batch(*data)
    weights = model.get_weights()
    averages = [a.copy() for a in model.optimizer.averages.values()]
    model.optimizer.swap_averages()
    for a, b in zip(model.get_weights(), averages, strict=True):
        assert_array_equal(a, b)
    model.optimizer.swap_averages()
    for a, b in zip(model.get_weights(), weights, strict=True):
        assert_array_equal(a, b)


@EACH_ENGINE
def test_accumulated_batches_are_one_large_one(data, engine):
    x, y = data
    small = model_of(optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=3, clipnorm=0.1), engine)
    large = model_of(optimizers.SGD(0.1, momentum=0.9, clipnorm=0.1), engine)
    small.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    large.fit(x, y, batch_size=24, epochs=2, shuffle=False, verbose=0)
    assert (small.optimizer.batches, small.optimizer.iterations, large.optimizer.iterations) == (6, 2, 2)
    for a, b in zip(small.get_weights(), large.get_weights(), strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@EACH_CLASS
@EACH_ENGINE
def test_a_state_that_is_set_again(name, engine, data):
    """Training continues with the same bits, also in an optimizer that does not know its variables yet."""
    cls = families.stepping_optimizers()[name]
    model = model_of(cls(0.01, **OPTIONS), engine)
    for _ in range(3):
        model.train_on_batch(*data)
    state, weights = model.optimizer.state(model.trainable_variables), model.get_weights()
    for _ in range(3):
        model.train_on_batch(*data)
    expected = model.get_weights()
    fresh = model_of(cls(0.5, **OPTIONS), engine)
    fresh.optimizer.set_state(state, fresh.trainable_variables)
    for other in (model, fresh):
        if other is model:
            model.optimizer.set_state(state)
        other.set_weights(weights)
        assert other.optimizer.learning_rate == 0.01
        for _ in range(3):
            other.train_on_batch(*data)
        for a, b in zip(other.get_weights(), expected, strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.pop("batches"), ValueError, "lacks 'batches'"),
        (lambda s: s.pop("0/m"), ValueError, "lacks '0/m'"),
        (lambda s: s.update(other=1), ValueError, "unknown entry 'other'"),
        (lambda s: s.update(batches=-1), ValueError, "batches must be at least 0"),
        (lambda s: s.update(learning_rate="x"), TypeError, "learning_rate must be a number"),
        (lambda s: s.update({"1/v": np.ones(3)}), ValueError, r"1/v has shape \(5,\), but got \(3,\)"),
        (lambda s: s.update({"1/v": np.array(list("abcde"))}), TypeError, "1/v needs real numbers"),
    ],
)
def test_bad_states_change_nothing(change, error, message, data):
    model = model_of(optimizers.Adam(0.1))
    model.train_on_batch(*data)
    before = model.optimizer.state()
    bad = {key: value + 1 for key, value in before.items()}
    change(bad)
    with pytest.raises(error, match=message):
        model.optimizer.set_state(bad)
    for key, value in model.optimizer.state().items():
        assert_array_equal(value, before[key])


def test_variables_of_an_optimizer(data):
    model = model_of(optimizers.Adam(0.1))
    model.train_on_batch(*data)
    names = [v.name for v in model.optimizer.variables]
    assert names[:2] == ["iteration", "learning_rate"]
    assert len(names) == 2 + 2 * 4
    slot = model.optimizer.variables[2]
    slot.assign(np.ones(slot.shape))
    assert_array_equal(model.optimizer.state()["0/m"], 1)
    assert slot.numpy().dtype == slot.dtype == "float32"
    model.optimizer.variables[0].assign(7)
    model.optimizer.variables[1].assign(0.25)
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (7, 0.25)
    with pytest.raises(ValueError, match="has shape"):
        slot.assign(np.ones(7))


def test_build_and_gradients_that_are_missing():
    a, b = np.ones(2), np.ones(3)
    optimizer = optimizers.SGD(0.5)
    with pytest.raises(ValueError, match="needs trainable_variables"):
        optimizer.apply([np.ones(2)])
    assert not optimizer.built
    optimizer.build([a, b])
    assert optimizer.built
    with pytest.warns(UserWarning, match=r"no gradients for variables \[1\]"):
        optimizer.apply([np.ones(2), None])
    assert_array_equal(a, 0.5)
    assert_array_equal(b, 1)
    with pytest.raises(ValueError, match="no gradient for any"):
        optimizer.apply([None, None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert optimizer.apply_gradients(zip([np.ones(2), np.ones(3)], [a, b], strict=True)) == 2
    assert_array_equal(b, 0.5)


def test_loss_scale():
    w = np.zeros(1)
    optimizer = optimizers.SGD(1.0, loss_scale_factor=4.0)
    optimizer.apply([np.array([8.0])], [w])
    assert w == -2
    assert optimizer.scale_loss(3.0) == 12.0
    assert optimizers.SGD().scale_loss(3.0) == 3.0


def test_without_averages():
    optimizer = optimizers.SGD()
    assert optimizer.averages == {}
    optimizer.finalize_variable_values([np.ones(1)])
    with pytest.raises(ValueError, match="use_ema=True"):
        optimizer.swap_averages()
    with pytest.raises(ValueError, match="has no average"):
        optimizers.SGD(use_ema=True).finalize_variable_values([np.ones(1)])
