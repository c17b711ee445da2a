"""Elementary functions: errors in units in the last place over every exponent of both types, and special values.

The reference of float32 is float64, that of float64 the extended precision of x86, where NumPy has it.
"""

import numpy as np
import pytest
from scipy import special

from cbackprop.compiled.kernels.from_python import elementary

PI = np.arccos(np.longdouble(-1))

LIMIT = 4  # units in the last place
FAR_TAIL_LIMIT = 10  # of the normal distribution function

WIDER = {"float32": np.float64, "float64": np.longdouble}
TYPES = pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        pytest.param(
            "float64",
            marks=pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no wider type to compare with"),
        ),
    ],
)

# Where a function becomes a constant, infinite, denormal or 0, or changes how it is computed.
BORDERS = [2 / 3, 4 / 3, np.log(2) / 2, np.log(2), 2 * np.log(2), 3 * np.log(2), 1.0, 2.0]
BORDERS += [3.8, 3.92, 8.5, 9.01, 15.0, 17.33, 20.0, 87.34, 88.72, 89.0, 102.7, 103.28, 103.97, 104.0]  # float32
BORDERS += [5.85, 5.92, 19.0, 19.06, 36.74, 37.5, 38.5, 40.0, 708.4, 709.79, 710.0, 744.44, 745.13, 746.0]  # float64


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def erf(x):
    """erf(x) = 2 x / sqrt(pi) e^(-x^2) (1 + 2 x^2 / 3 + (2 x^2)^2 / (3 5) + ...), which nothing cancels in."""
    if x.dtype == np.float64:
        return special.erf(x)
    y = np.where(np.isnan(x), x, np.sign(x))
    inside = np.abs(x) < 6.5
    z = x[inside]
    term = total = np.ones_like(z)
    for n in range(1, 160):
        term = term * (2 * z * z / (2 * n + 1))
        total = total + term
    y[inside] = z * (2 / np.sqrt(PI)) * np.exp(-z * z) * total
    return y


def normal_cdf(x):
    """Below -2 by the continued fraction phi(x) / (|x| + 1 / (|x| + 2 / (|x| + ...)))."""
    if x.dtype == np.float64:
        return special.ndtr(x)
    y = (1 + erf(x * np.sqrt(np.longdouble(0.5)))) / 2
    y[x < -45] = 0
    far = (x >= -45) & (x < -2)
    z = -x[far]
    fraction = z
    for n in range(250, 0, -1):
        fraction = z + n / fraction
    y[far] = np.exp(-z * z / 2) / np.sqrt(2 * PI) / fraction
    return y


REFERENCES = {
    "erf": erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "normal_cdf": normal_cdf,
    "sigmoid": sigmoid,
    "sigmoid_complement": lambda x: sigmoid(-x),
    "softplus": softplus,
    "tanh": np.tanh,
}
NAMES = pytest.mark.parametrize("name", REFERENCES)


def evaluate(name, x):
    y = np.full_like(x, 123)
    elementary(name, x, y)
    return y


def sweep(dtype, rng):
    """Both signs of every exponent with many mantissas, the numbers that the functions are used for, and borders."""
    limits = np.finfo(dtype)
    exponents = np.arange(limits.minexp - limits.nmant, limits.maxexp)
    mantissas = rng.uniform(1, 2, (256 if dtype == "float32" else 48, len(exponents)))
    mantissas[:3] = [[1], [1 + limits.eps], [2 - limits.eps]]
    borders = np.array(BORDERS, dtype)
    near = [borders]
    for direction in (-np.inf, np.inf):
        step = borders
        for _ in range(40):
            step = np.nextafter(step, np.dtype(dtype).type(direction))
            near.append(step)
    common = [rng.uniform(0, bound, 30_000) for bound in (1, 4, 10, 40, 110, 750)]
    x = np.concatenate([np.ldexp(mantissas, exponents).astype(dtype).ravel(), *near, *common], dtype=dtype)
    special_values = np.array([0, limits.max, limits.tiny, limits.smallest_subnormal], dtype)
    x = np.concatenate([x, special_values, [np.inf]], dtype=dtype)
    return np.concatenate([x, -x, [np.nan]], dtype=dtype)


