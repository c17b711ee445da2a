"""The optimizers against those of Keras: names, arguments, and 20 steps on the same gradients with all options."""

import inspect

import keras
import numpy as np
import pytest
import torch
from combinations import every
from numpy.testing import assert_allclose

import cbackprop as cb
from cbackprop import optimizers

CLASSES = {name: cls for name, cls in optimizers.registry if hasattr(keras.optimizers, name)}
NOT_OURS = {"kwargs"}


OWN = {
    "SGD": every(momentum=[0.0, 0.9], nesterov=[False, True]),
    "Adam": [*every(amsgrad=[False, True]), {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}],
    "AdamW": [*every(amsgrad=[False, True]), {"weight_decay": 0.1}],
    "RMSprop": [*every(momentum=[0.0, 0.9], centered=[False, True]), {"rho": 0.5, "epsilon": 0.1}],
    "Adamax": [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}],
    "Nadam": [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}],
    "Lamb": [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}],
    "ScheduleFreeAdamW": [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1, "warmup_steps": 7}],
    "Adagrad": [{}, {"initial_accumulator_value": 0.5, "epsilon": 0.1}],
    "Adadelta": [{"epsilon": 1.0}, {"rho": 0.5, "epsilon": 1e-3}],
    "Ftrl": [
        {},
        {"learning_rate_power": -0.7, "l1_regularization_strength": 0.01, "beta": 0.2},
        {"l2_regularization_strength": 0.1, "l2_shrinkage_regularization_strength": 0.2},
    ],
    "Lion": [{}, {"beta_1": 0.5, "beta_2": 0.9}],
    "Adafactor": [
        {},
        {"beta_2_decay": -0.5, "clip_threshold": 0.5, "epsilon_1": 0.01, "epsilon_2": 1.0, "relative_step": False},
    ],
    "Muon": [
        *every(nesterov=[False, True], rms_rate=[None, 0.2]),
        {"adam_lr_ratio": 2.0, "adam_weight_decay": None, "ns_steps": 2, "momentum": 0.5, "adam_beta_1": 0.5},
    ],
}
SHARED = [
    {**decay, **clip}
    for decay in [{}, {"weight_decay": 0.1}]
    for clip in [
        {},
        {"clipnorm": 0.5},
        {"clipvalue": 0.1},
        {"global_clipnorm": 0.7},
        {"loss_scale_factor": 8.0, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
        {"gradient_accumulation_steps": 3, "clipnorm": 0.5},
        {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 4},
    ]
]
CASES = [(name, {**shared, **own}) for name in CLASSES for own in OWN[name] for shared in SHARED]
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)
EACH_CASE = pytest.mark.parametrize(("name", "options"), CASES)
# Keras computes parts of the step in float32 only (rates, powers of betas), which limits float64, too.
LIMITS = {"float32": 2e-6, "float64": 2e-6}
SHAPES = [(4, 3), (3,), (5, 2), (2, 3, 4)]
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
    keras.utils.clear_session(free_memory=False)  # Keras numbers the optimizers of one class
    assert CLASSES[name]().name == getattr(keras.optimizers, name)().name
    for key, cls in keras.src.optimizers.ALL_OBJECTS_DICT.items():
        if cls.__name__ == name:
            assert type(optimizers.get(key)) is CLASSES[name]


def test_which_are_ours_alone():
    """Of Keras's there are all but those that wrap others."""
    theirs = {
        name
        for name, cls in vars(keras.optimizers).items()
        if inspect.isclass(cls) and issubclass(cls, keras.Optimizer) and cls is not keras.Optimizer
    }
    assert theirs - set(CLASSES) == {"LossScaleOptimizer", "MultiOptimizer"}
    assert set(dict(optimizers.registry)) - theirs == {"LBFGS", "LevenbergMarquardt", "Rprop"}


