"""Affine transformations of images, in NumPy: the maps for given parameters, and the transformed images.

A map is a row (a0, a1, a2, b0, b1, b2): the output at (column, row) is the input at
``(a0 column + a1 row + a2, b0 column + b1 row + b2)``. These are the first six numbers of the `transform` of
``keras.ops.image.affine_transform``; the other two are 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sampling", "resizing", "rotation", "sample", "sample_backward", "shear", "translation", "zoom"]

Array = NDArray[Any]


class Sampling(NamedTuple):
    """How a map is applied: the arguments of the layers, and the height and width of the output."""

    fill_mode: str
    interpolation: str
    fill_value: float
    sizes: tuple[int, int]


def maps(a0: Any, a1: Any, a2: Any, b0: Any, b1: Any, b2: Any) -> Array:
    """Stack six columns of numbers to rows, one for each map."""
    return np.stack(np.broadcast_arrays(a0, a1, a2, b0, b1, b2), axis=-1).astype(np.float64)


def centered(a0: Any, a1: Any, b0: Any, b1: Any, height: int, width: int) -> Array:
    """The maps that do not move the center of an image."""
    x, y = 0.5 * (width - 1), 0.5 * (height - 1)
    return maps(a0, a1, x - x * a0 - y * a1, b0, b1, y - x * b0 - y * b1)


def translation(down: Array, right: Array, height: int, width: int) -> Array:
    """Shifts, as fractions of the image's size."""
    return maps(1, 0, -right * width, 0, 1, -down * height)


def rotation(turns: Array, height: int, width: int) -> Array:
    """Counter-clockwise turns. Quarter turns are exact: sine and cosine are taken of the remaining angle only."""
    quarters = np.trunc(4 * turns + np.copysign(0.5, turns))
    angle = (4 * turns - quarters) * (np.pi / 2)
    c, s = np.cos(angle), np.sin(angle)
    for quarter in (1, 2):
        turned = (quarters.astype(int) & quarter).astype(bool)
        c, s = np.where(turned, -s if quarter == 1 else -c, c), np.where(turned, c if quarter == 1 else -s, s)
    return centered(c, -s, s, c, height, width)


def zoom(down: Array, right: Array, height: int, width: int) -> Array:
    """Pixels of the input for each pixel of the output."""
    return centered(right, 0, 0, down, height, width)


def shear(right: Array, down: Array) -> Array:
    """Columns for each row, and rows for each column."""
    return maps(1, right, 0, down, 1, 0)


def resizing(window: tuple[int, int], sizes: tuple[int, int]) -> Array:
    """The map from an output of these sizes to a window, so that their edges coincide."""
    down, right = window[0] / sizes[0], window[1] / sizes[1]
    return maps(right, 0, (right - 1) / 2, 0, down, (down - 1) / 2)


def sample(images: Array, through: Array, how: Sampling) -> Array:
    """Transform each image (height, width, channels) by its map."""
    outputs = np.zeros((len(images), *how.sizes, images.shape[3]), images.dtype)
    for weights, inside, pixels in taps(images.shape, images.dtype, through, how):
        value = np.where(inside[..., None], images[pixels], images.dtype.type(how.fill_value))
        outputs += weights[..., None] * value
    return outputs


def sample_backward(delta: Array, shape: tuple[int, ...], through: Array, how: Sampling) -> Array:
    """dL/dimages, of this shape, from dL/doutput."""
    result = np.zeros(shape, delta.dtype)
    for weights, inside, pixels in taps(shape, delta.dtype, through, how):
        np.add.at(result, pixels, np.where(inside, weights, 0).astype(delta.dtype)[..., None] * delta)
    return result


def taps(shape: Any, dtype: Any, through: Array, how: Sampling) -> Iterator[tuple[Array, Array, tuple[Array, ...]]]:
    """The input pixels from which output pixels are interpolated.

    Yields
    ------
    tuple
        For the one input pixel of each output pixel, or for each of four: its weight, whether it is in the image, and
        its place.
    """
    count, height, width, _ = shape
    row, column = np.mgrid[: how.sizes[0], : how.sizes[1]]
    a0, a1, a2, b0, b1, b2 = through.T[:, :, None, None]
    x, y = a0 * column + (a1 * row + a2), b0 * column + (b1 * row + b2)
    image = np.arange(count)[:, None, None]
    if how.interpolation == "nearest":
        (i, inside_i), (j, inside_j) = pixel(np.rint(y), height, how), pixel(np.rint(x), width, how)
        yield np.ones(x.shape, dtype), inside_i & inside_j, (image, i, j)
        return
    top, left = np.floor(y), np.floor(x)
    down, right = (y - top).astype(dtype), (x - left).astype(dtype)
    for step_down in (0, 1):
        for step_right in (0, 1):
            (i, inside_i), (j, inside_j) = pixel(top + step_down, height, how), pixel(left + step_right, width, how)
            weights = (down if step_down else 1 - down) * (right if step_right else 1 - right)
            yield weights, inside_i & inside_j, (image, i, j)


def pixel(index: Array, size: int, how: Sampling) -> tuple[Array, Array]:
    """The pixel of an axis at an index of the extended image, and whether it is in the image itself."""
    index = index.astype(np.int64)
    inside = np.ones(index.shape, bool)
    if how.fill_mode == "reflect":
        index = index % (2 * size)
        return np.where(index < size, index, 2 * size - 1 - index), inside
    if how.fill_mode == "wrap":
        return index % size, inside
    if how.fill_mode == "constant":
        inside = (index >= 0) & (index < size)
    return np.clip(index, 0, size - 1), inside
