"""Resize images to a given size, as TensorFlow and Keras do."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["METHODS", "crop_to_ratio", "pad_to_ratio", "resize"]

Array = NDArray[Any]


def _triangle(x: Array) -> Array:
    return np.maximum(1 - x, 0)


def _cubic(x: Array) -> Array:
    """Keys's cubic with a = -1/2."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _mitchell(x: Array) -> Array:
    """The cubic of Mitchell and Netravali with B = C = 1/3."""
    near = (7 / 6 * x - 2) * x * x + 8 / 9
    far = ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int) -> Callable[[Array], Array]:
    return lambda x: np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


def _gaussian(x: Array) -> Array:
    return np.where(x < 1.5, np.exp(-2 * x * x), 0)


# The weight of a pixel by its distance, and the distance from which on it is zero.
KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic, 2),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
    "gaussian": (_gaussian, 1.5),
    "mitchellcubic": (_mitchell, 2),
}
METHODS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


def resize(image: Array, height: int, width: int, method: str = "bilinear") -> NDArray[np.float32]:
    """Resize an image.

    Pixel i of n new ones lies at the place ``(i + 1/2) size / n - 1/2`` among the old ones. Its value is the weighted
    mean of the old pixels around that place, first along the height and then along the width.

    Parameters
    ----------
    image : ndarray (old height, old width, channels)
    height, width : int
        The new size.
    method : str
        One of `METHODS`. ``"nearest"`` takes one pixel, ``"area"`` the mean of the area that a new pixel covers. All
        others weight the pixels by a kernel of a fixed width, so that they skip pixels when they make images much
        smaller; of these ``"area"`` leaves out none.

    Returns
    -------
    ndarray (height, width, channels), float32

    Notes
    -----
    The methods are those of ``tf.image.resize`` with ``antialias=False``. Values agree with TensorFlow's except for
    rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.utils.image_resizing import resize
    >>> resize(np.array([[[0], [8]]], np.uint8), 1, 4)[0, :, 0].tolist()
    [0.0, 2.0, 6.0, 8.0]
    """
    rows = _along(image, height, method)
    return np.ascontiguousarray(_along(rows.swapaxes(0, 1), width, method).swapaxes(0, 1))


def _along(image: Array, size: int, method: str) -> NDArray[np.float32]:
    """Resize an image along its first axis."""
    places, weights = taps(image.shape[0], size, method)
    if len(weights) == 1:  # the nearest pixels: all weights are 1
        return image[places[0]].astype(np.float32, copy=False)
    total = image[places[0]] * weights[0]
    for place, weight in zip(places[1:], weights[1:], strict=True):
        total += image[place] * weight
    return total


@functools.lru_cache(maxsize=256)
def taps(old: int, new: int, method: str) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The old pixels that make each new one: their places (taps, new) and their weights (taps, new, 1, 1)."""
    scale = old / new
    index = np.arange(new)
    if method == "nearest":
        place = np.minimum(((index + 0.5) * scale).astype(np.intp), old - 1)
        return place[None], np.ones((1, new, 1, 1), np.float32)
    if method == "area":
        begin, end = index * scale, np.minimum((index + 1) * scale, old)
        reach = math.ceil(scale) + 1
        places = np.floor(begin).astype(np.intp) + np.arange(reach)[:, None]
        weights = np.maximum(np.minimum(end, places + 1) - np.maximum(begin, places), 0)
    else:
        kernel, radius = KERNELS[method]
        center = (index + 0.5) * scale - 0.5
        reach = math.ceil(2 * radius)
        places = np.floor(center - radius).astype(np.intp) + 1 + np.arange(reach)[:, None]
        weights = kernel(np.abs(places - center))
    weights = np.where((places >= 0) & (places < old), weights, 0)
    weights = (weights / weights.sum(axis=0)).astype(np.float32)
    used = weights.any(axis=1)
    return np.clip(places[used], 0, old - 1), weights[used, :, None, None]


def crop_to_ratio(image: Array, height: int, width: int) -> Array:
    """The largest part in the middle of an image (height, width, channels) with the ratio of these sides."""
    old_height, old_width = image.shape[:2]
    new_height = max(min(old_height, old_width * height // width), 1)
    new_width = max(min(old_width, old_height * width // height), 1)
    top, left = (old_height - new_height) // 2, (old_width - new_width) // 2
    return image[top : top + new_height, left : left + new_width]


def pad_to_ratio(image: Array, height: int, width: int, method: str) -> NDArray[np.float32]:
    """Resize an image without distortion so that it just fits into these sides, and fill the rest with zeros."""
    old_height, old_width = image.shape[:2]
    if old_width * height > old_height * width:
        inner_height, inner_width = old_height * width // old_width, width
    else:
        inner_height, inner_width = height, old_width * height // old_height
    made = resize(image, max(inner_height, 1), max(inner_width, 1), method)
    # What remains on both sides, rounded down before the inner size was.
    top = max(height * old_width - old_height * width, 0) // (2 * old_width)
    left = max(width * old_height - old_width * height, 0) // (2 * old_height)
    padded = np.zeros((height, width, image.shape[2]), np.float32)
    padded[top : top + made.shape[0], left : left + made.shape[1]] = made
    return padded
