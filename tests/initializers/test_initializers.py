"""Every initializer of the registry: config, shape, type, seed, and the distribution that its formula promises."""

from __future__ import annotations

import doctest
import inspect
import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from initializer_laws import CASES, Law, Shape
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from threadpoolctl import threadpool_limits

from cbackprop import config, initializers
from cbackprop.initializers.variance_scaling import compute_fans
from cbackprop.random import set_random_seed

REGISTERED = dict(initializers.registry)


SHAPES = [(20_000,), (150, 200), (5, 60, 80), (3, 3, 40, 50), (2, 3, 4, 20, 30)]
RANKS = {"Identity": [2], "Orthogonal": [2, 3, 4, 5]}  # all others: every rank

EACH = pytest.mark.parametrize("name", REGISTERED)
EACH_CASE = pytest.mark.parametrize(
    ("name", "arguments", "law"),
    [
        pytest.param(name, arguments, law, id=f"{name}-{i}")
        for name, cases in CASES.items()
        for i, (arguments, law) in enumerate(cases)
    ],
)
EACH_SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=str)


def make(name: str, arguments: dict[str, Any] | None = None, seed: int | None = 7) -> Any:
    """The initializer `name`, seeded if it has chance in it."""
    cls = REGISTERED[name]
    seeds = {"seed": seed} if "seed" in cls.argument_names() else {}
    return cls(**{**(arguments or {}), **seeds})


def takes(name: str, shape: Shape) -> bool:
    return name not in RANKS or len(shape) in RANKS[name]


def some_shape(name: str) -> Shape:
    return next(shape for shape in [(4, 5), (6,)] if takes(name, shape))


def test_every_registered_initializer_has_cases() -> None:
    assert set(CASES) == set(REGISTERED)
    assert set(REGISTERED) <= set(initializers.__all__)


# Numbers


@EACH_CASE
@EACH_SHAPE
def test_values_follow_the_law(name: str, arguments: dict[str, Any], law: Callable[[Shape], Law], shape: Shape) -> None:
    if not takes(name, shape):
        with pytest.raises(ValueError, match=f"{name} needs a shape of rank 2.* of rank {len(shape)}"):
            make(name, arguments)(shape)
        return
    values = make(name, arguments)(shape, dtype="float64")
    expected = law(shape)

    # 5 standard errors: wrong in 1 of 1.7 million. The error of a standard deviation, s / sqrt(2 n), is that
    # of the normal; the other laws have lighter tails and a smaller one. Rounding adds a few ulp.
    error = 5 * expected.stddev / math.sqrt(values.size) + 1e-12
    if "seed" not in REGISTERED[name].argument_names():
        error = 1e-12
    assert_allclose(values.mean(), expected.mean, rtol=0, atol=error)
    assert_allclose(values.std(), expected.stddev, rtol=0, atol=error / math.sqrt(2))
    assert values.min() >= expected.low - 1e-12
    assert values.max() <= expected.high + 1e-12
    if expected.distribution is not None:
        assert stats.kstest(values.ravel(), expected.distribution.cdf).pvalue > 1e-6


@pytest.mark.parametrize("name", ["TruncatedNormal", "GlorotNormal", "HeNormal", "LecunNormal"])
def test_truncation_redraws_and_does_not_clip(name: str) -> None:
    values = make(name)((300, 400), dtype="float64")
    bound = CASES[name][0][1]((300, 400)).high
    assert (np.abs(values) <= bound).all()
    assert np.abs(values).max() > 0.999 * bound
    # Clipping would put 4.6 % of all values on the bound; no two of 120,000 float64 draws should even be equal.
    assert np.unique(values).size == values.size


