"""Activations: compiled against twin, against central differences and against known values; arguments and input.

Driven by ``activations.registry``: a new activation is tested as soon as it is registered. Only other
values of its arguments have to be listed in `VARIANTS`.
"""

import copy
import doctest
import inspect
import json
import math
import pickle
import re

import numpy as np
import pytest
from activation_kernels import REGISTERED, TYPES, run_kernel, run_kernel_backward

import cbackprop as cb
from cbackprop import activations
from cbackprop.compiled.kernels import activations as kernels
from cbackprop.reference import activations as twins

# Numbers that float32 holds exactly, so that both types compute the same function.
VARIANTS = {
    "celu": [{"alpha": 0.5}, {"alpha": 4.0}, {"alpha": -2.0}],
    "elu": [{"alpha": 0.5}, {"alpha": 0.0}, {"alpha": -1.5}],
    "gelu": [{"approximate": True}],
    "hard_shrink": [{"threshold": 0.0}, {"threshold": 1.5}],
    "leaky_relu": [{"negative_slope": 0.25}, {"negative_slope": 0.0}, {"negative_slope": -0.5}],
    "log_softmax": [{"axis": 0}, {"axis": 1}, {"axis": -2}],
    "relu": [
        {"negative_slope": 0.25},
        {"negative_slope": -0.5},
        {"max_value": 6.0},
        {"max_value": 2.5},
        {"max_value": 0},
        {"threshold": 1.5},
        {"threshold": -1.5},
        {"threshold": -1.5, "max_value": 2.5},
        {"negative_slope": 0.25, "max_value": 2.5},
        {"negative_slope": 0.25, "max_value": 2.5, "threshold": 0.5},
    ],
    "soft_shrink": [{"threshold": 0.0}, {"threshold": 1.5}],
    "softmax": [{"axis": 0}, {"axis": 1}, {"axis": -2}],
    "sparsemax": [{"axis": 0}, {"axis": 1}, {"axis": -2}],
    "threshold": [{"threshold": -1.5, "default_value": 2.5}, {"threshold": 1.5}],
    "squareplus": [{"b": 0}, {"b": 0.25}, {"b": 100.0}],
}
CASES = [
    pytest.param(REGISTERED[name].bind(**arguments), id=f"{name}({arguments or ''})")
    for name in REGISTERED
    for arguments in [{}, *VARIANTS.get(name, [])]
]
NAMES = pytest.mark.parametrize("name", REGISTERED)

# Where f cancels, so that the error is one of numbers of this size, not of the result's.
CANCELLING = {
    "approximate_gelu": 1,  # e^u has the error of u
    "gelu": 1e-10,  # scipy's ndtr errs by 1e-13 of itself in the far tail
    "hard_sigmoid": 1,
    "hard_silu": 3,
    "log_softmax": 1,
    "softmax": 1,
    "sparsemax": 1,
    "tanh_shrink": 1,
}


def array_of(dtype, rng):
    """(20, 30, 6): everything from denormal to huge numbers of both signs."""
    small = np.finfo(dtype).smallest_subnormal
    special = [0.0, small, 1e5 * small, 1e18, 1e30, 0.5, 1.0, 1.5, 3.0, 6.0]
    powers = np.geomspace(1e-30, 1e30, 200)
    rare = np.concatenate([powers, special])
    common = [np.linspace(-20, 20, 1001), rng.normal(size=1000), rng.uniform(-120, 120, 1179)]
    x = np.concatenate([*common, rare, -rare])
    return rng.permutation(x).reshape(20, 30, 6).astype(dtype)


def twin_of(function):
    """Both functions of the twin, and the arguments that they end with."""
    kernel = function.kernel()
    return *twins.pair(kernel.name), kernel.numbers if kernel.axis is None else (kernel.axis, *kernel.numbers)


def assert_equal_to_rounding(got, want, size):
    """`got` is `want`, computed in float64, to 8 (float32) or 45 (float64) rounding errors of `size`.

    Numbers too small for a normal number may become 0, before they are multiplied by at most 100.
    """
    limits = np.finfo(got.dtype)
    relative = 8 * limits.eps if got.dtype == np.float32 else 1e-14
    with np.errstate(all="ignore"):
        near = np.abs(got - want) <= relative * size + 200 * limits.tiny
        near |= got == want.astype(got.dtype)
    assert near.all(), list(zip(got[~near][:5], want[~near][:5], strict=True))