def errors(name, x):
    """|result - exact| in units of the spacing of the exact result's binade; an overflow counts as the next binade.

    Where one of them is NaN and the other is not, or they are zeros of different signs, it is infinite.
    """
    limits = np.finfo(x.dtype)
    got = evaluate(name, x).astype(WIDER[x.dtype.name])
    with np.errstate(all="ignore"):
        want = REFERENCES[name](x.astype(WIDER[x.dtype.name]))
        top = np.ldexp(got.dtype.type(1), limits.maxexp)
        got, want = np.clip(got, -top, top), np.clip(want, -top, top)
        exponents = np.frexp(want)[1] - 1
        unit = np.ldexp(got.dtype.type(1), np.clip(exponents, limits.minexp, limits.maxexp - 1) - limits.nmant)
        error = np.abs(got - want) / unit
    error[np.isnan(got) & np.isnan(want)] = 0
    error[np.isnan(got) != np.isnan(want)] = np.inf
    error[~np.isnan(got) & (np.signbit(got) != np.signbit(want))] = np.inf
    return error


@TYPES
@NAMES
def test_error(name, dtype, rng):
    x = sweep(dtype, rng)
    error = errors(name, x)
    worst = error.argmax()
    assert error[worst] <= (FAR_TAIL_LIMIT if name == "normal_cdf" else LIMIT), (x[worst], evaluate(name, x)[worst])


INFINITY, NAN = np.inf, np.nan
SPECIAL = [-INFINITY, -0.0, 0.0, INFINITY]
VALUES = {
    "erf": [-1.0, -0.0, 0.0, 1.0],
    "exp": [0.0, 1.0, 1.0, INFINITY],
    "expm1": [-1.0, -0.0, 0.0, INFINITY],
    "log": [NAN, -INFINITY, -INFINITY, INFINITY],
    "log1p": [NAN, -0.0, 0.0, INFINITY],
    "normal_cdf": [0.0, 0.5, 0.5, 1.0],
    "normal_density": [0.0, 0.3989422804014327, 0.3989422804014327, 0.0],
    "sigmoid": [0.0, 0.5, 0.5, 1.0],
    "sigmoid_complement": [1.0, 0.5, 0.5, 0.0],
    "softplus": [0.0, 0.6931471805599453, 0.6931471805599453, INFINITY],
    "tanh": [-1.0, -0.0, 0.0, 1.0],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", VALUES)
def test_special_values(name, dtype):
    got = evaluate(name, np.array(SPECIAL, dtype))
    want = np.array(VALUES[name], dtype)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(want)]), np.signbit(want[~np.isnan(want)]))
    assert np.isnan(evaluate(name, np.full(37, np.nan, dtype))).all()
    assert evaluate(name, np.empty(0, dtype)).size == 0


@TYPES
def test_denormal_results_are_not_lost(dtype):
    """e^x halves, a step of log(2) downwards, until it is the smallest denormal number."""
    limits = np.finfo(dtype)
    powers = np.arange(limits.minexp - limits.nmant, limits.minexp + 1)
    x = (powers * np.log(2.0)).astype(dtype)
    x[0] = np.nextafter(x[0], np.dtype(dtype).type(0))
    for name in ("exp", "sigmoid", "softplus"):
        np.testing.assert_allclose(evaluate(name, x).astype(WIDER[dtype]), np.exp(x.astype(WIDER[dtype])), rtol=0.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["erf", "normal_cdf", "sigmoid", "sigmoid_complement", "tanh"])
def test_never_beyond_1(name, dtype, rng):
    assert np.nanmax(np.abs(evaluate(name, sweep(dtype, rng)))) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["erf", "tanh"])
def test_odd_functions_are_odd(name, dtype, rng):
    x = sweep(dtype, rng)
    np.testing.assert_array_equal(evaluate(name, -x), -evaluate(name, x))


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="no elementary function 'sine'"):
        elementary("sine", np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="same shape"):
        elementary("exp", np.zeros(3), np.zeros(4))
