"""Noise and the normal numbers behind it."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.compiled.kernels import random as compiled
from cbackprop.reference import random as reference


@pytest.mark.parametrize("first", [0, 1, 6, 1023])
def test_normal_numbers_are_those_of_the_twin(first):
    ours = compiled.normal(1001, 5, 6, 7, first)
    np.testing.assert_allclose(ours, reference.normal(1001, 5, 6, 7, first), rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(ours, compiled.normal(1001 + first, 5, 6, 7)[first:])


def test_normal_numbers_are_normal():
    n = 400_000
    numbers = compiled.normal(n, 1, 2, 3)
    limit = 5 / np.sqrt(n)
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        deviation = np.sqrt(np.prod(np.arange(2 * power - 1, 0, -2)) - moment**2)
        assert abs((numbers**power).mean() - moment) < limit * deviation
    assert abs((numbers[:-1] * numbers[1:]).mean()) < limit
    assert abs((np.abs(numbers) > 1.959964).mean() - 0.05) < limit


def test_gaussian_noise():
    layer = layers.GaussianNoise(0.5, seed=3)
    x = np.ones((2000, 10), np.float32)
    noise = layer(x, training=True) - x
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 0.5) < 0.02
    assert (layer(x) == x).all()
    assert (layers.GaussianNoise(0.0)(x, training=True) == x).all()


def test_gaussian_dropout():
    factors = layers.GaussianDropout(0.2, seed=3)(np.ones((2000, 10)), training=True)
    assert abs(factors.mean() - 1) < 0.02
    assert abs(factors.std() - 0.5) < 0.02


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).normal(size=(4000, 20))
    y = layers.AlphaDropout(0.3, seed=1)(x, training=True)
    assert abs(y.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02


def test_spatial_dropout_drops_whole_maps():
    y = layers.SpatialDropout2D(0.5, seed=1)(np.ones((50, 3, 4, 6)), training=True)
    assert ((y == y[:, :1, :1]) & ((y == 0) | (y == 2))).all()
    assert 0.3 < (y == 0).mean() < 0.7
    z = layers.SpatialDropout2D(0.5, "channels_first", seed=1)(np.ones((50, 6, 3, 4)), training=True)
    np.testing.assert_array_equal(z[:, :, 0, 0], y[:, 0, 0])


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: layers.GaussianNoise(1.5), ValueError, "stddev"),
        (lambda: layers.GaussianNoise("1"), TypeError, "stddev"),
        (lambda: layers.GaussianNoise(0.1, seed=-1), ValueError, "seed"),
        (lambda: layers.GaussianDropout(1.0), ValueError, "rate"),
        (lambda: layers.AlphaDropout(1.0), ValueError, "rate"),
        (lambda: layers.SpatialDropout1D(2), ValueError, "rate"),
        (lambda: layers.SpatialDropout2D(0.1, "first"), ValueError, "data_format"),
        (lambda: layers.SpatialDropout1D(0.1)(cb.Input((3,))), ValueError, "3 axes"),
        (lambda: layers.SpatialDropout3D(0.1)(cb.Input((3, 2))), ValueError, "5 axes"),
    ],
)
def test_mistakes(make, error, match):
    with pytest.raises(error, match=match):
        make()