@pytest.mark.parametrize(
    "shape", [(6, 6), (50, 20), (20, 50), (3, 3, 4, 8), (2, 2, 30), (1, 1), (1, 5), (5, 1)], ids=str
)
@pytest.mark.parametrize("gain", [1.0, 2.0, -0.5])
def test_orthogonal_columns_or_rows(shape: Shape, gain: float) -> None:
    matrix = initializers.Orthogonal(gain, seed=1)(shape, dtype="float64").reshape(-1, shape[-1])
    rows, columns = matrix.shape
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    assert_allclose(product, gain**2 * np.eye(min(rows, columns)), rtol=0, atol=1e-13)


def test_orthogonal_matrices_are_equally_likely() -> None:
    # LAPACK's Q alone has w[0, 0] <= 0 always. With the signs, positives are binomial(400, 1/2): 200 +- 10.
    corners = [initializers.Orthogonal(seed=seed)((3, 3))[0, 0] for seed in range(400)]
    assert 150 < np.count_nonzero(np.array(corners) > 0) < 250


def test_orthogonal_is_independent_of_blas_threads() -> None:
    initializer = initializers.Orthogonal(seed=0)
    with threadpool_limits(1, "blas"):
        one = initializer((300, 200), dtype="float64")
    with threadpool_limits(2, "blas"):
        two = initializer((300, 200), dtype="float64")
    assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("shape", "input_axes", "output_axes", "expected"),
    [
        ((), None, None, (1, 1)),
        ((7,), None, None, (7, 7)),
        ((3, 5), None, None, (3, 5)),
        ((4, 3, 5), None, None, (12, 20)),
        ((2, 4, 3, 5), None, None, (24, 40)),
        ((2, 2, 4, 3, 5), None, None, (48, 80)),
        ((0, 5), None, None, (0, 5)),
        ((2, 3, 5), [0], [1, 2], (2, 15)),
        ((2, 3, 5), [-1, 0], [], (10, 1)),
    ],
)
def test_fans(shape: Shape, input_axes: Any, output_axes: Any, expected: tuple[int, int]) -> None:
    assert compute_fans(shape, input_axes, output_axes) == expected


def test_a_fan_of_zero_counts_as_one() -> None:
    assert initializers.HeNormal(input_axes=[0], output_axes=[1])((0, 3)).shape == (0, 3)


# Shape, type, seed


@EACH
@pytest.mark.parametrize("dtype", [None, "float32", "float64", np.float64, np.dtype("float32")], ids=str)
def test_dtype(name: str, dtype: Any) -> None:
    values = make(name)(some_shape(name), dtype=dtype)
    assert values.dtype == np.dtype(dtype or "float32")
    assert values.flags.c_contiguous
    assert values.flags.writeable


@EACH
def test_dtype_follows_floatx(name: str) -> None:
    config.set_floatx("float64")
    try:
        assert make(name)(some_shape(name)).dtype == np.float64
    finally:
        config.set_floatx("float32")


@EACH
def test_float32_is_float64_rounded(name: str) -> None:
    shape = some_shape(name)
    assert_array_equal(make(name)(shape, "float32"), make(name)(shape, "float64").astype("float32"))


@EACH
@pytest.mark.parametrize(
    "shape",
    [(), (3,), (0,), [2, 3], (3, 2), (0, 3), (3, 0), np.array([2, 3]), (np.int64(2), 3), (2, 3, 4), (1, 2, 3, 4, 5)],
    ids=repr,
)
def test_shape(name: str, shape: Any) -> None:
    expected = tuple(int(size) for size in shape)
    if takes(name, expected):
        values = make(name)(shape)
        assert isinstance(values, np.ndarray)
        assert values.shape == expected
        assert values.flags.c_contiguous


@EACH
def test_each_call_returns_a_new_array(name: str) -> None:
    initializer = make(name)
    first = initializer(some_shape(name))
    kept = first.copy()
    first += 1
    assert_array_equal(initializer(some_shape(name)), kept)


