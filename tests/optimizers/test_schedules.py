"""Learning rate schedules: twin against compiled, in both engines, those of users, and mistakes."""

import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, optimizers
from cbackprop.optimizers import schedules

CLASSES = dict(schedules.registry)
CASES = {
    "ExponentialDecay": [{"decay_rate": 0.5}, {"decay_rate": 0.5, "staircase": True}, {"decay_rate": 0.0}],
    "InverseTimeDecay": [{"decay_rate": 0.5}, {"decay_rate": 0.5, "staircase": True}],
    "PiecewiseConstantDecay": [
        {"boundaries": [3, 7.5, 20], "values": [0.1, 0.2, 0.05, 0.0]},
        {"boundaries": [], "values": [0.1]},
    ],
    "PolynomialDecay": [{}, {"power": 2.0, "end_learning_rate": 0.05}, {"cycle": True}, {"power": 0.0}],
    "CosineDecay": [{}, {"alpha": 0.2}, {"warmup_target": 0.3, "warmup_steps": 6}, {"warmup_target": 0.3}],
    "CosineDecayRestarts": [{}, {"t_mul": 1.0, "m_mul": 0.5, "alpha": 0.1}, {"t_mul": 1.5, "m_mul": 0.8}],
}
EACH = pytest.mark.parametrize(("name", "options"), [(name, o) for name in CLASSES for o in CASES[name]])


def make(name, options):
    common = {"initial_learning_rate": 0.1, "decay_steps": 10}
    if name == "CosineDecayRestarts":
        common = {"initial_learning_rate": 0.1, "first_decay_steps": 10}
    return CLASSES[name](**({} if name == "PiecewiseConstantDecay" else common), **options)


@EACH
def test_compiled_agrees_with_twin(name, options):
    schedule = make(name, options)
    compiled = schedule.compiled(schedule)
    assert type(compiled).__name__ == name
    rates = [schedule(step) for step in range(200)]
    assert all(isinstance(rate, float) and 0 <= rate < 1 for rate in rates)
    assert_allclose([compiled.at(step) for step in range(200)], rates, rtol=1e-13, atol=1e-17)


@EACH
def test_config(name, options):
    schedule = make(name, options)
    again = schedules.deserialize(json.loads(json.dumps(schedules.serialize(schedule))))
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    optimizer = optimizers.Adam(schedule)
    config = json.loads(json.dumps(optimizers.serialize(optimizer)))
    assert optimizers.deserialize(config).get_config() == optimizer.get_config()
    assert name in repr(optimizer)


class Halving(schedules.LearningRateSchedule):
    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        return self.start / 2**step


class Overridden(schedules.CosineDecay):
    def __call__(self, step):
        return np.float32(0.1 / (step + 1))


def trained(rate, engine, **options):
    cb.utils.set_random_seed(3)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    model.compile(optimizers.SGD(rate, **options), "mse", engine=engine)
    x = np.random.default_rng(0).normal(size=(60, 3))
    model.fit(x, x[:, :2], batch_size=4, epochs=2, verbose=0, shuffle=False)
    return model


def by_hand(rate, accumulate=1):
    """The same with constant rates, set before each batch."""
    cb.utils.set_random_seed(3)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    model.compile(optimizers.SGD(0.0, gradient_accumulation_steps=accumulate if accumulate > 1 else None), "mse")
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    for step in range(30):
        model.optimizer.learning_rate = rate(step)
        rows = slice(step % 15 * 4, step % 15 * 4 + 4)
        model.train_on_batch(x[rows], x[rows, :2])
    return model


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize(
    "rate", [Halving(0.5), Overridden(0.1, 10), *[make(name, CASES[name][0]) for name in CLASSES]], ids=repr
)
def test_every_step_asks(rate, engine, accumulate):
    options = {} if accumulate == 1 else {"gradient_accumulation_steps": accumulate}
    model = trained(rate, engine, **options)
    assert model.optimizer.batches == 30
    assert model.optimizer.learning_rate == pytest.approx(float(rate(30)))
    for a, b in zip(model.get_weights(), by_hand(rate, accumulate).get_weights(), strict=True):
        assert_allclose(a, b, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_function_without_arguments(engine):
    found = []

    def rate():
        found.append(0.1)
        return found[-1]

    model = trained(rate, engine)
    assert len(found) >= 30
    for a, b in zip(model.get_weights(), by_hand(lambda step: 0.1).get_weights(), strict=True):
        assert_allclose(a, b, rtol=2e-6, atol=1e-7)
    with pytest.raises(ValueError, match="cannot be written into a config"):
        model.optimizer.get_config()
    model.optimizer.learning_rate = 0.5
    assert model.optimizer.learning_rate == 0.5


class Bad(schedules.LearningRateSchedule):
    """Goes wrong at its fifth step."""

    def __init__(self, how):
        self.how = how

    def __call__(self, step):
        if step < 4:
            return 0.1
        if isinstance(self.how, Exception):
            raise self.how
        return self.how


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("engine", ["compiled", "reference", "apply"])
@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        (math.nan, ValueError, "The learning rate of .*Bad.* at step 4 must be finite, but got nan"),
        (-1, ValueError, "The learning rate of .*Bad.* at step 4 must be at least 0, but got -1"),
        ("much", TypeError, "The learning rate of .*Bad.* at step 4 must be a number"),
        (KeyError("oops"), KeyError, "oops"),
    ],
    ids=str,
)
def test_a_bad_schedule_stops_before_weights_change(how, error, message, engine, threads):
    cb.config.set_num_threads(threads)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    model.compile(optimizers.Adam(Bad(how)), "mse", engine="compiled" if engine == "apply" else engine)
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")

    def step():
        if engine == "apply":
            model.optimizer.apply([np.ones(v.shape) for v in model.trainable_variables], model.trainable_variables)
        else:
            model.train_on_batch(x, x[:, :2])

    for _ in range(4):
        step()
    before, state = model.get_weights(), model.optimizer.state()
    with pytest.raises(error, match=message) as caught:
        step()
    if isinstance(how, KeyError):
        assert "Bad" in "".join(caught.value.__notes__)
        how.__notes__.clear()
    assert model.optimizer.batches == 4
    for a, b in zip(model.get_weights(), before, strict=True):
        assert_array_equal(a, b)
    for key, value in model.optimizer.state().items():
        assert_array_equal(value, state[key])
    model.optimizer.learning_rate = make("CosineDecay", {})
    step()
    assert model.optimizer.batches == 5


