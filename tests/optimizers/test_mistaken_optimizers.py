"""Optimizers refuse wrong gradients, variables and arguments."""

import math

import families
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import cbackprop as cb
from cbackprop import optimizers
from cbackprop.compiled.optimizers.optimizer import SegmentList
from cbackprop.reference.optimizers.optimizer import Segment

CLASSES = families.stepping_optimizers()
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)


@EACH_CLASS
@pytest.mark.parametrize(
    ("grads", "error", "message"),
    [
        ([np.ones(2)], ValueError, "one gradient for each variable, but got 1 for 2"),
        ([], ValueError, "one gradient for each variable, but got 0 for 2"),
        ([np.ones(2), np.ones(2)], ValueError, r"Gradient 1 must have shape \(3,\) like its variable, but got \(2,\)"),
        ([np.ones(2), np.array([1, np.nan, 1])], ValueError, "Gradients must be finite"),
        ([np.ones(2), np.array([1, -np.inf, 1])], ValueError, "Gradients must be finite"),
        ([np.ones(2), np.array([1, 1e300, 1])], ValueError, "Gradients must be finite"),
    ],
    ids=["too few", "none", "shape", "nan", "inf", "too large for float32"],
)
def test_bad_gradients_change_nothing(name, grads, error, message):
    optimizer = CLASSES[name]()
    arrays = [np.ones(2, np.float32), np.ones(3, np.float32)]
    optimizer.apply([np.ones(2), np.ones(3)], arrays)
    before = [a.copy() for a in arrays], optimizer.state()
    with pytest.raises(error, match=message):
        optimizer.apply(grads, arrays)
    assert optimizer.iterations == 1
    for a, b in zip(arrays, before[0], strict=True):
        assert_array_equal(a, b)
    assert_array_equal(list(optimizer.state()), list(before[1]))
    for key, value in before[1].items():
        assert_array_equal(optimizer.state()[key], value)


@EACH_CLASS
@pytest.mark.parametrize(
    ("variables", "error", "message"),
    [
        ([np.ones(2, int)], TypeError, "Variable 0 must be a float32 or float64 array"),
        ([[1.0, 1.0]], TypeError, "Variable 0 must be a float32 or float64 array, but got list"),
        ([np.ones(2), np.ones(2, "f")], ValueError, "Variables must have one dtype"),
        ([np.ones(0)], ValueError, "not empty"),
        ([np.broadcast_to(np.ones(1), 2)], ValueError, "writable"),
        ([], ValueError, "one gradient for each variable"),
    ],
)
def test_bad_variables(name, variables, error, message):
    with pytest.raises(error, match=message):
        CLASSES[name]().apply([np.ones(np.shape(v)) for v in variables], variables)


@EACH_CLASS
def test_other_arrays_than_before(name):
    optimizer = CLASSES[name]()
    optimizer.apply([np.ones(2)], [np.ones(2)])
    for arrays in ([np.ones(3)], [np.ones(2, "f")], [np.ones(2), np.ones(2)]):
        with pytest.raises(ValueError, match="same shapes and dtype"):
            optimizer.apply([np.ones(a.shape) for a in arrays], arrays)
    variable = cb.Variable("ones", (2,), "float64", name="w")
    with pytest.raises(ValueError, match="twice"):
        optimizer.apply([np.ones(2)] * 2, [variable, variable])


NUMBERS = {
    "learning_rate": (-1, "at least 0"),
    "weight_decay": (-0.1, "at least 0"),
    "clipnorm": (0, "greater than 0"),
    "clipvalue": (-1, "greater than 0"),
    "global_clipnorm": (0, "greater than 0"),
    "momentum": (1.5, "at least 0 and at most 1"),
    "beta_1": (1.0, "at least 0 and below 1"),
    "beta_2": (-0.1, "at least 0 and below 1"),
    "rho": (1.0, "at least 0 and below 1"),
    "epsilon": (0, "greater than 0"),
    "ema_momentum": (1.1, "at least 0 and at most 1"),
    "loss_scale_factor": (0, "greater than 0"),
    "initial_accumulator_value": (-1, "at least 0"),
    "learning_rate_power": (1, "at most 0"),
    "l1_regularization_strength": (-1, "at least 0"),
    "l2_regularization_strength": (-1, "at least 0"),
    "l2_shrinkage_regularization_strength": (-1, "at least 0"),
    "beta": (-1, "at least 0"),
    "eta_minus": (1.0, "greater than 0 and below 1"),
    "eta_plus": (1, "greater than 1"),
    "min_step": (0, "greater than 0"),
    "max_step": (1e-9, "at least 1e-06"),
    "beta_2_decay": (0.5, "at most 0"),
    "epsilon_1": (0, "greater than 0"),
    "epsilon_2": (-1, "at least 0"),
    "clip_threshold": (0, "greater than 0"),
    "adam_beta_1": (1.0, "at least 0 and below 1"),
    "adam_beta_2": (1.0, "at least 0 and below 1"),
    "adam_weight_decay": (-1, "at least 0"),
    "adam_lr_ratio": (-1, "at least 0"),
    "rms_rate": (-1, "at least 0"),
    "muon_a": (math.inf, ""),
    "muon_b": (math.inf, ""),
    "muon_c": (math.inf, ""),
}
COUNTS = {
    "ema_overwrite_frequency": (0, "at least 1"),
    "gradient_accumulation_steps": (1, "at least 2"),
    "warmup_steps": (-1, "at least 0"),
    "ns_steps": (-1, "at least 0"),
}
OTHERS = ("name", "exclude_layers")
SWITCHES = ("nesterov", "amsgrad", "centered", "use_ema", "relative_step", "exclude_embeddings")


