"""Initializer: the base of all initializers, their registry, and checks of shape and seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cbackprop.compiled.kernels.vectors import is_finite
from cbackprop.config import floatx
from cbackprop.number_types import check_float_type
from cbackprop.registry import Registry
from cbackprop.spec import Spec
from cbackprop.validation import check_integer

__all__ = ["Initializer", "check_seed", "check_shape", "checks_values", "registry", "rounded"]

registry = Registry("initializer", "initializers")


class Initializer(Spec):
    """Base of all initializers: objects that are called with a shape and return the initial values of a weight.

    For an initializer of your own, define a subclass with ``__call__(self, shape, dtype=None)``. If the constructor
    stores each argument under its own name, ``get_config`` and ``from_config`` need no code.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> class Ramp(cb.initializers.Initializer):
    ...     def __init__(self, step=1.0):
    ...         self.step = step
    ...
    ...     def __call__(self, shape, dtype=None):
    ...         return self.step * np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    >>> Ramp(step=0.5)((2, 2), dtype="float32")
    array([[0. , 0.5],
           [1. , 1.5]], dtype=float32)
    >>> Ramp(step=0.5).get_config()
    {'step': 0.5}
    """

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return the initial values of a weight.

        Parameters
        ----------
        shape : tuple of int
            Shape of the weight. Dense kernels are (inputs, outputs), convolution kernels
            (*window, input channels, output channels).
        dtype : {"float32", "float64"}, optional
            Type of the weight, by default ``config.floatx()``. Numbers are computed in float64 and then rounded.

        Returns
        -------
        numpy.ndarray
            A new C-contiguous array of that shape and type.

        Raises
        ------
        TypeError
            If `shape` is not a tuple of integers.
        ValueError
            If a dimension is negative, if this initializer does not support the shape, if `dtype` is another type, or
            if a value is too large for it.
        """
        return self._values_for(check_shape(shape), check_float_type(floatx() if dtype is None else dtype))

    def _values_for(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """The initial values, for a shape and a type that have been checked."""
        with np.errstate(over="ignore"):  # infinite values are refused
            return _rounded(self._values(shape), dtype, self)

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """New float64 values of the checked `shape`. Initializers of this package define only this method."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, shape, dtype=None).")

    def clone(self) -> Self:
        """Another initializer with the same config."""
        return type(self).from_config(self.get_config())


def check_shape(shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple of ints, each at least 0.

    Raises
    ------
    TypeError
        If it is not a tuple, list or array, or an entry of it is not an integer.
    ValueError
        If an entry is negative.
    """
    if not isinstance(shape, (tuple, list, np.ndarray)) or np.ndim(shape) == 0:
        raise TypeError(f"shape must be a tuple of integers, but got {shape!r} of type {type(shape).__name__}.")
    return tuple(check_integer(f"shape[{i}]", size, minimum=0) for i, size in enumerate(shape))


def rounded(values: NDArray[Any], dtype: DTypeLike | None, source: object) -> NDArray[Any]:
    """`values` as a C-contiguous array of `dtype` (None: ``config.floatx()``), copied only if necessary.

    Raises
    ------
    ValueError
        If `dtype` is not a float type of this library, or a value is too large for it; the message names `source`.
    """
    float_type = check_float_type(floatx() if dtype is None else dtype)
    with np.errstate(over="ignore"):
        return _rounded(values, float_type, source)


def _rounded(values: NDArray[Any], float_type: str, source: object) -> NDArray[Any]:
    result = np.asarray(values, float_type, order="C")
    if not is_finite(result):
        raise ValueError(f"{source} holds values too large for dtype {float_type!r}.")
    return result


def checks_values(initializer: Any) -> TypeGuard[Initializer]:
    """Whether values are computed by the method of this library's initializers, which checks them."""
    return isinstance(initializer, Initializer) and type(initializer).__call__ is Initializer.__call__


def check_seed(seed: Any) -> int | None:
    """`seed` as an int of at least 0, or ``None``.

    Raises
    ------
    TypeError
        If it is anything else, such as a bool or a float.
    ValueError
        If it is negative.
    """
    return None if seed is None else check_integer("seed", seed, minimum=0)
