"""Pillow, which reads and writes image files. It is imported when it is needed, not with the library."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.validation import check_regular

__all__ = ["CHANNELS", "decode", "pillow"]

# The channels of an image by its color mode.
CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
# Pillow's names of the color modes.
MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
FORMATS = ("BMP", "GIF", "JPEG", "PNG")


def pillow(use: str) -> Any:
    """Import `PIL.Image`; the error says what needs it and what to install.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f'{use} needs Pillow: pip install "cbackprop[images]"') from error
    return Image


def decode(path: str, color_mode: str) -> NDArray[np.uint8]:
    """Read the pixels of a BMP, GIF, JPEG or PNG file; of a GIF file those of the first frame.

    Parameters
    ----------
    path : str
    color_mode : {"grayscale", "rgb", "rgba"}

    Returns
    -------
    ndarray (height, width, channels), uint8
        Of numbers with 16 bits, the upper 8.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, truncated, or no such file. The message names it.
    """
    image_module = pillow("Reading images")
    check_regular(path)
    with open(path, "rb") as file:
        content = file.read()
    try:
        with image_module.open(io.BytesIO(content), formats=FORMATS) as image:
            image.load()
            pixels = np.asarray(_in_mode(image, MODES[color_mode]))
    except image_module.UnidentifiedImageError:
        raise ValueError(f"{path!r} is damaged, or not a file in one of the formats {', '.join(FORMATS)}.") from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise errors of many classes
        raise ValueError(f"{path!r} is damaged and cannot be read as an image: {error}") from error
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _in_mode(image: Any, mode: str) -> Any:
    """The image in a mode with 8 bits for each channel."""
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them
        wide = np.asarray(image)
        image = pillow("Reading images").fromarray((np.clip(wide, 0, 65535) >> 8).astype(np.uint8))
    elif image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        image = image.convert("RGBA")  # Pillow warns of the direct way
    return image if image.mode == mode else image.convert(mode)
