"""Resizing images, against formulas written out for each pixel."""

import math

import numpy as np
import pytest

from cbackprop.utils.image_resizing import METHODS, crop_to_ratio, pad_to_ratio, resize

SIZES = [(7, 9), (1, 1), (12, 12), (30, 4)]


def weight(method, x):
    x = abs(x)
    if method == "bilinear":
        return max(1 - x, 0)
    if method == "bicubic":
        if x < 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0
    if method.startswith("lanczos"):
        radius = int(method[-1])
        if x == 0:
            return 1
        return radius * math.sin(math.pi * x) * math.sin(math.pi * x / radius) / (math.pi * x) ** 2 * (x < radius)
    if method == "gaussian":
        return math.exp(-(x**2) / (2 * 0.5**2)) * (x < 1.5)
    # B-spline and Catmull-Rom mixed, as Mitchell and Netravali write it, with B = C = 1/3
    b = c = 1 / 3
    if x < 1:
        return ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + (6 - 2 * b)) / 6
    if x < 2:
        return ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + (8 * b + 24 * c)) / 6
    return 0


def matrix(method, old, new):
    """The weight of each old number in each new one."""
    found = np.zeros((new, old))
    for i in range(new):
        place = (i + 0.5) * old / new - 0.5
        if method == "nearest":
            found[i, min(math.floor((i + 0.5) * old / new), old - 1)] = 1
            continue
        for j in range(old):
            if method == "area":
                found[i, j] = max(min((i + 1) * old / new, j + 1) - max(i * old / new, j), 0)
            else:
                found[i, j] = weight(method, place - j)
    return found / found.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("new", [(7, 9), (3, 3), (1, 1), (18, 5), (25, 40)])
@pytest.mark.parametrize("old", SIZES)
def test_against_the_formula(method, old, new):
    image = np.random.default_rng(0).integers(0, 256, (*old, 3), dtype=np.uint8)
    expected = np.einsum("ai,bj,ijc->abc", matrix(method, old[0], new[0]), matrix(method, old[1], new[1]), image)
    made = resize(image, *new, method)
    assert made.dtype == np.float32
    assert made.flags.c_contiguous
    np.testing.assert_allclose(made, expected, atol=2e-3)


@pytest.mark.parametrize("method", ["bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5"])
def test_the_same_size_changes_nothing(method):
    image = np.random.default_rng(1).integers(0, 256, (6, 5, 1), dtype=np.uint8)
    np.testing.assert_allclose(resize(image, 6, 5, method), image, atol=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [((340, 500), (200, 200), (340, 340)), ((500, 340), (10, 20), (170, 340)), ((1, 100), (9, 1), (1, 1))],
)
def test_crop(old, new, part):
    image = np.arange(old[0] * old[1]).reshape(*old, 1)
    top, left = (old[0] - part[0]) // 2, (old[1] - part[1]) // 2
    np.testing.assert_array_equal(crop_to_ratio(image, *new), image[top : top + part[0], left : left + part[1]])


@pytest.mark.parametrize(
    ("old", "new", "inner"),
    [((10, 20), (8, 8), (4, 8)), ((20, 10), (8, 9), (8, 4)), ((3, 7), (5, 5), (2, 5)), ((1, 100), (9, 9), (1, 9))],
)
def test_pad(old, new, inner):
    image = np.random.default_rng(2).integers(1, 256, (*old, 3), dtype=np.uint8)
    made = pad_to_ratio(image, *new, "bilinear")
    assert made.shape == (*new, 3)
    filled = np.argwhere(made[:, :, 0] > 0)
    (top, left), (bottom, right) = filled.min(axis=0), filled.max(axis=0) + 1
    assert (bottom - top, right - left) == inner
    np.testing.assert_array_equal(made[top:bottom, left:right], resize(image, *inner))
    # On the left and top at most as much as on the other side, and one less only if the rest is odd.
    for before, after in ((top, new[0] - bottom), (left, new[1] - right)):
        assert 0 <= after - before <= 1 + (min(inner) == 1)


@pytest.mark.parametrize("old", [(size, 3 * size + 1) for size in (1, 3, 49, 97)])
@pytest.mark.parametrize("new", [(1, 1), (49, 49), (30, 91), (90, 31)])
@pytest.mark.parametrize("turned", [False, True])
def test_any_sizes_fit(old, new, turned):
    image = np.ones((*(old[::-1] if turned else old), 1), np.uint8)
    made = pad_to_ratio(image, *new, "area")
    assert made.shape == (*new, 1)
    assert made.max() == pytest.approx(1, abs=1e-5)
    assert min(crop_to_ratio(image, *new).shape) == 1
