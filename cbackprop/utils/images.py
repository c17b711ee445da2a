"""Images in Pillow's form, as arrays, and in files."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.config import check_data_format, floatx
from cbackprop.foreign_arrays import from_foreign
from cbackprop.utils.pillow import MODES, pillow
from cbackprop.validation import (
    ArgumentTypeError,
    check_boolean,
    check_choice,
    check_integer,
    check_regular,
    type_name,
)

__all__ = ["array_to_img", "check_size", "img_to_array", "load_img", "save_img"]

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Read an image file with Pillow.

    Parameters
    ----------
    path : str, path-like, bytes or io.BytesIO
        The file, in any format that Pillow reads.
    color_mode : {"grayscale", "rgb", "rgba"}, default "rgb"
        The form of the image. Grey images with 16 or 32 bits stay as they are with ``"grayscale"``.
    target_size : tuple (height, width), optional
        Resize to this size.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}, default "nearest"
        How to resize. Pillow's methods average over all pixels when they make an image smaller, except ``"nearest"``.
    keep_aspect_ratio : bool, default False
        Resize only the part in the middle with the ratio of the sides of `target_size`.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    ImportError
        If Pillow is not installed.
    OSError
        If the file cannot be read, is damaged, or no image (`PIL.UnidentifiedImageError`).
    TypeError, ValueError
        If an argument is wrong.

    References
    ----------
    As in Keras 3.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from cbackprop import utils
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         utils.save_img(f"{folder}/a.png", np.zeros((4, 6, 3)))
    ...         size = utils.load_img(f"{folder}/a.png", target_size=(2, 3)).size
    ...     except ImportError:  # without Pillow
    ...         size = (3, 2)
    >>> size
    (3, 2)
    """
    check_choice("color_mode", color_mode, tuple(MODES))
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    keep = check_boolean("keep_aspect_ratio", keep_aspect_ratio)
    size = None if target_size is None else check_size("target_size", target_size)
    image = _opened(path)
    mode = MODES[color_mode]
    if image.mode != mode and not (mode == "L" and image.mode in ("I;16", "I")):
        image = image.convert(mode)
    if size is None or image.size == (size[1], size[0]):
        return image
    method = getattr(pillow("load_img").Resampling, interpolation.upper())
    return image.resize((size[1], size[0]), method, box=_middle(image.size, size) if keep else None)


