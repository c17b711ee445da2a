"""Learning rate schedules against those of Keras, which computes them in float32."""

import inspect

import keras
import pytest

from cbackprop.optimizers import schedules

CLASSES = dict(schedules.registry)
CASES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 20], "values": [0.1, 0.2, 0.05]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "power": 2.0, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "warmup_target": 0.3, "warmup_steps": 6}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 10, "m_mul": 0.9}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 10, "t_mul": 1.0, "alpha": 0.1}),
]


def test_all_are_there():
    theirs = {name for name, thing in vars(keras.optimizers.schedules).items() if inspect.isclass(thing)}
    assert theirs == {*CLASSES, "LearningRateSchedule"} == {*dict(CASES), "LearningRateSchedule"}


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_and_defaults(name):
    ours, theirs = (inspect.signature(cls) for cls in (CLASSES[name], getattr(keras.optimizers.schedules, name)))
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_rates_and_configs(name, options):
    ours, theirs = CLASSES[name](**options), getattr(keras.optimizers.schedules, name)(**options)
    for step in (*range(-4, 0), *range(100)) if "cycle" not in options else range(100):
        assert ours(step) == pytest.approx(float(theirs(step)), rel=2e-6, abs=1e-7)
    assert ours.get_config() == theirs.get_config()
    config = keras.optimizers.schedules.serialize(theirs)
    assert schedules.deserialize(config).get_config() == ours.get_config()