def test_a_rate_that_grows_too_large():
    schedule = schedules.ExponentialDecay(1.0, 1, 1e200)
    optimizer = optimizers.SGD(schedule)
    optimizer.iterations = 2
    assert schedule(2) == math.inf
    w = np.ones(1)
    with pytest.raises(ValueError, match=r"at step 2 must be finite"):
        optimizer.apply([np.ones(1)], [w])
    assert w == 1
    assert optimizer.iterations == 2


def test_a_schedule_cannot_be_overwritten_by_a_number():
    optimizer = optimizers.SGD(make("CosineDecay", {}))
    assert optimizer.learning_rate == 0.1
    optimizer.iterations = 5
    assert optimizer.learning_rate == pytest.approx(0.05)
    with pytest.raises(TypeError, match="learning_rate cannot be set: it is a schedule, CosineDecay"):
        optimizer.learning_rate = 0.5
    assert len(optimizer.variables) == 1
    optimizer.learning_rate = Halving(0.5)
    assert optimizer.learning_rate == 0.5 / 32


@pytest.mark.parametrize(
    ("make_schedule", "error", "message"),
    [
        (lambda: schedules.ExponentialDecay(-1, 10, 0.5), ValueError, "initial_learning_rate must be at least 0"),
        (lambda: schedules.ExponentialDecay(1, 0, 0.5), ValueError, "decay_steps must be greater than 0"),
        (lambda: schedules.ExponentialDecay(1, 10, -0.5), ValueError, "decay_rate must be at least 0"),
        (lambda: schedules.ExponentialDecay(1, 10, 0.5, 3), TypeError, "staircase must be True or False"),
        (lambda: schedules.InverseTimeDecay(1, "x", 0.5), TypeError, "decay_steps must be a number"),
        (lambda: schedules.PolynomialDecay(1, 10, -1), ValueError, "end_learning_rate must be at least 0"),
        (lambda: schedules.PolynomialDecay(1, 10, power=-1), ValueError, "power must be at least 0"),
        (lambda: schedules.CosineDecay(1, 10, math.nan), ValueError, "alpha must be finite"),
        (lambda: schedules.CosineDecay(1, 10, warmup_target=-1), ValueError, "warmup_target must be at least 0"),
        (lambda: schedules.CosineDecay(1, 10, warmup_steps=-1), ValueError, "warmup_steps must be at least 0"),
        (lambda: schedules.CosineDecayRestarts(1, 10, 0.5), ValueError, "t_mul must be at least 1"),
        (lambda: schedules.CosineDecayRestarts(1, 0), ValueError, "first_decay_steps must be greater than 0"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [1, 2]), ValueError, "one more element"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1, 2, 3]), ValueError, "boundaries must increase"),
        (lambda: schedules.PiecewiseConstantDecay("12", [1, 2, 3]), TypeError, "boundaries must be a list"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1, -2]), ValueError, r"values\[1\] must be at least 0"),
        (lambda: schedules.LearningRateSchedule()(1), NotImplementedError, "must override __call__"),
        (lambda: schedules.CosineDecayRestarts(1, 10)(-15), ValueError, "step is -15, for which .* has no rate"),
        (lambda: schedules.PolynomialDecay(1, 10, cycle=True)(-5), ValueError, "step is -5, for which .* has no rate"),
        (lambda: schedules.InverseTimeDecay(1, 10, 0.5)([1, -20]), ValueError, "every step is -20, for which"),
        (lambda: schedules.ExponentialDecay(1, 10, 0.0)(-1), ValueError, "step is -1, for which"),
        (lambda: schedules.CosineDecay(1, 10)(math.nan), ValueError, "step must be finite"),
        (lambda: schedules.get("cosine"), ValueError, "Unknown learning rate schedule"),
        (lambda: optimizers.SGD(cb.losses.Huber), TypeError, "learning_rate must be a number"),
    ],
)
def test_mistakes(make_schedule, error, message):
    with pytest.raises(error, match=message):
        make_schedule()