@EACH
def test_seed(name: str) -> None:
    shape = some_shape(name)
    if "seed" not in REGISTERED[name].argument_names():
        assert_array_equal(make(name)(shape), make(name)(shape))
        return
    seeded = make(name, seed=3)
    assert_array_equal(seeded(shape), seeded(shape))
    assert_array_equal(seeded(shape), make(name, seed=3)(shape))
    assert not np.array_equal(seeded(shape), make(name, seed=4)(shape))

    before = make(name, seed=None)
    set_random_seed(11)
    first, second = before(shape), before(shape)
    assert not np.array_equal(first, second)
    set_random_seed(11)
    seeded(shape)  # with its own seed it does not use the generator of the process
    assert_array_equal(make(name, seed=None)(shape), first)
    assert_array_equal(make(name, seed=None)(shape), second)


# Configs and names


@EACH_CASE
@pytest.mark.parametrize("seed", [None, 5])
def test_config_round_trip(name: str, arguments: dict[str, Any], law: Any, seed: int | None) -> None:
    initializer = make(name, arguments, seed)
    stored = json.loads(json.dumps(initializers.serialize(initializer)))
    for other in (initializers.deserialize(stored), initializers.get(stored), initializer.clone()):
        assert type(other) is REGISTERED[name]
        assert other is not initializer
        assert other.get_config() == initializer.get_config()
        assert repr(other) == repr(initializer)
        if seed is not None:
            assert_array_equal(other(some_shape(name)), initializer(some_shape(name)))
    for key, value in arguments.items():
        if key != "distribution":
            assert initializer.get_config()[key] == value


@EACH
def test_repr_is_its_own_code(name: str) -> None:
    for arguments, _ in CASES[name]:
        initializer = make(name, arguments)
        again = eval(repr(initializer), dict(REGISTERED))
        assert again.get_config() == initializer.get_config()