@TYPES
@pytest.mark.parametrize("function", CASES)
def test_kernel_and_twin_agree(function, dtype, rng):
    x = array_of(dtype, rng)
    delta = rng.normal(size=x.shape).astype(dtype)
    y = run_kernel(function, x)
    forward, backward, arguments = twin_of(function)
    kernel = function.kernel()
    floor = CANCELLING.get(kernel.name, 0)
    with np.errstate(all="ignore"):
        wide = [array.astype("float64") for array in (delta, x, y)]
        want = forward(wide[1], *arguments)
        want_delta = backward(*wide, *arguments)
    assert_equal_to_rounding(y, want, np.abs(want) + floor)
    # f' of order 1 is computed as a sum of such terms; along an axis, deltas are summed too
    size = np.abs(wide[0]) if kernel.axis is None else np.abs(wide[0]).sum(axis=kernel.axis, keepdims=True)
    assert_equal_to_rounding(run_kernel_backward(function, delta, x, y), want_delta, np.abs(want_delta) + size)


@TYPES
@pytest.mark.parametrize("function", CASES)
def test_twin_keeps_type_and_input(function, dtype, rng):
    x = array_of(dtype, rng)
    forward, backward, arguments = twin_of(function)
    delta = rng.normal(size=x.shape).astype(dtype)
    x.flags.writeable = delta.flags.writeable = False
    with np.errstate(all="ignore"):
        y = forward(x, *arguments)
        kept = y.copy()
        result = backward(delta, x, y, *arguments)
    assert y.dtype == result.dtype == dtype
    assert y.shape == result.shape == x.shape
    assert not np.shares_memory(y, x)
    assert not np.shares_memory(result, delta)
    np.testing.assert_array_equal(y, kept)
    np.testing.assert_allclose(y, run_kernel(function, x), rtol=1e-4, atol=1e-5)


@TYPES
@pytest.mark.parametrize("function", CASES)
def test_finite_input_gives_no_nan(function, dtype, rng):
    x = array_of(dtype, rng)
    largest = np.finfo(dtype).max
    x[0, :3] = [largest, -largest, largest, -largest, 0, 0]
    y = run_kernel(function, x)
    assert not np.isnan(y).any()
    gradient = run_kernel_backward(function, np.ones_like(x), x, y)
    if function.kernel().name in ("celu", "exponential"):  # their slope may be infinite, like y
        gradient = gradient[np.isfinite(y)]
    assert not np.isnan(gradient).any()


@TYPES
@pytest.mark.parametrize("function", CASES)
def test_nan_stays_nan(function, dtype):
    x = np.full((5, 3, 7), np.nan, dtype)
    assert np.isnan(run_kernel(function, x)).all()
    if function.kernel().axis is None:
        x[1:] = 1
        assert np.isnan(run_kernel(function, x)).sum() == 21


@TYPES
@pytest.mark.parametrize("function", CASES)
def test_in_place(function, dtype, rng):
    kernel = function.kernel()
    x = np.ascontiguousarray(array_of(dtype, rng))
    y = run_kernel(function, x)
    rows, width, numbers = kernel.layout(x.shape)
    matrix = x.reshape(rows, width)
    kernels.Activation(kernel.name, numbers).apply(matrix, matrix)
    np.testing.assert_array_equal(x, y)


@TYPES
@pytest.mark.parametrize("function", [case for case in CASES if case.values[0].kernel().axis is None])
def test_bits_do_not_depend_on_the_place_in_the_array(function, dtype, rng):
    """Threads have any number of rows, so loops must round the numbers after whole vectors like all others."""
    x = np.concatenate([array_of(dtype, rng).reshape(-1), rng.normal(size=2000).astype(dtype)])
    y = run_kernel(function, x)
    delta = rng.normal(size=x.size).astype(dtype)
    gradient = run_kernel_backward(function, delta, x, y)
    for i in range(0, x.size, 7):
        part = slice(i, i + 1 + i % 3)
        assert run_kernel(function, x[part]).tobytes() == y[part].tobytes()
        assert run_kernel_backward(function, delta[part], x[part], y[part]).tobytes() == gradient[part].tobytes()


def smooth_points(function, rng):
    """(4, 3, 5) numbers in [-7, 7], none within 0.01 of a corner of any f."""
    corners = {-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0}
    for value in function.arguments.values():
        corners |= {float(value), -float(value)}
    x = rng.uniform(-7, 7, size=600)
    far = np.all([np.abs(x - corner) > 0.01 for corner in corners], axis=0)
    return x[far][:60].reshape(4, 3, 5)


