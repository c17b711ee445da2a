"""Properties of every generated data set."""

import numpy as np
import pytest

from cbackprop import random
from cbackprop.datasets import spirals, xor

GENERATED = pytest.mark.parametrize("module", [xor, spirals], ids=["xor", "spirals"])


@GENERATED
def test_noise_moves_inputs_only_and_by_its_standard_deviation(module):
    exact, target = module.load_data(samples=40_000)
    x, y = module.load_data(samples=40_000, noise=0.2, seed=1)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(y, target, strict=True)
    moved = x - exact
    # 80,000 deviates: the error of their deviation is 0.2 / sqrt(160,000) = 0.0005, of their mean 0.0007.
    assert abs(moved.std() - 0.2) < 0.003
    assert abs(moved.mean()) < 0.004
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.03


@GENERATED
def test_seed_alone_decides_the_noise(module):
    x, _ = module.load_data(samples=50, noise=0.1, seed=5)
    again, _ = module.load_data(samples=50, noise=0.1, seed=5)
    other, _ = module.load_data(samples=50, noise=0.1, seed=6)
    np.testing.assert_array_equal(x, again)
    assert (x != other).all()


@GENERATED
def test_without_seed_the_noise_follows_the_process_wide_one(module):
    random.set_random_seed(8)
    x, _ = module.load_data(samples=50, noise=0.1)
    following, _ = module.load_data(samples=50, noise=0.1)
    random.set_random_seed(8)
    again, _ = module.load_data(samples=50, noise=0.1)
    np.testing.assert_array_equal(x, again)
    assert (x != following).all()


@GENERATED
@pytest.mark.parametrize("arguments", [{}, {"noise": 0.1, "seed": 1}], ids=["no noise", "own seed"])
def test_process_wide_generator_is_not_drawn_from(module, arguments):
    random.set_random_seed(8)
    expected = random.draw_seed()
    random.set_random_seed(8)
    module.load_data(**arguments)
    assert random.draw_seed() == expected


@GENERATED
def test_greatest_noise_stays_finite(module):
    x, _ = module.load_data(samples=1000, noise=1e6, seed=0)
    assert np.isfinite(x).all()
    assert np.abs(x).max() > 1e6


@GENERATED
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("samples", 1),
        ("samples", -4),
        ("samples", 10_000_001),
        ("samples", 10**30),
        ("noise", -0.1),
        ("noise", float("nan")),
        ("noise", float("inf")),
        ("noise", 1e7),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_argument_out_of_range(module, name, value):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        module.load_data(**{name: value})


@GENERATED
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("samples", 8.0),
        ("samples", "8"),
        ("samples", None),
        ("samples", True),
        ("noise", "0.1"),
        ("noise", None),
        ("noise", 1j),
        ("noise", np.zeros(2)),
        ("seed", 1.0),
        ("seed", "1"),
        ("seed", False),
    ],
)
def test_argument_of_a_wrong_type(module, name, value):
    with pytest.raises(TypeError, match=f"^{name} must be"):
        module.load_data(**{name: value})


@GENERATED
def test_numpy_numbers_are_numbers(module):
    x, _ = module.load_data(samples=np.int32(8), noise=np.float32(0.5), seed=np.uint32(1))
    expected, _ = module.load_data(samples=8, noise=0.5, seed=1)
    np.testing.assert_array_equal(x, expected)
