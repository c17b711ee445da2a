"""The weights of interpolation along an axis, with half-pixel centers as in JAX and TensorFlow."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop.validation import check_memory

__all__ = [
    "INTERPOLATIONS",
    "Resampling",
    "Taps",
    "Window",
    "cropped_to_aspect_ratio",
    "padded_to_aspect_ratio",
    "taps_of",
    "transposed",
]

Array = NDArray[Any]


class Window(NamedTuple):
    """The part of an axis that is resampled, from `start` on. It may begin before the axis and end after it."""

    start: int
    size: int


class Resampling(NamedTuple):
    """How an image is resized. Everything outside of the image has the value `fill_value`."""

    target: tuple[int, int]
    windows: tuple[Window, Window]
    interpolation: str
    antialias: bool = False
    fill_value: float = 0.0


class Taps(NamedTuple):
    """Each output as a weighted sum over successive inputs, from `first` on, plus a constant.

    first (outputs,); ends (outputs + 1,): output i has the weights ends[i]:ends[i + 1]; weights (number of all
    weights,); constants (outputs,).
    """

    first: Array
    ends: Array
    weights: Array
    constants: Array


def triangle(distance: Array) -> Array:
    """The weights of linear interpolation."""
    return np.maximum(0.0, 1.0 - distance)


def keys_cubic(distance: Array) -> Array:
    """Keys's cubic kernel with a = -0.5."""
    near = (1.5 * distance - 2.5) * distance * distance + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return np.where(distance >= 2.0, 0.0, np.where(distance >= 1.0, far, near))


def lanczos(distance: Array, radius: int) -> Array:
    """A sinc, windowed by a sinc that is `radius` times as wide."""
    found: Array = np.where(distance > radius, 0.0, np.sinc(distance) * np.sinc(distance / radius))
    return found


# The kernel of each interpolation, and its radius.
KERNELS = {
    "bilinear": (triangle, 1),
    "bicubic": (keys_cubic, 2),
    "lanczos3": (lambda distance: lanczos(distance, 3), 3),
    "lanczos5": (lambda distance: lanczos(distance, 5), 5),
}
INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")


def cropped_to_aspect_ratio(sizes: tuple[int, ...], target: tuple[int, int]) -> tuple[Window, Window]:
    """The largest part of an image, from its center, with the aspect ratio of `target`."""
    height, width = sizes
    rows = max(min(height, width * target[0] // target[1]), 1)
    columns = max(min(width, height * target[1] // target[0]), 1)
    return Window((height - rows) // 2, rows), Window((width - columns) // 2, columns)


def padded_to_aspect_ratio(sizes: tuple[int, ...], target: tuple[int, int]) -> tuple[Window, Window]:
    """An image with a border that gives it the aspect ratio of `target`, equal at both ends of an axis."""
    height, width = sizes
    above = (max(height, width * target[0] // target[1]) - height) // 2
    beside = (max(width, height * target[1] // target[0]) - width) // 2
    return Window(-above, height + 2 * above), Window(-beside, width + 2 * beside)


def places_and_weights(size: int, outputs: int, interpolation: str, antialias: bool) -> tuple[Array, Array]:
    """For an axis of `size` elements: the first element that each output reads, and the weights (outputs, taps).

    The weights of elements beyond the ends are 0; the others add up to 1.
    """
    numbers = np.arange(outputs)
    if size == outputs or interpolation == "nearest":
        return (2 * numbers + 1) * size // (2 * outputs), np.ones((outputs, 1))
    kernel, radius = KERNELS[interpolation]
    step = size / outputs
    stretch = max(step, 1.0) if antialias else 1.0
    count = math.floor(2 * radius * stretch) + 1
    check_memory("the weights of an interpolation", (outputs, count))
    centers = (numbers + 0.5) * step - 0.5
    first = np.ceil(centers - radius * stretch).astype(np.int64)
    places = first[:, None] + np.arange(count)
    weights = kernel(np.abs(centers[:, None] - places) / stretch)
    weights[(places < 0) | (places >= size)] = 0.0
    return first, weights / weights.sum(axis=1, keepdims=True)


def taps_of(resampling: Resampling, axis: int, inputs: int) -> Taps:
    """The taps of axis 0 (height) or 1 (width) of an image, for an axis of `inputs` elements."""
    window = resampling.windows[axis]
    outputs = resampling.target[axis]
    first, weights = places_and_weights(window.size, outputs, resampling.interpolation, resampling.antialias)
    places = window.start + first[:, None] + np.arange(weights.shape[1])
    inside = (places >= 0) & (places < inputs) & (weights != 0)
    outside = np.where((places < 0) | (places >= inputs), weights, 0.0).sum(axis=1)
    output, tap = np.nonzero(inside)
    return _by_rows(output, places[output, tap], weights[output, tap], outputs, resampling.fill_value * outside)


def transposed(taps: Taps, inputs: int) -> Taps:
    """The taps for gradients: to each input, from the outputs that read it."""
    output = np.repeat(np.arange(len(taps.first)), np.diff(taps.ends))
    place = np.arange(len(output)) - taps.ends[output] + taps.first[output]
    order = np.lexsort((output, place))
    return _by_rows(place[order], output[order], taps.weights[order], inputs, np.zeros(inputs))


def _by_rows(rows: Array, columns: Array, weights: Array, count: int, constants: Array) -> Taps:
    """Taps from sorted entries. Where the columns of a row are not successive, weights of 0 fill the gaps."""
    lowest, highest = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    lowest[rows[::-1]] = columns[::-1]
    highest[rows] = columns
    ends = np.concatenate([[0], np.cumsum(highest - lowest + 1)])
    filled = np.zeros(int(ends[-1]))
    filled[ends[rows] + columns - lowest[rows]] = weights
    return Taps(lowest, ends, filled, constants)
