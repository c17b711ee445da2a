"""The products whose sum is z of a unit, or a gradient, for any layer.

A layer that is linear in its input, such as a convolution, a pooling or a crop, computes z = J x + z(0). Its NumPy twin
gives a row of J: the delta of the input, if delta is 1 at one unit and 0 elsewhere. For a weight that is 1 at one place
and 0 elsewhere, the twin's output gives the factors of the deltas in the gradient. Whether a layer is linear is found
out by comparing the sum with the engine's result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.trace.layer_trace import LayerTrace, WeightTrace

__all__ = ["gradient_terms", "unit_terms"]

Array = NDArray[Any]
Terms = list[tuple[float, float]]
# The largest difference between sums and the engine's results, in units of the last place of the largest term.
ROOM = 200


def unit_terms(layer: LayerTrace, at: tuple[int, ...]) -> tuple[Terms, float] | None:
    """The pairs (coefficient, input) of z at (sample, unit), and the constant added to their products; or ``None``."""
    if layer.make_twin is None or layer.z.shape != layer.a.shape:
        return None
    sample, parameters = slice(at[0], at[0] + 1), [weight.before for weight in layer.weights]
    inputs = [x[sample] for x in layer.inputs]
    forward, backward = layer.make_twin(at[0])
    one = np.zeros_like(layer.z[sample])
    rest = float(forward([np.zeros_like(x) for x in inputs], parameters).reshape(one.shape)[(0, *at[1:])])
    forward(inputs, parameters)
    one[(0, *at[1:])] = 1
    rows = backward(one, parameters)
    pairs = [(np.asarray(row).ravel(), x.ravel()) for row, x in zip(rows, inputs, strict=True)]
    terms = [(float(j), float(x)) for row, values in pairs for j, x in zip(row, values, strict=True) if j]
    return (terms, rest) if is_sum(terms, rest, float(layer.z[at]), layer.z.dtype) else None


def gradient_terms(layer: LayerTrace, weight: WeightTrace, index: tuple[int, ...]) -> Terms | None:
    """The pairs (input, delta) whose products add up to a gradient; or ``None``."""
    if layer.make_twin is None or layer.delta is None or layer.delta.shape != layer.z.shape:
        return None
    parameters = [np.zeros_like(each.before) for each in layer.weights]
    position = next(k for k, each in enumerate(layer.weights) if each.path == weight.path)
    forward, _ = layer.make_twin(0)
    parameters[position][index] = 1
    found = forward(layer.inputs, parameters).reshape(layer.z.shape)
    terms = [(float(x), float(d)) for x, d in zip(found.ravel(), layer.delta.ravel(), strict=True) if x]
    assert weight.gradient is not None
    return terms if is_sum(terms, 0, float(weight.gradient[index]), layer.z.dtype) else None


def is_sum(terms: Terms, rest: float, found: float, dtype: Any) -> bool:
    """Whether a number is the sum of these products."""
    products = [a * b for a, b in terms]
    scale = max(map(abs, [*products, rest, found]), default=0)
    return abs(sum(products) + rest - found) <= ROOM * float(np.finfo(dtype).eps) * scale + 1e-30