@EACH_CLASS
def test_bad_arguments(name):
    cls = CLASSES[name]
    assert set(cls.argument_names()) <= {*NUMBERS, *SWITCHES, *COUNTS, *OTHERS}, "add the new argument to one of these"
    for argument in cls.argument_names():
        if argument in COUNTS:
            value, words = COUNTS[argument]
            with pytest.raises(ValueError, match=f"^{argument} must be {words}"):
                cls(**{argument: value})
            with pytest.raises(TypeError, match=f"^{argument} must be an integer"):
                cls(**{argument: 2.5})
        elif argument in NUMBERS:
            value, words = NUMBERS[argument]
            if (name, argument) == ("Lion", "beta_1"):
                value, words = 0.0, "greater than 0 and at most 1"
            with pytest.raises(
                ValueError, match=f"^{argument} must be {words}.*, but got {value}" if words else "finite"
            ):
                cls(**{argument: value})
            with pytest.raises(ValueError, match=f"^{argument} must be finite"):
                cls(**{argument: math.nan})
            with pytest.raises(TypeError, match=f"^{argument} must be a number"):
                cls(**{argument: "much"})
        elif argument in SWITCHES:
            with pytest.raises(TypeError, match=f"^{argument} must be True or False"):
                cls(**{argument: 1})
    with pytest.raises(ValueError, match="Only one of clipnorm, clipvalue and global_clipnorm"):
        cls(clipnorm=1, clipvalue=1)
    with pytest.raises(TypeError, match=f"{name} has no argument"):
        cls(speed=1)


def test_learning_rate_can_be_set():
    optimizer = optimizers.SGD()
    optimizer.learning_rate = 0.5
    assert optimizer.get_config()["learning_rate"] == 0.5
    with pytest.raises(ValueError, match="learning_rate must be"):
        optimizer.learning_rate = -1
    assert optimizer.learning_rate == 0.5


def test_adamw_without_decay():
    with pytest.raises(TypeError, match="weight_decay must be a number, but got None"):
        optimizers.AdamW(weight_decay=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.ones(2)],), "var_list must hold variables, but got ndarray"),
        ((["bias"],), "var_list must hold variables, but got str"),
        ((None, "bias"), "var_names must be a list of strings, but got 'bias'"),
        ((None, [3]), "var_names must be a list of strings"),
    ],
)
def test_bad_exclusions(arguments, message):
    with pytest.raises(TypeError, match=message):
        optimizers.SGD().exclude_from_weight_decay(*arguments)


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("adamm", ValueError, "Unknown optimizer 'adamm'. Did you mean 'adam'"),
        ({"class_name": "Adamm", "config": {}}, ValueError, "Unknown optimizer 'Adamm'"),
        (0.1, TypeError, "Expected an optimizer"),
        (print, TypeError, "Expected an optimizer"),
        (cb.losses.Huber(), TypeError, "Expected an optimizer"),
    ],
)
def test_unknown_optimizers(identifier, error, message):
    with pytest.raises(error, match=message):
        optimizers.get(identifier)


def test_segments_are_checked():
    optimizer = optimizers.Adam()
    compiled = optimizer.compiled_rule("float64")

    def refused(message, compiled, *arrays):
        with pytest.raises(ValueError, match=message):
            SegmentList(compiled, [Segment(arrays[0], arrays[1], list(arrays[2:]), 0.0)])

    four, three = np.zeros(4), np.zeros(3)
    refused("2 slots, but got 1", compiled, four, four, four)
    refused("at least 4 elements", compiled, four, four, four, three)
    refused("at least 4 elements", compiled, four, three, four, four)
    refused("Slot 1 is missing", compiled, four, four, four, None)
    refused("of float64, but got 4 of float32", compiled, four, four, four, four.astype("f"))
    refused("works on float64, but got weights of float32", compiled, *[four.astype("f")] * 4)
    adafactor = optimizers.Adafactor()
    compiled = adafactor.compiled_rule("float64")
    matrix = np.zeros((2, 3))
    refused("at least 2 elements", compiled, matrix, matrix, np.zeros(1), three, None)
    refused("at least 3 elements", compiled, matrix, matrix, three, np.zeros(2), None)
    refused("Slot 0 is missing", compiled, matrix, matrix, None, three, None)
    refused("Slot 2 is missing", compiled, four, four, None, None, None)
    muon = optimizers.Muon()
    compiled = muon.compiled_rule("float64")
    refused("Slot 0 is missing", compiled, matrix, matrix, None, None)
    refused("Slot 1 is missing", compiled, four, four, four, None)


@pytest.mark.parametrize(
    ("variable", "gradient"),
    [
        (np.ones(3, ">f8"), np.ones(3)),
        (np.ones(3, np.float16), np.ones(3)),
        (np.ones(3), np.ones(3) * 1j),
        (np.ones(3), None),
    ],
)
def test_apply_refuses_other_types_and_keeps_its_state(variable, gradient):
    optimizer = cb.optimizers.Adam()
    with pytest.raises((TypeError, ValueError), match=r"must be a float32|must hold real|no gradient"):
        optimizer.apply([gradient], [variable])
    assert optimizer.iterations == 0
    assert not optimizer.slots
    optimizer.apply([np.ones(3)], [np.ones(3)])
