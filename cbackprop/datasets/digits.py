"""Handwritten digits of 8 x 8 pixels, bundled with the library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_data"]

ARCHIVE = Path(__file__).with_name("digits.npz")
SPLIT_SEED = 1998

Part = tuple[NDArray[np.float32], NDArray[np.int64]]


def split(labels: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The row numbers of the training part and of the test part, both shuffled; `labels` is (n,).

    All rows are shuffled and then sorted by class, and every fifth goes into the test part. So the test part contains a
    fifth of each class, give or take one row. A second shuffle mixes the classes in both parts.
    """
    # NumPy promises never to change the raw output of a bit generator; other random streams may change (NEP 19).
    drawn, order = np.argsort(np.random.PCG64(SPLIT_SEED).random_raw((2, len(labels))))
    by_class = drawn[np.argsort(labels[drawn], kind="stable")]
    in_test = np.zeros(len(labels), dtype=bool)
    in_test[by_class[::5]] = True
    return order[~in_test[order]], order[in_test[order]]


def load_data() -> tuple[Part, Part]:
    """Load 1,797 handwritten digits by 13 people, with 8 x 8 pixels in 17 shades of gray.

    Each pixel is the number of black points in a block of 4 x 4 points of a 32 x 32 bitmap, divided by 16.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuple of tuples of ndarray
        ``x_train`` is (1437, 64) and ``x_test`` (360, 64), float32 in [0, 1]. Each row is an image, line by line;
        ``x_train.reshape(-1, 8, 8)`` gives the images. ``y_train`` is (1437,) and ``y_test`` (360,), int64: the digits
        from 0 to 9. Each call returns new arrays.

    Notes
    -----
    The data is the test part of the UCI data set, which scikit-learn contains as well. The split into 1,437 and 360
    rows is made by this library and is always the same: shuffled, with a fifth of each class in the test part.
    The same people wrote both parts, so accuracy is slightly higher here than for new writers.

    The data is licensed under CC BY 4.0; see ``README.md`` beside this file.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49

    Examples
    --------
    >>> import cbackprop as cb
    >>> (x_train, y_train), (x_test, y_test) = cb.datasets.digits.load_data()
    >>> x_train.shape, y_train.shape, x_test.shape, y_test.shape
    ((1437, 64), (1437,), (360, 64), (360,))
    >>> float(x_train.min()), float(x_train.max())
    (0.0, 1.0)
    """
    with np.load(ARCHIVE) as archive:
        images, labels = archive["images"], archive["labels"]
    x = images.reshape(len(images), -1).astype(np.float32) / np.float32(16)
    y = labels.astype(np.int64)
    train, test = split(labels)
    return (x[train], y[train]), (x[test], y[test])
