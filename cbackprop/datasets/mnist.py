"""MNIST: images of handwritten digits."""

from __future__ import annotations

import os
from pathlib import Path

from cbackprop.datasets.mnist_files import Data, cached_by_keras, load, places

__all__ = ["load_data"]

REMEDY = (
    "Give an NPZ file, or the directory of the four files, as path; or put them into the folder of the environment "
    "variable CBACKPROP_DATA, as mnist.npz or into its folder mnist."
)


def load_data(path: str | os.PathLike[str] | None = None) -> Data:
    """Load 60,000 training and 10,000 test images of handwritten digits, with 28 x 28 pixels in 256 shades of gray.

    The library neither contains nor downloads the data. If Keras has downloaded it on this computer, it is found
    without `path`. Other data sets in the same files can be read as well, such as KMNIST.

    Parameters
    ----------
    path : str or path-like, optional
        An NPZ file with the arrays ``x_train``, ``y_train``, ``x_test`` and ``y_test``, such as Keras's ``mnist.npz``;
        or a directory with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, each plain or with the suffix ``.gz``. By default, ``mnist`` or ``mnist.npz`` in the
        directory that the environment variable ``CBACKPROP_DATA`` gives; without the variable, where Keras has it:
        ``~/.keras/datasets/mnist.npz``. If there is no file ``mnist.npz``, Keras's place is looked in as well.

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
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86 (1998), pp. 2278-2324, https://doi.org/10.1109/5.726791

    Examples
    --------
    This example writes two blank images for each part.

    >>> import os, tempfile
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     x, y = np.zeros((2, 28, 28), np.uint8), np.array([9, 0], np.uint8)
    ...     np.savez(os.path.join(folder, "mnist.npz"), x_train=x, y_train=y, x_test=x, y_test=y)
    ...     (x_train, y_train), (x_test, y_test) = cb.datasets.mnist.load_data(os.path.join(folder, "mnist.npz"))
    >>> x_train.shape, y_train
    ((2, 28, 28), array([9, 0], dtype=uint8))
    """
    keras = cached_by_keras("mnist.npz")
    found = places(path, ("mnist", "mnist.npz"), (keras,))
    if path is not None and found == [Path("mnist.npz")]:  # Keras's default, which is a name in its own folder
        found.append(keras)
    return load("MNIST", found, REMEDY)
