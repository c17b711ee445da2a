"""The line search: its result satisfies the strong Wolfe conditions, on difficult functions."""

import math

import numpy as np
import pytest

from cbackprop.optimizers.line_search import Point, cubic_minimum, strong_wolfe


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def rosenbrock_gradient(x):
    return np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])


def along(x, d):
    return lambda t: Point(t, rosenbrock(x + t * d), float(rosenbrock_gradient(x + t * d) @ d))


# Function and derivative, falling at 0; two are after Moré and Thuente, 1994, section 5.
FUNCTIONS = {
    "parabola": (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
    "quartic": (lambda t: (t - 1) ** 4 - t, lambda t: 4 * (t - 1) ** 3 - 1),
    "exponential": (lambda t: math.exp(t) - 5 * t, lambda t: math.exp(t) - 5),
    "wave": (lambda t: t * t / 20 - math.sin(t), lambda t: t / 10 - math.cos(t)),
    "flat end": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    "flat start": (lambda t: (t + 0.1) ** 5 - 2 * (t + 0.1) ** 4, lambda t: (t + 0.1) ** 3 * (5 * t - 7.5)),
    "far": (lambda t: (t / 1e4 - 1) ** 2, lambda t: 2 * (t / 1e4 - 1) / 1e4),
}


def satisfies(point, start, c1, c2):
    falls = point.value <= start.value + c1 * point.step * start.slope
    return point.step > 0 and falls and abs(point.slope) <= -c2 * start.slope


@pytest.mark.parametrize("c2", [0.9, 0.1, 0.001])
@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_conditions(name, first, c2):
    value, slope = FUNCTIONS[name]
    calls = []

    def function(t):
        calls.append(t)
        return Point(t, value(t), slope(t)) if t < 700 or name == "far" else Point(t, math.inf, math.nan)

    start = Point(0.0, value(0.0), slope(0.0))
    point = strong_wolfe(function, start, first, 1e-4, c2, 60)
    assert satisfies(point, start, 1e-4, c2)
    assert len(calls) == len(set(calls)) <= 30


@pytest.mark.parametrize("seed", range(20))
def test_rosenbrock(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=2) * 2
    d = -rosenbrock_gradient(x) * rng.uniform(0.001, 1)
    function = along(x, d)
    assert satisfies(strong_wolfe(function, function(0.0), 1.0, 1e-4, 0.5, 60), function(0.0), 1e-4, 0.5)


def test_out_of_evaluations():
    value, slope = FUNCTIONS["far"]
    calls = []

    def function(t):
        calls.append(t)
        return Point(t, value(t), slope(t))

    start = function(0.0)
    point = strong_wolfe(function, start, 1.0, 1e-4, 0.1, 3)
    assert len(calls) == 4
    assert start.value > point.value == min(map(value, calls))


def test_no_way_down():
    """A slope that is wrong: the search gives up, at the start."""
    start = Point(0.0, 0.0, -1.0)
    assert strong_wolfe(lambda t: Point(t, t, 1.0), start, 1.0, 1e-4, 0.9, 20) is start
    assert strong_wolfe(lambda t: Point(t, math.nan, math.nan), start, 1.0, 1e-4, 0.9, 20) is start


def test_resolution_ends_a_search_in_noise():
    calls = []

    def function(t):
        calls.append(t)
        return Point(t, 1.0, 1e-9)

    start = Point(0.0, 1.0, -1e-9)
    assert strong_wolfe(function, start, 1.0, 1e-4, 0.9, 50, resolution=1e-8) is start
    assert len(calls) == 1


@pytest.mark.parametrize("seed", range(20))
def test_cubic(seed):
    """Of a cubic, the minimum is found wherever the points are."""
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.normal(size=2))
    slope = np.poly1d([low, high], r=True) * rng.uniform(0.5, 3)
    value = slope.integ()
    a, b = (Point(t, float(value(t)), float(slope(t))) for t in rng.normal(size=2) * 3)
    assert cubic_minimum(a, b) == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [((0, 1, -1), (0, 1, -1)), ((0, 1, -1), (1, math.inf, 1)), ((0, 0, 1), (1, 1, 1))])
def test_no_cubic_minimum(a, b):
    assert math.isnan(cubic_minimum(Point(*a), Point(*b)))


def test_a_cubic_whose_minimum_is_one_of_the_points():
    assert cubic_minimum(Point(0, 0, 0), Point(1, 0.5, 0.5)) == 0  # of t^2 - t^3 / 2
