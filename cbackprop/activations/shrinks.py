"""Shrinkage functions: small x become 0 or nearly 0."""

from __future__ import annotations

from cbackprop.activations.function import Kernel, activation
from cbackprop.validation import check_number

__all__ = ["hard_shrink", "soft_shrink", "tanh_shrink"]


@activation()
def soft_shrink(threshold: float = 0.5) -> Kernel:
    """Soft shrinkage: ``f(x) = sign(x) * max(|x| - threshold, 0)``.

    Parameters
    ----------
    x : array_like or KerasTensor
    threshold : float, default 0.5
        The size up to which values shrink to 0; at least 0.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Raises
    ------
    TypeError
        If `threshold` is not a number.
    ValueError
        If `threshold` is negative or not finite.

    References
    ----------
    Donoho, "De-noising by soft-thresholding", IEEE Transactions on Information Theory 41, 1995.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.soft_shrink([-2.0, 0.25, 2.0])
    array([-1.5,  0. ,  1.5], dtype=float32)
    """
    return Kernel("soft_shrink", (check_number("threshold", threshold, minimum=0),))


@activation()
def hard_shrink(threshold: float = 0.5) -> Kernel:
    """Hard shrinkage: ``f(x) = x`` where ``|x| > threshold``, else 0.

    Parameters
    ----------
    x : array_like or KerasTensor
    threshold : float, default 0.5
        The size up to which values shrink to 0; at least 0.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Raises
    ------
    TypeError
        If `threshold` is not a number.
    ValueError
        If `threshold` is negative or not finite.

    References
    ----------
    Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.hard_shrink([-2.0, 0.25, 2.0])
    array([-2.,  0.,  2.], dtype=float32)
    """
    return Kernel("hard_shrink", (check_number("threshold", threshold, minimum=0),))


@activation()
def tanh_shrink() -> Kernel:
    """Tanh shrinkage: ``f(x) = x - tanh(x)``.

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
    >>> cb.activations.tanh_shrink([-2.0, 2.0]).round(4)
    array([-1.036,  1.036], dtype=float32)
    """
    return Kernel("tanh_shrink")
