"""Many small pictures side by side in one image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_picture", "columns_for", "draw_tiles"]

Array = NDArray[Any]


def columns_for(count: int) -> int:
    """The number of columns in which `count` square pictures make about a square."""
    return max(math.ceil(math.sqrt(count)), 1)


def draw_tiles(ax: Any, pictures: Array, columns: int, cmap: str | None = None, limits: Any = (None, None)) -> Any:
    """Draw pictures in rows and columns, with a gap of a pixel or more between them.

    Parameters
    ----------
    ax : Axes
    pictures : ndarray (count, height, width) or (count, height, width, 3)
        Numbers, or colors from 0 to 1.
    columns : int
    cmap : str, optional
        The colors of numbers.
    limits : tuple (lowest, highest)
        The numbers at the ends of the color map; by default those in the pictures.

    Returns
    -------
    AxesImage
    """
    count, height, width, *colors = pictures.shape
    gap = 1 + max(height, width) // 16
    rows = -(-count // columns)
    # Gaps are NaN, which is drawn transparent, or white.
    background = 1.0 if colors else np.nan
    image = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *colors), background)
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        image[top : top + height, left : left + width] = picture
    drawn = ax.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return drawn


def as_picture(image: Array) -> Array:
    """An image (height, width, channels) as matplotlib draws it: from 0 to 1, grey (height, width) or in colors."""
    low, high = float(image.min()), float(image.max())
    scaled = (image - low) / ((high - low) or 1.0)
    if image.shape[2] in (3, 4):
        return scaled[:, :, :3]
    grey: Array = scaled.mean(axis=2)
    return grey
