"""Initializers without random numbers: constants, the identity matrix, and given arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cbackprop.initializers.initializer import Initializer, check_shape, registry, rounded
from cbackprop.validation import ArgumentTypeError, check_number

__all__ = ["Constant", "Identity", "Ones", "Zeros", "from_array"]


@registry.register("zero")
class Zeros(Initializer):
    """Set every value to 0: ``w = 0``. This is the usual initializer of a bias.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.initializers.Zeros()((3,))
    array([0., 0., 0.], dtype=float32)
    """

    def _values_for(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        return np.zeros(shape, dtype)  # zeros need not be rounded


@registry.register("one")
class Ones(Initializer):
    """Set every value to 1: ``w = 1``. This is the usual initializer of a normalization's scale.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.initializers.Ones()((3,))
    array([1., 1., 1.], dtype=float32)
    """

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return np.ones(shape)


@registry.register()
class Constant(Initializer):
    """Set all values to one number, or to those of an array: ``w = value``.

    Parameters
    ----------
    value : float or array_like of float, default 0.0
        The number, or an array that can be broadcast to the weight's shape.

    Raises
    ------
    TypeError
        If `value` holds anything but real numbers.
    ValueError
        If a number is NaN or infinite; when called, if an array cannot be broadcast to `shape`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.initializers.Constant(0.5)((3,))
    array([0.5, 0.5, 0.5], dtype=float32)
    >>> cb.initializers.Constant([1, 2, 3])((2, 3))
    array([[1., 2., 3.],
           [1., 2., 3.]], dtype=float32)
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = check_numbers("value", value)

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        try:
            return np.broadcast_to(np.asarray(self.value), shape).copy()
        except ValueError:
            raise ValueError(
                f"value, of shape {np.shape(self.value)}, cannot be broadcast to a weight of shape {shape}."
            ) from None


def check_numbers(name: str, value: Any) -> Any:
    """`value` as a finite float, or a copy of an array of finite floats.

    Raises
    ------
    TypeError
        If it is not a real number or an array of real numbers.
    ValueError
        If a number is not finite.
    """
    if np.ndim(value) == 0 if isinstance(value, np.ndarray) else not isinstance(value, (list, tuple)):
        return check_number(name, value)
    try:
        array = np.array(value)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "fiu":
        raise ArgumentTypeError(f"{name} must be a number or an array of numbers, but got {value!r}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, but got {value!r}.")
    return array


@registry.register("IdentityInitializer")
class Identity(Initializer):
    """A multiple of the identity matrix: ``w[i, j] = gain`` where ``i == j``, else 0.

    The matrix need not be square. Calling it with a shape that is not 2-D raises ValueError.

    Parameters
    ----------
    gain : float, default 1.0
        The number on the diagonal.

    Raises
    ------
    TypeError
        If `gain` is not a number.
    ValueError
        If it is NaN or infinite.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.initializers.Identity(gain=2.0)((2, 3))
    array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = check_number("gain", gain)

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        if len(shape) != 2:
            raise ValueError(f"Identity needs a shape of rank 2, but got shape={shape} of rank {len(shape)}.")
        return self.gain * np.eye(*shape)


def from_array(array: NDArray[Any]) -> Callable[..., NDArray[Any]]:
    """An initializer that returns copies of `array`. Later changes to `array` do not affect it.

    Raises
    ------
    TypeError
        If the array does not hold real numbers.
    ValueError
        If it holds NaN or infinity; when called, if `shape` is not its shape.
    """
    if array.dtype.kind not in "biuf":
        raise TypeError(f"An array used as initializer must hold real numbers, but got dtype {array.dtype}.")
    if not np.isfinite(array).all():
        raise ValueError("An array used as initializer must be finite, but got NaN or infinity in it.")
    kept = array.copy()

    def initialize(shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
        if check_shape(shape) != kept.shape:
            raise ValueError(f"shape must be {kept.shape}, that of the array used as initializer, but got {shape}.")
        return rounded(kept.copy(), dtype, "The array used as initializer")

    return initialize
