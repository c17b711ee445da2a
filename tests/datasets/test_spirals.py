import math

import numpy as np
import pytest

from cbackprop.datasets import spirals


def test_defaults_are_the_points_of_lang_and_witbrock():
    expected = []
    for i in range(97):
        angle = i * math.pi / 16
        radius = 6.5 * (104 - i) / 104
        point = radius * math.sin(angle), radius * math.cos(angle)
        expected += [(*point, 1), (-point[0], -point[1], 0)]
    x, y = spirals.load_data()
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    # One rounding to float32 below 6.5 is at most 2.4e-7.
    np.testing.assert_allclose(np.column_stack([x, y]), expected, rtol=0, atol=3e-7)


@pytest.mark.parametrize("samples", [2, 3, 4, 5, 97, 1000])
def test_samples(samples):
    x, y = spirals.load_data(samples=samples)
    assert x.shape == (samples, 2)
    assert y.shape == (samples,)
    assert y.sum() == (samples + 1) // 2
    pairs = samples // 2 * 2
    np.testing.assert_array_equal(x[0:pairs:2], -x[1:pairs:2])
    assert np.isfinite(x).all()


@pytest.mark.parametrize("turns", [0.25, 1, 2.5])
def test_turns(turns):
    x, y = spirals.load_data(samples=2000, turns=turns)
    first = x[y == 1].astype(float)
    angle = np.unwrap(np.arctan2(first[:, 0], first[:, 1]))
    # Rounding of the points to float32 moves the angle by at most 2.4e-7 / 0.5.
    assert angle[-1] - angle[0] == pytest.approx(2 * math.pi * turns, abs=1e-6)
    np.testing.assert_allclose(np.hypot(*first.T), np.linspace(6.5, 0.5, 1000), atol=1e-6)


@pytest.mark.parametrize("turns", [0, -1, 1e7, math.nan, math.inf])
def test_turns_out_of_range(turns):
    with pytest.raises(ValueError, match="turns must be"):
        spirals.load_data(turns=turns)


@pytest.mark.parametrize("turns", ["3", None, True, [3]])
def test_turns_of_a_wrong_type(turns):
    with pytest.raises(TypeError, match="turns must be"):
        spirals.load_data(turns=turns)