@EACH
def test_get_by_name_class_and_object(name: str) -> None:
    cls = REGISTERED[name]
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    assert getattr(initializers, snake) is cls
    for identifier in (name, snake, cls, {"class_name": name, "config": {}}):
        assert type(initializers.get(identifier)) is cls
    assert type(initializers.deserialize(snake)) is cls
    initializer = make(name)
    assert initializers.get(initializer) is initializer


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("zero", "Zeros"),
        ("one", "Ones"),
        ("normal", "RandomNormal"),
        ("uniform", "RandomUniform"),
        ("IdentityInitializer", "Identity"),
        ("OrthogonalInitializer", "Orthogonal"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert type(initializers.get(alias)) is REGISTERED[name]


def test_get_none_and_functions() -> None:
    def halves(shape: Shape, dtype: Any = None) -> np.ndarray:
        return np.full(shape, 0.5, dtype)

    assert initializers.get(None) is None
    assert initializers.get(halves) is halves


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
def test_get_array(dtype: str) -> None:
    array = np.arange(6, dtype=dtype).reshape(2, 3)
    initializer = initializers.get(array)
    array[0, 0] = 99
    values = initializer((2, 3))
    assert_array_equal(values, [[0, 1, 2], [3, 4, 5]])
    assert values.dtype == np.float32
    for result_type in ("float32", "float64"):
        initializer((2, 3), result_type)[0, 0] = 99
        assert initializer([2, 3], result_type)[0, 0] == 0
    assert initializers.get(np.float32(2))(()) == 2
    with pytest.raises(ValueError, match=r"shape must be \(2, 3\).*but got \(3, 2\)"):
        initializer((3, 2))


def test_user_classes() -> None:
    class Ramp(initializers.Initializer):
        def __init__(self, step: float = 1.0) -> None:
            self.step = step

        def __call__(self, shape: Any, dtype: Any = None) -> np.ndarray:
            return self.step * np.arange(math.prod(shape), dtype=dtype).reshape(shape)

    assert isinstance(initializers.get(Ramp), Ramp)
    assert Ramp(2.0).clone().get_config() == {"step": 2.0}
    stored = {"class_name": "Ramp", "config": {"step": 3.0}}
    assert_array_equal(initializers.deserialize(stored, {"Ramp": Ramp})((2,)), [0, 3])
    with pytest.raises(NotImplementedError, match=r"Initializer must define __call__"):
        initializers.Initializer()((2,))


# Mistakes

Wrong = list[tuple[Any, type[Exception], str]]

NUMBERS = ["gain", "mean", "stddev", "minval", "maxval", "scale"]
WRONG_NUMBERS: Wrong = [(value, TypeError, "must be a number") for value in ("1", True, None, [1.0])]
WRONG_NUMBERS += [(value, ValueError, "must be finite") for value in (math.nan, math.inf)]
WRONG_AXES: Wrong = [
    (0, TypeError, "a list of integers"),
    ([0.5], TypeError, "an integer"),
    ("01", TypeError, "a list"),
]

WRONG_ARGUMENTS: dict[str, Wrong] = {
    **{name: list(WRONG_NUMBERS) for name in NUMBERS},
    "value": [(value, error, message) for value, error, message in WRONG_NUMBERS if value != [1.0]],
    "seed": [(-1, ValueError, "at least 0"), *[(seed, TypeError, "an integer") for seed in [1.5, "1", True]]],
    "input_axes": [*WRONG_AXES, ([0], ValueError, "given together.* output_axes=None")],
    "output_axes": [*WRONG_AXES, ([0], ValueError, "given together.* input_axes=None")],
    "mode": [("fan_on", ValueError, "'fan_avg', but got 'fan_on'"), (1, TypeError, "must be one of")],
    "distribution": [("cauchy", ValueError, "one of .*but got 'cauchy'"), (None, TypeError, "must be one of")],
}
WRONG_ARGUMENTS["stddev"].append((-0.1, ValueError, "at least 0, but got -0.1"))
WRONG_ARGUMENTS["scale"] += [(0, ValueError, "greater than 0, but got 0"), (-1.0, ValueError, "greater than 0")]
WRONG_ARGUMENTS["minval"].append((0.5, ValueError, "maxval - minval must be at least 0"))
WRONG_ARGUMENTS["maxval"].append((-0.5, ValueError, "maxval - minval must be at least 0"))


@EACH
def test_every_argument_is_checked(name: str) -> None:
    for argument in REGISTERED[name].argument_names():
        for value, error, message in WRONG_ARGUMENTS[argument]:
            with pytest.raises(error, match=message) as raised:
                REGISTERED[name](**{argument: value})
            assert argument in str(raised.value)
    with pytest.raises(TypeError, match=r"unexpected keyword argument|takes no arguments"):
        REGISTERED[name](nonsense=1)


def test_uniform_range_too_wide() -> None:
    with pytest.raises(ValueError, match="maxval - minval must be finite"):
        initializers.RandomUniform(-1e308, 1e308)


@EACH
@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        (3, TypeError, "shape must be a tuple of integers, but got 3 of type int"),
        (None, TypeError, "shape must be a tuple of integers, but got None"),
        ("23", TypeError, "shape must be a tuple of integers, but got '23'"),
        (np.array(3), TypeError, "shape must be a tuple of integers"),
        ((2, None), TypeError, r"shape\[1\] must be an integer, but got None"),
        ((2.0, 3), TypeError, r"shape\[0\] must be an integer, but got 2.0"),
        ((2, True), TypeError, r"shape\[1\] must be an integer, but got True"),
        ((2, -3), ValueError, r"shape\[1\] must be at least 0, but got -3"),
    ],
    ids=repr,
)
def test_wrong_shapes(name: str, shape: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(name)(shape)
    with pytest.raises(error, match=message):
        initializers.get(np.ones((2, 3)))(shape)


@EACH
@pytest.mark.parametrize("dtype", ["int32", "float16", "complex64", np.int64, "nonsense", 5], ids=str)
def test_wrong_dtypes(name: str, dtype: Any) -> None:
    with pytest.raises(ValueError, match="Expected dtype 'float32' or 'float64', but got"):
        make(name)(some_shape(name), dtype=dtype)


def test_wrong_ranks() -> None:
    for shape in [(), (3,), (2, 2, 2)]:
        with pytest.raises(ValueError, match=rf"Identity needs a shape of rank 2, but got .* of rank {len(shape)}\."):
            initializers.Identity()(shape)
    for shape in [(), (3,)]:
        with pytest.raises(ValueError, match=rf"Orthogonal needs a shape of rank 2 or more, .* of rank {len(shape)}\."):
            initializers.Orthogonal()(shape)


def test_axes_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"output_axes must name axes of shape=\(2, 3\) \(rank 2\), but got \[2\]"):
        initializers.HeNormal(input_axes=[0], output_axes=[2])((2, 3))
    with pytest.raises(ValueError, match=r"input_axes must name axes .* but got \[-3\]"):
        initializers.HeNormal(input_axes=[-3], output_axes=[1])((2, 3))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "initializer",
    [
        initializers.Constant(1e39),
        initializers.Identity(1e39),
        initializers.Orthogonal(1e39, seed=0),
        initializers.RandomNormal(1e39),
        initializers.RandomUniform(1e39, 2e39),
        initializers.TruncatedNormal(stddev=1e39),
        initializers.VarianceScaling(1e80),
    ],
    ids=repr,
)
def test_values_too_large_for_float32(initializer: Any) -> None:
    with pytest.raises(ValueError, match=f"{type(initializer).__name__}.* too large for dtype 'float32'"):
        initializer((2, 2))
    assert np.isfinite(initializer((2, 2), "float64")).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["RandomNormal", "TruncatedNormal"])
