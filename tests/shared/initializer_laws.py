"""For each initializer: arguments to try, and what distribution follows from them and the shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy import stats

Shape = tuple[int, ...]


# Standard deviation of N(0, 1) given |x| <= 2, from SciPy and not from the constant under test.
CUT = float(stats.truncnorm(-2, 2).std())


@dataclass(frozen=True)
class Law:
    """The formula's moments and range of all values, and their distribution if they are independent."""

    mean: float
    stddev: float
    low: float
    high: float
    distribution: Any = None


def constant(value: float) -> Law:
    return Law(value, 0.0, value, value)


def normal(mean: float, stddev: float) -> Law:
    return Law(mean, stddev, -math.inf, math.inf, stats.norm(mean, stddev))


def truncated(mean: float, stddev: float) -> Law:
    """`stddev` is that before the cut."""
    low, high = mean - 2 * stddev, mean + 2 * stddev
    return Law(mean, CUT * stddev, low, high, stats.truncnorm(-2, 2, mean, stddev))


def uniform(low: float, high: float) -> Law:
    return Law((low + high) / 2, (high - low) / math.sqrt(12), low, high, stats.uniform(low, high - low))


def identity(gain: float, shape: Shape) -> Law:
    share = min(shape) / math.prod(shape)
    return Law(gain * share, gain * math.sqrt(share - share**2), 0.0, gain)


def orthogonal(gain: float, shape: Shape) -> Law:
    """Columns (or rows) of length `gain`, with as many entries as the longer side of the matrix."""
    return Law(0.0, gain / math.sqrt(max(math.prod(shape[:-1]), shape[-1])), -gain, gain)


def fans(shape: Shape) -> tuple[float, float]:
    """Fan-in and fan-out written out rank by rank."""
    if len(shape) == 1:
        return shape[0], shape[0]
    if len(shape) == 2:
        return shape
    *window, inputs, outputs = shape
    return math.prod(window) * inputs, math.prod(window) * outputs


def fan_in(shape: Shape) -> float:
    return fans(shape)[0]


def fan_out(shape: Shape) -> float:
    return fans(shape)[1]


def fan_sum(shape: Shape) -> float:
    return sum(fans(shape))


def within(limit: float) -> Law:
    return uniform(-limit, limit)


def cut_to(stddev: float) -> Law:
    """The truncated normal whose standard deviation after the cut is `stddev`."""
    return truncated(0.0, stddev / CUT)


# Arguments to try for each initializer, and the law that follows from them and the shape.
CASES: dict[str, list[tuple[dict[str, Any], Callable[[Shape], Law]]]] = {
    "Zeros": [({}, lambda s: constant(0.0))],
    "Ones": [({}, lambda s: constant(1.0))],
    "Constant": [({}, lambda s: constant(0.0)), ({"value": -2.5}, lambda s: constant(-2.5))],
    "Identity": [({}, lambda s: identity(1.0, s)), ({"gain": 3.0}, lambda s: identity(3.0, s))],
    "Orthogonal": [({}, lambda s: orthogonal(1.0, s)), ({"gain": 0.5}, lambda s: orthogonal(0.5, s))],
    "RandomNormal": [
        ({}, lambda s: normal(0.0, 0.05)),
        ({"mean": 1.0, "stddev": 2.0}, lambda s: normal(1.0, 2.0)),
        ({"mean": 1.0, "stddev": 0.0}, lambda s: constant(1.0)),
    ],
    "TruncatedNormal": [
        ({}, lambda s: truncated(0.0, 0.05)),
        ({"mean": -1.0, "stddev": 2.0}, lambda s: truncated(-1.0, 2.0)),
    ],
    "RandomUniform": [
        ({}, lambda s: uniform(-0.05, 0.05)),
        ({"minval": 1.0, "maxval": 4.0}, lambda s: uniform(1.0, 4.0)),
        ({"minval": 1.0, "maxval": 1.0}, lambda s: constant(1.0)),
    ],
    "VarianceScaling": [
        ({}, lambda s: cut_to(math.sqrt(1 / fan_in(s)))),
        ({"scale": 3.0, "mode": "fan_out"}, lambda s: cut_to(math.sqrt(3 / fan_out(s)))),
        ({"mode": "fan_avg", "distribution": "normal"}, lambda s: cut_to(math.sqrt(2 / fan_sum(s)))),
        (
            {"scale": 0.5, "distribution": "untruncated_normal"},
            lambda s: normal(0.0, math.sqrt(0.5 / fan_in(s))),
        ),
        ({"mode": "fan_avg", "distribution": "Uniform"}, lambda s: within(math.sqrt(6 / fan_sum(s)))),
        (
            {"mode": "fan_out", "distribution": "uniform", "input_axes": [0], "output_axes": [-1]},
            lambda s: within(math.sqrt(3 / s[-1])),
        ),
    ],
    "GlorotNormal": [
        ({}, lambda s: cut_to(math.sqrt(2 / fan_sum(s)))),
        ({"input_axes": [0], "output_axes": [-1]}, lambda s: cut_to(math.sqrt(2 / (s[0] + s[-1])))),
    ],
    "GlorotUniform": [
        ({}, lambda s: within(math.sqrt(6 / fan_sum(s)))),
        ({"input_axes": [0], "output_axes": [-1]}, lambda s: within(math.sqrt(6 / (s[0] + s[-1])))),
    ],
    "HeNormal": [
        ({}, lambda s: cut_to(math.sqrt(2 / fan_in(s)))),
        ({"input_axes": [-1], "output_axes": [0]}, lambda s: cut_to(math.sqrt(2 / s[-1]))),
    ],
    "HeUniform": [
        ({}, lambda s: within(math.sqrt(6 / fan_in(s)))),
        ({"input_axes": [-1], "output_axes": [0]}, lambda s: within(math.sqrt(6 / s[-1]))),
    ],
    "LecunNormal": [
        ({}, lambda s: cut_to(math.sqrt(1 / fan_in(s)))),
        ({"input_axes": [-1], "output_axes": [0]}, lambda s: cut_to(math.sqrt(1 / s[-1]))),
    ],
    "LecunUniform": [
        ({}, lambda s: within(math.sqrt(3 / fan_in(s)))),
        ({"input_axes": [-1], "output_axes": [0]}, lambda s: within(math.sqrt(3 / s[-1]))),
    ],
}