@pytest.mark.parametrize("function", CASES)
def test_backward_against_central_differences(function, rng):
    x = smooth_points(function, rng)
    delta = rng.normal(size=x.shape)
    gradient = run_kernel_backward(function, delta, x, run_kernel(function, x))
    numeric = np.empty_like(x)
    step = 1e-4
    for i in np.ndindex(x.shape):
        loss = {}
        for k in (-2, -1, 1, 2):
            moved = x.copy()
            moved[i] += k * step
            loss[k] = float(np.sum(delta * run_kernel(function, moved)))
        numeric[i] = (8 * (loss[1] - loss[-1]) - (loss[2] - loss[-2])) / (12 * step)
    size = np.maximum(np.abs(gradient), np.abs(numeric))
    # differences of sums of about 10 have a rounding error of 1e-15 * 10 / step = 1e-10
    assert np.all(np.abs(gradient - numeric) <= 1e-6 * np.maximum(size, 1e-3))


@NAMES
def test_is_complete(name):
    function = REGISTERED[name]
    assert re.search(r"``f\(x\).* = .*``", inspect.getdoc(function)), "no formula"
    kernel = function.kernel()
    assert kernel.name in kernels.names(), "no kernel"
    for twin in twins.pair(kernel.name):
        assert callable(twin), "no twin"


@NAMES
def test_examples_run(name):
    function = REGISTERED[name]
    example = doctest.DocTestParser().get_doctest(function.__doc__, {}, name, None, 0)
    assert len(example.examples) >= 2
    assert doctest.DocTestRunner().run(example).failed == 0


def test_every_kernel_and_every_twin_is_used():
    used = {case.values[0].kernel().name for case in CASES}
    assert used == set(kernels.names())
    defined = {name for name in vars(twins) if name.endswith(("_forward", "_backward"))}
    registered = used | {function.kernel().name for _, function in activations.registry}
    assert defined == {f"{name}_{way}" for name in registered for way in ("forward", "backward")}


@NAMES
def test_input(name):
    function = REGISTERED[name]
    numbers = [[-2.0, 0.0, 1.0], [3.0, 4.0, 5.0]]
    wide = function(np.array(numbers))
    narrow = function(np.array(numbers, "float32"))
    assert (wide.dtype, narrow.dtype) == ("float64", "float32")
    assert wide.shape == (2, 3)
    np.testing.assert_allclose(narrow, wide, rtol=1e-6, atol=1e-6)
    for same in (
        numbers,
        tuple(map(tuple, numbers)),
        np.array(numbers, int),
        np.array(numbers, "float16"),
        np.array(numbers, ">f4"),
        np.array(numbers, "float32", order="F"),
        np.repeat(np.array(numbers, "float32"), 2, axis=1)[:, ::2],
    ):
        result = function(same)
        assert result.dtype == np.float32
        assert result.flags.c_contiguous
        np.testing.assert_array_equal(result, narrow)
    frozen = np.array(numbers)
    frozen.flags.writeable = False
    np.testing.assert_array_equal(function(frozen), wide)
    np.testing.assert_array_equal(frozen, numbers)
    assert function(np.zeros((0, 3))).shape == (0, 3)
    assert function(np.zeros((2, 1, 1, 3))).shape == (2, 1, 1, 3)
    cb.config.set_floatx("float64")
    assert function(numbers).dtype == np.float64
    assert function(np.array(numbers, "float32")).dtype == np.float32


@NAMES
def test_single_number(name):
    function = REGISTERED[name]
    if function.kernel().axis is not None:
        with pytest.raises(ValueError, match=r"axis -1 is out of range for x of shape \(\)"):
            function(1.5)
        return
    assert function(1.5).shape == ()
    assert function(1.5) == function([1.5])[0]


@NAMES
@pytest.mark.parametrize("x", [[1 + 2j], ["a"], [None], np.array([1, "a"], object), np.array(["2020-01-01"], "M8[D]")])
def test_input_that_is_no_real_array(name, x):
    with pytest.raises(TypeError, match="x must hold real numbers, but got dtype"):
        REGISTERED[name](x)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [2, -3])
def test_axis_that_x_does_not_have(name, axis):
    with pytest.raises(ValueError, match=rf"axis {axis} is out of range for x of shape \(2, 3\)"):
        REGISTERED[name](np.zeros((2, 3)), axis=axis)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_softmax_along_an_axis(axis, rng):
    x = rng.normal(size=(3, 4, 5))
    y = activations.softmax(x, axis=axis)
    np.testing.assert_allclose(y.sum(axis=axis), 1, rtol=1e-15)
    np.testing.assert_allclose(activations.log_softmax(x, axis), np.log(y), rtol=1e-13)
    np.testing.assert_allclose(y, np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True), rtol=1e-14)


