"""normalize and to_categorical: divide arrays by their norms, and make one-hot rows."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.target import as_array
from cbackprop.validation import check_integer

__all__ = ["normalize", "to_categorical"]


def normalize(x: ArrayLike, axis: int = -1, order: float = 2) -> NDArray[Any]:
    """Divide an array by its norms along an axis: ``x / |x|``. Where the norm is 0, ``x`` is unchanged.

    Parameters
    ----------
    x : array_like
    axis : int, default -1
        The axis along which norms are taken.
    order : float, default 2
        The order of the norm: 1 for the sum of absolute values, 2 for the Euclidean norm, ``inf`` for the largest
        absolute value.

    Returns
    -------
    ndarray
        Has the shape and the float type of `x`; float64 for integers.

    Raises
    ------
    TypeError
        If `x` holds anything but numbers, or an argument is of the wrong type.
    ValueError
        If `x` does not have this axis.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    array = as_array("x", x)
    if array.ndim == 0:
        raise ValueError("x must have at least one axis, but got a single number.")
    check_integer("axis", axis, -array.ndim, array.ndim - 1)
    if not isinstance(order, numbers.Real) or isinstance(order, bool) or order != order:
        raise TypeError(f"order must be a number, but got {order!r}.")
    norms = np.linalg.norm(array, order, axis, keepdims=True)
    quotients: NDArray[Any] = array / np.where(norms == 0, 1, norms).astype(norms.dtype)
    return quotients


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[Any]:
    """Convert class numbers to one-hot rows.

    Parameters
    ----------
    x : array_like of int
        Class numbers from 0. A last axis of length 1 is removed.
    num_classes : int, optional
        The number of classes; by default the largest class number plus 1.

    Returns
    -------
    ndarray
        Float64 of shape (..., num_classes), with a 1 in each row.

    Raises
    ------
    TypeError, ValueError
        If `x` holds anything but integers in [0, num_classes).

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.to_categorical([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    classes = as_array("x", x)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    numbers = classes.astype(np.int64)
    if not np.array_equal(numbers, classes):
        raise ValueError("x must hold class numbers, but got fractions.")
    if num_classes is None:
        num_classes = int(numbers.max()) + 1 if numbers.size else 0
    check_integer("num_classes", num_classes, 0)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < num_classes:
        raise ValueError(f"x must hold classes in [0, {num_classes}), but got {numbers.min()} to {numbers.max()}.")
    rows = np.zeros((*numbers.shape, num_classes))
    np.put_along_axis(rows, numbers[..., np.newaxis], 1.0, axis=-1)
    return rows