@EACH_CLASS
def test_configs_are_understood(name):
    config = getattr(keras.optimizers, name)(learning_rate=0.25).get_config()
    ours = CLASSES[name].from_config({key: value for key, value in config.items() if key not in NOT_OURS})
    assert ours.get_config().items() <= config.items()
    again = getattr(keras.optimizers, name).from_config(ours.get_config())
    assert again.get_config() == config


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@EACH_CASE
def test_steps(name, options, dtype, rng):
    """Weights after 20 batches, and their averages."""
    ours, theirs = CLASSES[name](0.01, **options), getattr(keras.optimizers, name)(0.01, **options)
    if name == "ScheduleFreeAdamW":
        # Keras keeps the momentum before the step, but with PyTorch this subtracts in place, and it keeps nothing.
        theirs.assign_sub = lambda variable, value: setattr(variable, "_value", variable.value - value)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    start = [a.copy() for a in arrays]
    variables = [keras.Variable(a, dtype=dtype) for a in arrays]
    for _ in range(STEPS):
        scale = rng.choice([0.01, 1, 10])
        gradients = [(scale * rng.normal(size=shape)).astype(dtype) for shape in SHAPES]
        ours.apply(gradients, arrays)
        theirs.apply([torch.tensor(g) for g in gradients], variables)
    assert ours.iterations == int(theirs.iterations)
    assert ours.batches == STEPS
    limit = LIMITS[dtype] * (10 if name == "Muon" else 1)
    for array, variable, old in zip(arrays, variables, start, strict=True):
        assert np.abs(array - old).max() > 5e-4
        assert_allclose(array, keras.ops.convert_to_numpy(variable), rtol=limit, atol=limit)
    ours.finalize_variable_values(arrays)
    theirs.finalize_variable_values(variables)
    for array, variable in zip(arrays, variables, strict=True):
        assert_allclose(array, keras.ops.convert_to_numpy(variable), rtol=limit, atol=limit)


@pytest.mark.parametrize("options", [{}, {"use_ema": True, "gradient_accumulation_steps": 2}])
@EACH_CLASS
def test_variables(name, options, rng):
    """As many, of the same shapes, as Keras has; but for what can be computed, or is not needed."""
    ours, theirs = CLASSES[name](**options), getattr(keras.optimizers, name)(**options)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]
    ours.apply([np.ones(shape) for shape in SHAPES], arrays)
    theirs.build([keras.Variable(a) for a in arrays])
    mine, shapes = [v.shape for v in ours.variables], [tuple(v.shape) for v in theirs.variables]
    if name == "Nadam":
        shapes.remove(())  # the product of momenta
    if name == "Adafactor":
        for shape in [(4, 3), (5, 2), (2, 3, 4)]:
            shapes.remove(shape)  # the outer products
        shapes = [shape for shape in shapes if shape != ()]
        mine = [shape for shape in mine if shape != ()]
    assert sorted(mine) == sorted(shapes)


@EACH_CLASS
def test_exclusion_from_decay(name):
    options = {"weight_decay": 0.5, **({"adam_weight_decay": 0.5} if name == "Muon" else {})}
    ours, theirs = CLASSES[name](0.1, **options), getattr(keras.optimizers, name)(0.1, **options)
    values = {"kernel": 1.0, "bias": 2.0, "gamma_bias": 3.0, "beta": 4.0}
    mine = [cb.Variable([v], name=k) for k, v in values.items()]
    keras_ = [keras.Variable([v], name=k) for k, v in values.items()]
    for optimizer, variables in ((ours, mine), (theirs, keras_)):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])
        optimizer.exclude_from_weight_decay(var_list=variables[3:], var_names=["bias"])
        zero = [np.zeros(1, np.float32) if variables is mine else torch.zeros(1) for _ in variables]
        optimizer.apply(zero, variables)
    assert [float(v.numpy()[0]) for v in mine] == pytest.approx([float(v.numpy()[0]) for v in keras_], rel=1e-7)
    if name not in ("Ftrl", "ScheduleFreeAdamW"):  # whose weights are not only what they were and steps
        assert [float(v.numpy()[0]) for v in mine] == pytest.approx([0.95, 2, 3, 4])