def test_softmax_of_any_length(rng):
    for n in range(1, 40):
        for axis in (0, 1):
            x = rng.normal(size=(n, n))
            e = np.exp(x)
            np.testing.assert_allclose(
                activations.softmax(x, axis=axis), e / e.sum(axis=axis, keepdims=True), rtol=1e-14
            )


def test_arguments_by_position_and_by_name():
    x = [-2.0, 1.0, 8.0]
    np.testing.assert_array_equal(activations.relu(x, 0.5, 6.0, 0.0), [-1, 1, 6])
    np.testing.assert_array_equal(activations.relu(x, max_value=6.0, negative_slope=0.5), [-1, 1, 6])
    np.testing.assert_array_equal(activations.leaky_relu.bind(negative_slope=0.5)(x), [-1, 1, 8])
    np.testing.assert_array_equal(activations.leaky_relu.bind(0.5)(x, negative_slope=0.25), [-0.5, 1, 8])


def test_kernels_of_relu_read_as_little_as_they_can():
    kernel_of = {
        (): "relu",
        (0.5,): "leaky_relu",
        (-0.5,): "general_relu",
        (0.0, 6.0): "relu6",
        (0.0, 5.0): "general_relu",
        (0.5, 6.0): "general_relu",
        (0.0, None, 1.0): "general_relu",
    }
    for arguments, name in kernel_of.items():
        assert activations.relu.bind(*arguments).kernel().name == name
    assert [name for name in kernels.names() if kernels.reads_input(name)] == [
        "approximate_gelu",
        "gelu",
        "general_elu",
        "general_relu",
        "hard_silu",
        "mish",
        "silu",
        "tanh_shrink",
        "threshold",
    ]


@pytest.mark.parametrize("function", CASES)
def test_config_round_trip(function):
    config = json.loads(json.dumps(activations.serialize(function)))
    again = activations.deserialize(config)
    assert again.unbound is function.unbound
    assert again.arguments == function.arguments
    assert again.kernel() == function.kernel()
    for copied in (copy.deepcopy(function), pickle.loads(pickle.dumps(function)), activations.get(config)):
        assert copied.kernel() == function.kernel()
        assert repr(copied) == repr(function)


@NAMES
def test_name_stands_for_function(name):
    function = REGISTERED[name]
    assert activations.serialize(function) == name
    assert activations.get(name) is activations.deserialize(name) is activations.get(function) is function
    assert activations.get(name.upper()) is function
    assert copy.deepcopy(function) is pickle.loads(pickle.dumps(function)) is function
    assert repr(function) == f"<activation {name}>"


def test_numbers_of_numpy_end_in_a_plain_config():
    function = activations.leaky_relu.bind(negative_slope=np.float32(0.5))
    assert json.loads(json.dumps(activations.serialize(function)))["config"] == {"negative_slope": 0.5}


def test_aliases():
    assert activations.get("swish") is activations.silu
    assert activations.get("hard_swish") is activations.hard_silu
    assert activations.get(None) is activations.linear


@NAMES
def test_symbolic_call(name):
    x = cb.Input((4, 3))
    y = REGISTERED[name](x)
    assert isinstance(y, cb.KerasTensor)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert y.node.layer.activation is REGISTERED[name]


def test_symbolic_call_with_arguments(rng):
    x = cb.Input((4,))
    model = cb.Model(x, activations.relu(x, negative_slope=0.5, max_value=1.0))
    values = rng.normal(size=(5, 4)).astype("float32")
    np.testing.assert_array_equal(model.predict(values, verbose=0), activations.relu(values, 0.5, 1.0))