def test_values_too_large_for_float64(name: str) -> None:
    with pytest.raises(ValueError, match="too large for dtype 'float64'"):
        make(name, {"stddev": 1.7e308})((100,), "float64")


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("he_norml", ValueError, "Unknown initializer 'he_norml'. Did you mean .*'he_normal'"),
        ({"class_name": "HeNorml", "config": {}}, ValueError, "Unknown initializer 'HeNorml'"),
        ({"config": {}}, ValueError, "initializer config is a name or a dict with 'class_name'"),
        (5, TypeError, "Expected an initializer.* but got 5 of type int"),
        ([1, 2], TypeError, r"Expected an initializer.* but got \[1, 2\]"),
        (np.array([1.0, math.nan]), ValueError, "must be finite"),
        (np.array(["a"]), TypeError, "must hold real numbers"),
        (np.array([1j]), TypeError, "must hold real numbers, but got dtype complex128"),
    ],
    ids=repr,
)
def test_wrong_identifiers(identifier: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        initializers.get(identifier)


def test_array_too_large_for_float32() -> None:
    with pytest.raises(ValueError, match="array used as initializer holds values too large for dtype 'float32'"):
        initializers.get(np.array([1e39]))((1,))


def test_serialize_refuses_a_stranger() -> None:
    with pytest.raises(ValueError, match="not a registered initializer"):
        initializers.serialize(math.sqrt)


# Documentation


@pytest.mark.parametrize("name", [*REGISTERED, "Initializer", "get", "serialize", "deserialize"])
def test_examples(name: str) -> None:
    thing = getattr(initializers, name)
    tests = doctest.DocTestFinder(recurse=False).find(thing, name, globs={})
    assert tests[0].examples, f"{name} has no example"
    results = doctest.DocTestRunner().run(tests[0])
    assert results.failed == 0


@EACH
def test_docstring_names_every_argument(name: str) -> None:
    documented = inspect.getdoc(REGISTERED[name]) or ""  # without the indentation that Python 3.13 removes by itself
    for argument in REGISTERED[name].argument_names():
        assert re.search(rf"^(\w+, )*{argument}(, \w+)* : ", documented, re.MULTILINE), argument


@EACH
def test_docstring_names_the_paper(name: str) -> None:
    from_a_paper = issubclass(REGISTERED[name], (initializers.VarianceScaling, initializers.Orthogonal))
    assert ("References" in (REGISTERED[name].__doc__ or "")) == from_a_paper
