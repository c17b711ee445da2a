"""The initializers against those of Keras: names, arguments, configs, exact numbers, distributions."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.initializers import ALL_OBJECTS_DICT
from keras.src.initializers import random_initializers as keras_random
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from cbackprop import initializers
from cbackprop.initializers.distributions import truncated_standard_normal
from cbackprop.initializers.variance_scaling import compute_fans

REGISTERED = dict(initializers.registry)
RANDOM = [name for name, cls in REGISTERED.items() if "seed" in cls.argument_names()]
NOT_OURS = {"STFT", "stft", "STFTInitializer"}

AXES = {"input_axes": [0], "output_axes": [-1]}
ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "Constant": [{"value": -2.5}],
    "Identity": [{"gain": 3.0}],
    "Orthogonal": [{"gain": 0.5}],
    "RandomNormal": [{"mean": 1.0, "stddev": 2.0}],
    "RandomUniform": [{"minval": 1.0, "maxval": 4.0}],
    "TruncatedNormal": [{"mean": 1.0, "stddev": 2.0}],
    "VarianceScaling": [
        {"scale": scale, "mode": mode, "distribution": distribution, **axes}
        for scale, mode in [(0.5, "fan_in"), (2.0, "fan_out"), (3.0, "fan_avg")]
        for distribution in ["normal", "truncated_normal", "Untruncated_Normal", "uniform"]
        for axes in [{}, AXES]
    ],
    **{kind + law: [AXES] for kind in ("Glorot", "He", "Lecun") for law in ("Normal", "Uniform")},
}
CASES = [(name, arguments) for name in REGISTERED for arguments in [{}, *ARGUMENTS.get(name, [])]]
EACH_CASE = pytest.mark.parametrize(("name", "arguments"), CASES)
SHAPES = [(), (40,), (20, 30), (30, 20), (5, 6, 7), (3, 3, 4, 8), (2, 3, 2, 4, 5), (0, 3)]


def pair(name: str, arguments: dict[str, Any], seed: int = 3) -> tuple[Any, Any]:
    """Our initializer and that of Keras."""
    seeds = {"seed": seed} if name in RANDOM else {}
    return REGISTERED[name](**arguments, **seeds), getattr(keras.initializers, name)(**arguments, **seeds)


def as_numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


@pytest.fixture
def our_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras draws from our generator, so that all that it does with the draws can be compared exactly."""

    def standard(shape: Any, seed: int, draw: Any, dtype: Any) -> Any:
        return keras.ops.convert_to_tensor(draw(np.random.default_rng(seed), tuple(shape)), dtype=dtype)

    def normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        return mean + stddev * standard(shape, seed, np.random.Generator.standard_normal, dtype)

    def truncated_normal(shape: Any, mean: float, stddev: float, dtype: Any, seed: Any) -> Any:
        return mean + stddev * standard(shape, seed, truncated_standard_normal, dtype)

    def uniform(shape: Any, minval: float, maxval: float, dtype: Any, seed: Any) -> Any:
        return minval + (maxval - minval) * standard(shape, seed, np.random.Generator.random, dtype)

    for function in (normal, truncated_normal, uniform):
        monkeypatch.setattr(keras_random.random, function.__name__, function)


@pytest.mark.parametrize("name", sorted(n for n in dir(keras.initializers) if n[0] != "_" and n not in NOT_OURS))
def test_every_public_name_exists(name: str) -> None:
    theirs, ours = getattr(keras.initializers, name), getattr(initializers, name)
    assert ours.__name__ == theirs.__name__
    if inspect.isclass(theirs) and name != "Initializer":
        assert REGISTERED[theirs.__name__] is ours


def test_nothing_else_is_registered() -> None:
    assert {c.__name__ for c in ALL_OBJECTS_DICT.values()} - {"STFT", "Initializer"} == set(REGISTERED)


@pytest.mark.parametrize("name", sorted(set(ALL_OBJECTS_DICT) - NOT_OURS - {"Initializer", "initializer"}))
def test_every_string_means_the_same(name: str) -> None:
    if name.lower() == "constant":  # Keras cannot: its Constant.from_config demands a value
        with pytest.raises(KeyError, match="value"):
            keras.initializers.get(name)
    assert type(initializers.get(name)) is REGISTERED[ALL_OBJECTS_DICT[name].__name__]


@pytest.mark.parametrize("name", REGISTERED)
def test_arguments_and_defaults(name: str) -> None:
    def arguments(cls: type) -> list[tuple[str, Any]]:
        parameters = inspect.signature(cls).parameters.values()
        return [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert arguments(REGISTERED[name]) == arguments(getattr(keras.initializers, name))


@EACH_CASE
def test_configs_are_exchangeable(name: str, arguments: dict[str, Any]) -> None:
    ours, theirs = pair(name, arguments)
    if name == "Identity":  # Keras forgets the gain
        assert (theirs.get_config(), ours.get_config()) == ({}, {"gain": theirs.gain})
        return
    assert ours.get_config() == theirs.get_config()
    assert initializers.deserialize(keras.initializers.serialize(theirs)).get_config() == theirs.get_config()
    unseeded = keras.initializers.serialize(getattr(keras.initializers, name)(**arguments))
    assert type(initializers.deserialize(unseeded)) is REGISTERED[name]


@EACH_CASE
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.usefixtures("our_draws")
def test_same_draws_same_numbers(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    ours, theirs = pair(name, arguments)
    try:
        expected = as_numpy(theirs(shape, dtype="float64"))
    except (ValueError, IndexError):  # wrong rank, or no such axis: both must refuse
        with pytest.raises(ValueError, match="rank"):
            ours(shape)
        return
    values = ours(shape, dtype="float64")
    if name in RANDOM:
        assert_allclose(values, expected, rtol=1e-12, atol=1e-14)  # Keras multiplies in another order
    else:
        assert_array_equal(values, expected)
    assert values.shape == expected.shape


@pytest.mark.parametrize("name", REGISTERED)
@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_same_dtype(name: str, dtype: str | None) -> None:
    ours, theirs = pair(name, {})
    assert ours((2, 3), dtype=dtype).dtype == as_numpy(theirs((2, 3), dtype=dtype)).dtype


@pytest.mark.parametrize("name", [name for name in RANDOM if name != "Orthogonal"])
def test_distributions_agree(name: str) -> None:
    for ours, theirs in (pair(name, arguments) for arguments in [{}, *ARGUMENTS[name]]):
        a, b = ours((150, 200)).ravel(), as_numpy(theirs((150, 200))).ravel()
        assert stats.ks_2samp(a, b).pvalue > 1e-6
        # The standard error of the ratio of two standard deviations of 30,000 draws is at most 1 / sqrt(30,000).
        assert_allclose(a.std() / b.std(), 1, rtol=0, atol=5 / np.sqrt(30_000))


@pytest.mark.parametrize("axes", [(None, None), ([0], [1]), ([-1], [0]), ([0, 1], []), (None, [0])])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if len(shape) >= 2], ids=str)
def test_fans(shape: tuple[int, ...], axes: Any) -> None:
    assert compute_fans(shape, *axes) == keras_random.compute_fans(shape, *axes)


def test_array_as_initializer() -> None:
    array = np.arange(6).reshape(2, 3)
    ours, theirs = initializers.get(array), keras.initializers.get(array)
    assert_array_equal(ours((2, 3)), as_numpy(theirs((2, 3))))
    for initializer in (ours, theirs):
        with pytest.raises(ValueError, match="shape"):
            initializer((3, 2))