def _opened(path: Any) -> Any:
    """The image in a file, read completely."""
    if isinstance(path, io.BytesIO):
        content, name = path, "path"
    elif isinstance(path, (str, bytes, os.PathLike)):
        check_regular(path)
        with open(path, "rb") as file:
            content, name = io.BytesIO(file.read()), repr(os.fsdecode(path))
    else:
        raise ArgumentTypeError(f"path must be a path or an io.BytesIO, but got {type(path).__name__}.")
    image_module = pillow("load_img")
    try:
        image = image_module.open(content)
        image.load()
    except image_module.UnidentifiedImageError:
        raise image_module.UnidentifiedImageError(f"{name} is not an image file.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise OSError(f"{name} is damaged and cannot be read as an image: {error}") from error
    return image


def _middle(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) in the middle of an image with the ratio of the sides that are wanted."""
    (width, height), (new_height, new_width) = size, wanted
    box_height = max(min(height, width * new_height // new_width), 1)
    box_width = max(min(width, height * new_width // new_height), 1)
    top, left = (height - box_height) // 2, (width - box_width) // 2
    return left, top, left + box_width, top + box_height


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> NDArray[Any]:
    """Return the pixels of an image of Pillow as an array with an axis for the channels.

    Parameters
    ----------
    img : PIL.Image.Image or array_like (height, width) or (height, width, channels)
    data_format : {"channels_last", "channels_first"}, optional
        Where the axis of the channels is put; `config.image_data_format` by default.
    dtype : dtype, optional
        `config.floatx` by default. Values stay as they are, from 0 to 255 in most images.

    Returns
    -------
    ndarray (height, width, channels), or (channels, height, width)

    Raises
    ------
    ValueError
        If `img` has another number of axes, or `data_format` is unknown.

    References
    ----------
    As in Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.utils.img_to_array(np.zeros((4, 6), np.uint8)).shape
    (4, 6, 1)
    """
    first = check_data_format(data_format) == "channels_first"
    array = np.asarray(img, dtype=floatx() if dtype is None else dtype)
    if array.ndim not in (2, 3):
        raise ValueError(f"img must have 2 axes, or 3 with one for the channels, but got the shape {array.shape}.")
    array = array if array.ndim == 3 else array[:, :, None]
    return array.transpose(2, 0, 1) if first else array


def array_to_img(x: ArrayLike, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """Make an image of Pillow from an array.

    Parameters
    ----------
    x : array_like (height, width, channels), or (channels, height, width)
        An image with 1, 3 or 4 channels: grey, RGB or RGBA.
    data_format : {"channels_last", "channels_first"}, optional
        Where the axis of the channels is; `config.image_data_format` by default.
    scale : bool, default True
        Whether the smallest number becomes 0 and the largest 255. If not, numbers are rounded towards zero.
    dtype : dtype, optional
        In which type to compute; `config.floatx` by default.

    Returns
    -------
    PIL.Image.Image
        In mode L, RGB or RGBA; a grey image with numbers above 255 in mode I.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    ValueError
        If `x` has another shape, or numbers that are not finite, or an argument is wrong.

    References
    ----------
    As in Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> try:
    ...     image = cb.utils.array_to_img(np.arange(24.0).reshape(2, 4, 3))
    ...     found = image.mode, image.size, image.getpixel((3, 1))
    ... except ImportError:  # without Pillow
    ...     found = "RGB", (4, 2), (232, 243, 255)
    >>> found
    ('RGB', (4, 2), (232, 243, 255))
    """
    first = check_data_format(data_format) == "channels_first"
    stretch = check_boolean("scale", scale)
    array = np.asarray(from_foreign("x", x), dtype=floatx() if dtype is None else dtype)
    if array.ndim != 3:
        raise ValueError(f"x must be one image with 3 axes, but got the shape {array.shape}.")
    array = array.transpose(1, 2, 0) if first else array
    if array.shape[2] not in (1, 3, 4) or not array.size:
        raise ValueError(f"x must have pixels with 1, 3 or 4 channels, but got the shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError("x must be finite.")
    if stretch:
        array = array - array.min()
        array = array / (array.max() or 1) * 255
    image_module = pillow("array_to_img")
    if array.shape[2] > 1:
        return image_module.fromarray(_bytes(array))
    grey = array[:, :, 0]
    return image_module.fromarray(grey.astype(np.int32) if grey.max() > 255 else _bytes(grey))


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers as bytes; those outside of 0 to 255 wrap around, on every processor alike."""
    return np.ascontiguousarray(array.astype(np.int64).astype(np.uint8))


def save_img(
    path: Any,
    x: ArrayLike,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array as an image file.

    Parameters
    ----------
    path : str, path-like or file
    x : array_like (height, width, channels), or (channels, height, width)
        See `array_to_img`.
    data_format : {"channels_last", "channels_first"}, optional
    file_format : str, optional
        ``"png"``, ``"jpeg"`` and so on; by default that of the suffix of `path`. A file needs it.
    scale : bool, default True
        See `array_to_img`.
    **kwargs
        Further arguments of `PIL.Image.Image.save`.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    OSError
        If the file cannot be written.
    ValueError
        If `x` is no image, or the format is unknown.

    Warns
    -----
    UserWarning
        If an image with 4 channels is written as JPEG, which has no transparency.

    References
    ----------
    As in Keras 3.

    Examples
    --------
    See `load_img`.
    """
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = Path(path).suffix[1:]
    elif file_format is not None and not isinstance(file_format, str):
        raise ArgumentTypeError(f"file_format must be a string, but got {type_name(file_format)}.")
    if file_format is not None and file_format.lower() == "jpg":
        file_format = "jpeg"
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and (file_format or "").lower() == "jpeg":
        warnings.warn("The JPEG format does not support RGBA images, converting to RGB.", stacklevel=2)
        image = image.convert("RGB")
    try:
        image.save(path, format=file_format or None, **kwargs)
    except KeyError:  # Pillow's own, before it opens a file
        raise ValueError(
            f"file_format must be one that Pillow writes, such as 'png', but got {file_format!r}."
        ) from None


def check_size(name: str, value: Any) -> tuple[int, int]:
    """A size as (height, width); a single number stands for both.

    Raises
    ------
    ArgumentTypeError, ValueError
        If `value` is not one or two integers of at least 1.
    """
    pair = value if isinstance(value, (list, tuple, np.ndarray)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be two integers, height and width, but got {value!r}.")
    height, width = (check_integer(name, side, 1, 2**20) for side in pair)
    return height, width
