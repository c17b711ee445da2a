"""Line search: find a step length that satisfies the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Point", "cubic_minimum", "strong_wolfe"]

# Cuts keep this distance from both ends of the bracket, as a fraction of its length, so that it always shrinks.
MARGIN = 0.1
# How much the step may grow from one trial to the next before a bracket is found.
GROWTH = (2.0, 10.0)


class Point(NamedTuple):
    """A step length, the function's value there, and its derivative."""

    step: float
    value: float
    slope: float

    @property
    def finite(self) -> bool:
        """Whether value and derivative are finite."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


def cubic_minimum(a: Point, b: Point) -> float:
    """The minimum of the cubic through two points with their slopes (formula 3.59); NaN if it has none.

    Examples
    --------
    >>> from cbackprop.optimizers.line_search import Point, cubic_minimum
    >>> cubic_minimum(Point(0.0, 1.0, -2.0), Point(3.0, 4.0, 4.0))  # of (x - 1)^2
    1.0
    """
    if not (a.finite and b.finite) or a.step == b.step:
        return math.nan
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < math.inf:
        return math.nan
    d2 = math.copysign(math.sqrt(square), b.step - a.step)
    divisor = b.slope - a.slope + 2 * d2
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / divisor if divisor else math.nan


def strong_wolfe(
    function: Callable[[float], Point],
    start: Point,
    first_step: float,
    c1: float,
    c2: float,
    max_evaluations: int,
    resolution: float = 0.0,
) -> Point:
    """Search for a step that satisfies ``f(t) <= f(0) + c1 t f'(0)`` and ``|f'(t)| <= c2 |f'(0)|``.

    Steps grow until they bracket such a point. Then the bracket is cut by cubic interpolation.

    Parameters
    ----------
    function : callable
        Evaluates a step length.
    start : Point
        The point at step 0; its slope is negative.
    first_step : float
        The step that is tried first.
    c1, c2 : float
        ``0 < c1 < c2 < 1``.
    max_evaluations : int
        The maximum number of calls of `function`.
    resolution : float, default 0.0
        Stop cutting when the slope promises an improvement of less than this.

    Returns
    -------
    Point
        A point that satisfies both conditions. If none was found, the lowest point that satisfies the first condition,
        or else `start`.

    References
    ----------
    Nocedal and Wright, "Numerical optimization", 2nd edition, 2006: algorithms 3.5 and 3.6, formula 3.59.

    Examples
    --------
    >>> from cbackprop.optimizers.line_search import Point, strong_wolfe
    >>> f = lambda t: Point(t, (t - 3) ** 2, 2 * (t - 3))
    >>> strong_wolfe(f, f(0), 1.0, 1e-4, 0.1, 20).step
    3.0
    """
    search = _Search(function, start, c1, c2, max_evaluations, resolution)
    return search.bracket(first_step)


class _Search:
    def __init__(
        self,
        function: Callable[[float], Point],
        start: Point,
        c1: float,
        c2: float,
        evaluations: int,
        resolution: float,
    ) -> None:
        self.function = function
        self.start = start
        self.c1, self.c2 = c1, c2
        self.evaluations = evaluations
        self.resolution = resolution
        self.best = start  # the lowest point so far that satisfies the first condition

    def evaluate(self, step: float) -> Point:
        self.evaluations -= 1
        point = self.function(step)
        if self.falls(point) and point.value < self.best.value:
            self.best = point
        return point

    def falls(self, point: Point) -> bool:
        return point.finite and point.value <= self.start.value + self.c1 * point.step * self.start.slope

    def is_flat(self, point: Point) -> bool:
        return abs(point.slope) <= -self.c2 * self.start.slope

    def bracket(self, step: float) -> Point:
        """Algorithm 3.5: let the step grow until an interval contains a good one."""
        last = self.start
        while self.evaluations > 0:
            point = self.evaluate(step)
            if not self.falls(point) or (last is not self.start and point.value >= last.value):
                return self.zoom(last, point)
            if self.is_flat(point):
                return point
            if point.slope >= 0:
                return self.zoom(point, last)
            wanted = cubic_minimum(last, point)
            least, most = (step * factor for factor in GROWTH)
            last, step = point, min(max(wanted, least), most) if wanted == wanted else most
        return self.best

    def zoom(self, low: Point, high: Point) -> Point:
        """Algorithm 3.6: cut the interval. `low` is the best point so far; f decreases from there towards `high`."""
        while self.evaluations > 0 and abs((high.step - low.step) * low.slope) > self.resolution:
            point = self.evaluate(self.inside(low, high))
            if not self.falls(point) or point.value >= low.value:
                high = point
                continue
            if self.is_flat(point):
                return point
            if point.slope * (high.step - low.step) >= 0:
                high = low
            low = point
        return self.best

    def inside(self, low: Point, high: Point) -> float:
        """Where to cut an interval: at the cubic's minimum, but not too close to the ends; else in the middle."""
        step, length = cubic_minimum(low, high), high.step - low.step
        fraction = (step - low.step) / length
        if not 0 <= fraction <= 1:
            return low.step + length / 2
        return low.step + length * min(max(fraction, MARGIN), 1 - MARGIN)
