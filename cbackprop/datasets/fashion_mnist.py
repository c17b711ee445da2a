"""Fashion-MNIST: images of clothing in the format and size of MNIST."""

from __future__ import annotations

import os
from pathlib import Path

from cbackprop.datasets.mnist_files import Data, cached_by_keras, load, places

__all__ = ["load_data"]

DEBIAN_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
REMEDY = (
    "Install it with 'apt-get install dataset-fashion-mnist', or download the four files from "
    "https://github.com/zalandoresearch/fashion-mnist and give their directory as path or in the environment variable "
    "CBACKPROP_DATA."
)


def load_data(path: str | os.PathLike[str] | None = None) -> Data:
    """Load 60,000 training and 10,000 test images of clothing, with 28 x 28 pixels in 256 shades of gray.

    The classes are 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker,
    8 bag, 9 ankle boot.

    The library neither contains nor downloads the data. On Debian and Ubuntu, ``apt-get install
    dataset-fashion-mnist`` installs it where it is found without `path`. On other systems download the four files named
    below.

    Parameters
    ----------
    path : str or path-like, optional
        The directory with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, each plain or with the suffix ``.gz``; or an NPZ file with the arrays ``x_train``,
        ``y_train``, ``x_test`` and ``y_test``. By default the environment variable ``CBACKPROP_DATA`` gives this
        directory, or one that contains it as ``fashion-mnist``. Without the variable it is
        ``/usr/share/datasets/fashion-mnist``, or where Keras has it, ``~/.keras/datasets/fashion-mnist``.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuple of tuples of ndarray
        In the form of Keras: ``x_train`` is (60000, 28, 28) and ``x_test`` (10000, 28, 28), uint8 from 0 (background)
        to 255; ``y_train`` is (60000,) and ``y_test`` (10000,), uint8 from 0 to 9. Files in the same format with other
        numbers of images are accepted.

    Raises
    ------
    TypeError
        If `path` is neither a string nor path-like.
    FileNotFoundError
        If a file is missing. The message says which one, where it was searched, and how to get it.
    ValueError
        If a file is damaged, contains anything but uint8 images of 28 x 28 pixels or labels from 0 to 9, or the numbers
        of images and labels differ.

    References
    ----------
    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", 2017, https://arxiv.org/abs/1708.07747. Copyright Zalando SE, MIT licence,
    https://github.com/zalandoresearch/fashion-mnist

    Examples
    --------
    If the data is installed, use ``(x_train, y_train), (x_test, y_test) = cb.datasets.fashion_mnist.load_data()``. This
    example writes two blank images for each part instead.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import cbackprop as cb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part in "train", "t10k":
    ...         images = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(2 * 28 * 28)
    ...         _ = Path(folder, f"{part}-images-idx3-ubyte").write_bytes(images)
    ...         _ = Path(folder, f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 9, 0]))
    ...     (x_train, y_train), (x_test, y_test) = cb.datasets.fashion_mnist.load_data(folder)
    >>> x_train.shape, y_train
    ((2, 28, 28), array([9, 0], dtype=uint8))
    """
    found = places(path, ("fashion-mnist", ""), (DEBIAN_DIRECTORY, cached_by_keras("fashion-mnist")))
    return load("Fashion-MNIST", found, REMEDY)