NAN, INFINITY = math.nan, math.inf
MISTAKES = [
    ("celu", {"alpha": 0}, ValueError, "alpha must not be 0, because x is divided by it, but got 0"),
    ("celu", {"alpha": "1"}, TypeError, "alpha must be a number, but got '1' of type str"),
    ("celu", {"alpha": INFINITY}, ValueError, "alpha must be finite, but got inf"),
    ("elu", {"alpha": None}, TypeError, "alpha must be a number, but got None of type NoneType"),
    ("elu", {"alpha": NAN}, ValueError, "alpha must be finite, but got nan"),
    ("gelu", {"approximate": 1}, TypeError, "approximate must be True or False, but got 1 of type int"),
    ("gelu", {"approximate": "tanh"}, TypeError, "approximate must be True or False, but got 'tanh'"),
    ("hard_shrink", {"threshold": -0.5}, ValueError, "threshold must be at least 0, but got -0.5"),
    ("hard_shrink", {"threshold": True}, TypeError, "threshold must be a number, but got True of type bool"),
    ("leaky_relu", {"negative_slope": [0.1]}, TypeError, r"negative_slope must be a number, but got \[0.1\]"),
    ("leaky_relu", {"negative_slope": NAN}, ValueError, "negative_slope must be finite, but got nan"),
    ("leaky_relu", {"alpha": 0.1}, TypeError, "Activation leaky_relu: got an unexpected keyword argument 'alpha'"),
    ("log_softmax", {"axis": 1.0}, TypeError, "axis must be an integer, but got 1.0 of type float"),
    ("relu", {"negative_slope": None}, TypeError, "negative_slope must be a number, but got None"),
    ("relu", {"negative_slope": INFINITY}, ValueError, "negative_slope must be finite, but got inf"),
    ("relu", {"max_value": -1.0}, ValueError, "max_value must be at least 0, but got -1.0"),
    ("relu", {"max_value": "6"}, TypeError, "max_value must be a number, but got '6'"),
    ("relu", {"max_value": NAN}, ValueError, "max_value must be finite, but got nan"),
    ("relu", {"threshold": 1j}, TypeError, "threshold must be a number, but got 1j of type complex"),
    ("relu", {"threshold": -INFINITY}, ValueError, "threshold must be finite, but got -inf"),
    ("sigmoid", {"beta": 2}, TypeError, "Activation sigmoid: got an unexpected keyword argument 'beta'"),
    ("soft_shrink", {"threshold": -1}, ValueError, "threshold must be at least 0, but got -1"),
    ("soft_shrink", {"threshold": None}, TypeError, "threshold must be a number, but got None"),
    ("sparsemax", {"axis": 0.5}, TypeError, "axis must be an integer, but got 0.5"),
    ("threshold", {"threshold": math.inf}, ValueError, "threshold must be finite, but got inf"),
    ("threshold", {"default_value": "0"}, TypeError, "default_value must be a number, but got '0'"),
    ("softmax", {"axis": None}, TypeError, "axis must be an integer, but got None"),
    ("softmax", {"axis": True}, TypeError, "axis must be an integer, but got True"),
    ("squareplus", {"b": -1}, ValueError, "b must be at least 0, but got -1"),
    ("squareplus", {"b": "4"}, TypeError, "b must be a number, but got '4'"),
]


@pytest.mark.parametrize(("name", "arguments", "error", "message"), MISTAKES)
def test_mistaken_argument(name, arguments, error, message):
    with pytest.raises(error, match=message):
        REGISTERED[name](np.zeros((2, 2)), **arguments)
    with pytest.raises(error, match=message):
        REGISTERED[name].bind(**arguments)


def test_every_argument_has_a_mistake_in_the_list():
    arguments = {
        (name, argument)
        for name, function in REGISTERED.items()
        for argument in list(inspect.signature(function).parameters)[1:]
    }
    listed = {(name, argument) for name, given, _, _ in MISTAKES for argument in given}
    assert arguments <= listed


@pytest.mark.parametrize(
    ("name", "nearest"), [("rleu", "relu"), ("leaky-relu", "leaky_relu"), ("sotfmax", "softmax"), ("swich", "swish")]
)
def test_unknown_name(name, nearest):
    with pytest.raises(ValueError, match=f"Unknown activation {name!r}. Did you mean .*{nearest!r}"):
        activations.get(name)


def test_things_that_are_no_activation():
    with pytest.raises(TypeError, match=r"Expected an? activation, its name or its config, but got 3"):
        activations.get(3)
    with pytest.raises(ValueError, match=r"An? activation config is a name or a dict with 'class_name'"):
        activations.deserialize(["relu"])


def test_kernel_arguments_are_checked():
    with pytest.raises(ValueError, match="no kernel for activation 'nonsense'"):
        kernels.Activation("nonsense")
    for name, numbers in (("relu", (1.0, 2.0, 3.0, 4.0)), ("softmax", ()), ("general_relu", (1.0, 2.0))):
        with pytest.raises(ValueError, match=f"no kernel for activation '{name}' with parameters"):
            kernels.Activation(name, numbers)
    relu = kernels.Activation("relu")
    with pytest.raises(ValueError, match="same shape"):
        relu.apply(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="same shape"):
        relu.apply_backward(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 2)))
