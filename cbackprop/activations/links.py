"""Activations for the last layer: linear, exponential, softmax, log_softmax and sparsemax."""

from __future__ import annotations

from collections.abc import Sequence

from cbackprop.activations.function import Kernel, activation, check_axes
from cbackprop.validation import check_integer

__all__ = ["exponential", "linear", "log_softmax", "softmax", "sparsemax"]


@activation()
def linear() -> Kernel:
    """Linear activation, the identity: ``f(x) = x``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.linear([-1.0, 2.0])
    array([-1.,  2.], dtype=float32)
    """
    return Kernel("linear")


@activation()
def exponential() -> Kernel:
    """Exponential function: ``f(x) = exp(x)``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; 0 or infinity if the result is too small or too large for the type.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.exponential([0.0, 1.0]).round(4)
    array([1.    , 2.7183], dtype=float32)
    """
    return Kernel("exponential")


@activation()
def softmax(axis: int | Sequence[int] = -1) -> Kernel:
    """Softmax: ``f(x)_j = exp(x_j) / sum_k exp(x_k)`` along an axis.

    Parameters
    ----------
    x : array_like or KerasTensor
    axis : int or tuple of int, default -1
        The axis along which values sum to 1. With several axes, all values along them sum to 1 together.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`. Values are not negative and sum to 1 along `axis`.

    Raises
    ------
    TypeError
        If `axis` is neither an integer nor a tuple of them.
    ValueError
        If `axis` is not an axis of `x`; for symbolic `x` also if several axes are not adjacent.

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs, with
    relationships to statistical pattern recognition", Neurocomputing, Springer 1990.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.softmax([0.0, 0.0])
    array([0.5, 0.5], dtype=float32)
    """
    return Kernel("softmax", axis=check_axes(axis))


@activation()
def log_softmax(axis: int | Sequence[int] = -1) -> Kernel:
    """Logarithm of softmax: ``f(x)_j = x_j - log(sum_k exp(x_k))`` along an axis.

    Parameters
    ----------
    x : array_like or KerasTensor
    axis : int or tuple of int, default -1
        The axis along which the exponentials sum to 1. With several axes, all along them sum to 1 together.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are not positive.

    Raises
    ------
    TypeError
        If `axis` is neither an integer nor a tuple of them.
    ValueError
        If `axis` is not an axis of `x`; for symbolic `x` also if several axes are not adjacent.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.log_softmax([0.0, 0.0]).round(4)
    array([-0.6931, -0.6931], dtype=float32)
    """
    return Kernel("log_softmax", axis=check_axes(axis))


@activation()
def sparsemax(axis: int = -1) -> Kernel:
    """Sparsemax: ``f(x)_j = max(x_j - tau, 0)`` along an axis, with tau such that the values sum to 1.

    It is like softmax, but small values become exactly 0.

    Parameters
    ----------
    x : array_like or KerasTensor
    axis : int, default -1
        The axis along which values sum to 1.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`. Values are not negative and sum to 1 along `axis`.

    Raises
    ------
    TypeError
        If `axis` is not an integer.
    ValueError
        If `axis` is not an axis of `x`.

    References
    ----------
    Martins and Astudillo, "From softmax to sparsemax", ICML 2016.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.sparsemax([0.5, 1.0, -1.0])
    array([0.25, 0.75, 0.  ], dtype=float32)
    """
    return Kernel("sparsemax", axis=check_integer("axis", axis))
