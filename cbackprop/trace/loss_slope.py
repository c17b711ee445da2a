"""dL/da of an output with its numbers, for the most common losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cbackprop.trace.layer_trace import LayerTrace
from cbackprop.trace.numbers import number, signed

if TYPE_CHECKING:
    from cbackprop.trace.recorder import Judged
    from cbackprop.trace.trace import Trace

__all__ = ["loss_slope_in_figures"]

# The slope in symbols, with numbers, and as a number: from the prediction ŷ, the target y, and the count n of the mean.
Slope = tuple[str, Callable[[float, float, int], str], Callable[[float, float, int], float]]


def error(p: float, y: float) -> str:
    """ŷ − y with its numbers."""
    return f"{number(p)} {signed(-y) if y else '− 0'}"


def squared(p: float, y: float, n: int) -> str:
    """The slope of the mean squared error."""
    return f"2·({error(p, y)})/{n}"


def binary(p: float, y: float, n: int) -> str:
    """The slope of the binary cross-entropy."""
    return f"({error(p, y)})/({number(p)}·(1 − {number(p)}))/{n}"


def categorical(p: float, y: float, n: int) -> str:
    """The slope of the cross-entropy of classes."""
    return f"(1 − {number(y)}/{number(p)})/{n}"


CATEGORICAL: Slope = ("(1 − y/ŷ)/n", categorical, lambda p, y, n: (1 - y / p) / n)
SLOPES: dict[str, Slope] = {
    "MeanSquaredError": ("2·(ŷ − y)/n", squared, lambda p, y, n: 2 * (p - y) / n),
    "BinaryCrossentropy": ("(ŷ − y)/(ŷ·(1 − ŷ))/n", binary, lambda p, y, n: (p - y) / (p * (1 - p)) / n),
    "CategoricalCrossentropy": CATEGORICAL,
    "SparseCategoricalCrossentropy": CATEGORICAL,
}


def loss_slope_in_figures(trace: Trace, layer: LayerTrace, at: tuple[int, ...]) -> str | None:
    """``2·(ŷ − y)/n = 2·(−0.4621 − 1)/4``, or ``None`` for other losses.

    The result of the formula is compared with the trace. If they differ, because of sample weights or options of the
    loss such as label smoothing, the result is ``None``.
    """
    judged = [output for output in trace.outputs if np.array_equal(output.prediction, layer.a)]
    if len(judged) != 1 or judged[0].loss not in SLOPES or layer.above is None:
        return None
    y = target_of(judged[0], at)
    if y is None:
        return None
    p, found = float(layer.a[at]), float(layer.above[at])
    symbols, figures, value = SLOPES[judged[0].loss]
    n = layer.a.size // (layer.a.shape[-1] if value is CATEGORICAL[2] else 1)
    try:
        expected = value(p, y, n)
    except ZeroDivisionError:  # the prediction is 0 or 1
        return None
    close = math.isclose(expected, found, rel_tol=1e-4, abs_tol=1e-4 / n)
    return f"{symbols} = {figures(p, y, n)}" if close else None


def target_of(judged: Judged, at: tuple[int, ...]) -> float | None:
    """The target of one number of a prediction. For integer classes it is 1 for the true class and 0 otherwise."""
    target: Any = judged.target
    if target is None:
        return None
    if judged.loss == "SparseCategoricalCrossentropy":
        if target.size * judged.prediction.shape[-1] != judged.prediction.size:
            return None
        return float(target.reshape(judged.prediction.shape[:-1])[at[:-1]] == at[-1])
    return float(target[at]) if target.shape == judged.prediction.shape else None
