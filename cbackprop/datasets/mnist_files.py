"""Read MNIST and data sets in its form: four IDX files in a folder, or the NPZ file that Keras has."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.datasets.idx import check_path, read_idx

__all__ = ["NAMES", "Data", "cached_by_keras", "load", "places"]

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
CLASSES = 10

Part = tuple[NDArray[np.uint8], NDArray[np.uint8]]
Data = tuple[Part, Part]


def cached_by_keras(name: str) -> Path:
    """Where Keras has the data set that it has downloaded."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras", "datasets", name)


def places(path: Any, within: Sequence[str], others: Sequence[Path]) -> list[Path]:
    """Where to look for a data set. If the user names a place, no other is looked in.

    Parameters
    ----------
    path : str or path-like, or None
    within : sequence of str
        Names within the folder of the environment variable ``CBACKPROP_DATA``; an empty one stands for the folder.
    others : sequence of Path
        Places without `path` and without the variable.

    Raises
    ------
    TypeError
        If `path` is of another type.
    """
    if path is not None:
        return [check_path("path", path)]
    if root := os.environ.get("CBACKPROP_DATA"):
        return [Path(root, name) for name in within]
    return list(others)


def load(title: str, places: Sequence[Path], remedy: str) -> Data:
    """Read a data set from the first of these places that has it.

    Parameters
    ----------
    title : str
        What the data set is called in messages.
    places : sequence of Path
        NPZ files, or folders with the four IDX files, each plain or with the suffix .gz.
    remedy : str
        How to get the data set.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuple of tuples of ndarray
        Images (n, 28, 28) and labels (n,), uint8.

    Raises
    ------
    FileNotFoundError
        If no place has it. The message says what is missing where.
    ValueError
        If a file is damaged, or holds something else.
    """
    lacking = []
    for place in places:
        if place.is_file():
            return _read_archive(place)
        if place.suffix.lower() == ".npz" and not place.is_dir():
            lacking.append(f"there is no file {place}")
            continue
        pairs = [(place / name, place / f"{name}.gz") for name in NAMES]
        found = [next((file for file in pair if file.is_file()), None) for pair in pairs]
        files = [file for file in found if file is not None]
        if len(files) == len(NAMES):
            arrays = [read_idx(file) for file in files]
            return _part(files[0], arrays[0], files[1], arrays[1]), _part(files[2], arrays[2], files[3], arrays[3])
        missing = ", ".join(name for name, file in zip(NAMES, found, strict=True) if file is None)
        lacking.append(f"{place} lacks {missing}")
    raise FileNotFoundError(f"{title} was not found: {'; '.join(lacking)} (each plain or .gz). {remedy}")


def _read_archive(file: Path) -> Data:
    """The arrays of an NPZ file."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in ARRAYS if name in archive.files}
    except (AttributeError, EOFError, MemoryError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} is not a sound NPZ file: {error}") from error
    for name in ARRAYS:
        if name not in arrays:
            raise ValueError(f"{file} has no array {name!r}: it must hold {', '.join(ARRAYS)}.")
    named = [(f"{file}: {name}", arrays[name]) for name in ARRAYS]
    return _part(*named[0], *named[1]), _part(*named[2], *named[3])


def _part(images: Path | str, x: NDArray[Any], labels: Path | str, y: NDArray[Any]) -> Part:
    """Images and labels, checked; the names are for messages."""
    if x.dtype != np.uint8 or x.shape[1:] != (28, 28) or not len(x):
        raise ValueError(f"{images}: expected uint8 of shape (n, 28, 28), but got {x.dtype} of shape {x.shape}.")
    if y.dtype != np.uint8 or y.ndim != 1:
        raise ValueError(f"{labels}: expected uint8 of shape (n,), but got {y.dtype} of shape {y.shape}.")
    if len(x) != len(y):
        raise ValueError(f"{images} holds {len(x)} images, but {labels} {len(y)} labels.")
    if y.max() >= CLASSES:
        raise ValueError(f"{labels}: expected labels from 0 to {CLASSES - 1}, but got {y.max()}.")
    return x, y
