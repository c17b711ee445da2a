"""The optimizers against those of Keras: names, arguments, and 20 steps on the same gradients with all options."""

import inspect
import itertools

import keras
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import cbackprop as cb
from cbackprop import optimizers

CLASSES = dict(optimizers.registry)
# What Keras's optimizers can do besides, and ours cannot yet.
NOT_OURS = {
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "kwargs",
}


def every(**choices):
    """All combinations of choices, as keyword arguments."""
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


OWN = {
    "SGD": every(momentum=[0.0, 0.9], nesterov=[False, True]),
    "Adam": [*every(amsgrad=[False, True]), {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}],
    "AdamW": [*every(amsgrad=[False, True]), {"weight_decay": 0.1}],
    "RMSprop": [*every(momentum=[0.0, 0.9], centered=[False, True]), {"rho": 0.5, "epsilon": 0.1}],
}
SHARED = [
    {**decay, **clip}
    for decay in [{}, {"weight_decay": 0.1}]
    for clip in [{}, {"clipnorm": 0.5}, {"clipvalue": 0.1}, {"global_clipnorm": 0.7}]
]
CASES = [(name, {**shared, **own}) for name in CLASSES for own in OWN[name] for shared in SHARED]
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)
EACH_CASE = pytest.mark.parametrize(("name", "options"), CASES)
SHAPES = [(4, 3), (3,), (5, 2)]
STEPS = 20


@EACH_CLASS
def test_arguments_and_defaults(name):
    """Those of our class and its bases together; the first ones also at the same place."""
    theirs = {
        p.name: p.default
        for p in inspect.signature(getattr(keras.optimizers, name)).parameters.values()
        if p.name not in NOT_OURS
    }
    ours = {}
    for cls in CLASSES[name].__mro__[:-1]:
        if "__init__" in vars(cls):
            for p in inspect.signature(cls).parameters.values():
                if p.kind is not p.VAR_KEYWORD:
                    ours.setdefault(p.name, p.default)
    assert ours == theirs
    own = [p.name for p in inspect.signature(CLASSES[name]).parameters.values() if p.kind is not p.VAR_KEYWORD]
    assert own == list(theirs)[: len(own)]


@EACH_CLASS
def test_names(name):
    assert CLASSES[name]().name == getattr(keras.optimizers, name)().name
    for key, cls in keras.src.optimizers.ALL_OBJECTS_DICT.items():
        if cls.__name__ == name:
            assert type(optimizers.get(key)) is CLASSES[name]


@EACH_CLASS
def test_configs_are_understood(name):
    config = getattr(keras.optimizers, name)(learning_rate=0.25).get_config()
    ours = CLASSES[name].from_config({key: value for key, value in config.items() if key not in NOT_OURS})
    assert ours.get_config().items() <= config.items()
    again = getattr(keras.optimizers, name).from_config(ours.get_config())
    assert again.get_config() == config


@EACH_CASE
def test_steps(name, options, rng):
    """Weights after 20 steps, to the rounding of 20 float32 steps of at most learning_rate / sqrt(1 - rho)."""
    ours, theirs = CLASSES[name](0.01, **options), getattr(keras.optimizers, name)(0.01, **options)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]
    start = [a.copy() for a in arrays]
    variables = [keras.Variable(a) for a in arrays]
    for _ in range(STEPS):
        scale = rng.choice([0.01, 1, 10])
        gradients = [(scale * rng.normal(size=shape)).astype(np.float32) for shape in SHAPES]
        ours.apply(gradients, arrays)
        theirs.apply([torch.tensor(g) for g in gradients], variables)
    assert ours.iterations == int(theirs.iterations) == STEPS
    for array, variable, old in zip(arrays, variables, start, strict=True):
        assert np.abs(array - old).max() > 1e-3
        assert_allclose(array, keras.ops.convert_to_numpy(variable), rtol=2e-6, atol=2e-6)


@EACH_CLASS
def test_exclusion_from_decay(name):
    ours, theirs = CLASSES[name](0.1, weight_decay=0.5), getattr(keras.optimizers, name)(0.1, weight_decay=0.5)
    values = {"kernel": 1.0, "bias": 2.0, "gamma_bias": 3.0, "beta": 4.0}
    mine = [cb.Variable((1,), cb.initializers.Constant(v), "float32", k) for k, v in values.items()]
    keras_ = [keras.Variable([v], name=k) for k, v in values.items()]
    for optimizer, variables in ((ours, mine), (theirs, keras_)):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])
        optimizer.exclude_from_weight_decay(var_list=variables[3:], var_names=["bias"])
        zero = [np.zeros(1, np.float32) if variables is mine else torch.zeros(1) for _ in variables]
        optimizer.apply(zero, variables)
    assert [float(v.numpy()[0]) for v in mine] == [float(v.numpy()[0]) for v in keras_]
    assert [float(v.numpy()[0]) for v in mine] == pytest.approx([0.95, 2, 3, 4])
