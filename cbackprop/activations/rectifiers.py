"""Rectifiers: close to x for positive x, and bounded or flatter for negative x."""

from __future__ import annotations

import math

from cbackprop.activations.function import Kernel, activation
from cbackprop.validation import check_number

__all__ = ["celu", "elu", "leaky_relu", "relu", "relu6", "selu", "softplus", "sparse_plus", "squareplus", "threshold"]


def _leaky(negative_slope: float) -> Kernel:
    """The kernel of a leaky ReLU. With a negative slope y is positive on both sides, so f' must be computed from x."""
    if negative_slope >= 0:
        return Kernel("leaky_relu", (negative_slope,))
    return Kernel("general_relu", (negative_slope, math.inf, 0.0))


@activation()
def relu(negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Kernel:
    """Rectified linear unit: ``f(x) = max(x, 0)``, with its variants.

    With all arguments: ``f(x) = min(x, max_value)`` where ``x > threshold``, else ``negative_slope * (x - threshold)``.

    Parameters
    ----------
    x : array_like or KerasTensor
    negative_slope : float, default 0.0
        The slope below the threshold.
    max_value : float, optional
        The largest value, at least 0; no limit by default.
    threshold : float, default 0.0
        Values up to this are multiplied by the negative slope. If it is negative and there is a `max_value`, values
        between it and 0 become 0, as in Keras.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Raises
    ------
    TypeError
        If an argument is not a number.
    ValueError
        If an argument is not finite, or `max_value` is negative.

    References
    ----------
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.relu([-2.0, 3.0, 8.0])
    array([0., 3., 8.], dtype=float32)
    >>> cb.activations.relu([-2.0, 3.0, 8.0], negative_slope=0.5, max_value=5.0)
    array([-1.,  3.,  5.], dtype=float32)
    """
    negative_slope = check_number("negative_slope", negative_slope)
    max_value = math.inf if max_value is None else check_number("max_value", max_value, minimum=0)
    threshold = check_number("threshold", threshold)
    if threshold == 0 and max_value == math.inf:
        return Kernel("relu") if negative_slope == 0 else _leaky(negative_slope)
    if threshold == 0 and max_value == 6 and negative_slope == 0:
        return Kernel("relu6")
    return Kernel("general_relu", (negative_slope, max_value, threshold))


@activation()
def relu6() -> Kernel:
    """Rectified linear unit limited to 6: ``f(x) = min(max(x, 0), 6)``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are between 0 and 6.

    References
    ----------
    Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.relu6([-2.0, 3.0, 8.0])
    array([0., 3., 6.], dtype=float32)
    """
    return Kernel("relu6")


@activation()
def leaky_relu(negative_slope: float = 0.2) -> Kernel:
    """Leaky rectified linear unit: ``f(x) = x`` where ``x > 0``, else ``negative_slope * x``.

    Parameters
    ----------
    x : array_like or KerasTensor
    negative_slope : float, default 0.2

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Raises
    ------
    TypeError
        If `negative_slope` is not a number.
    ValueError
        If `negative_slope` is not finite.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.leaky_relu([-2.0, 3.0], negative_slope=0.25)
    array([-0.5,  3. ], dtype=float32)
    """
    return _leaky(check_number("negative_slope", negative_slope))


@activation()
def elu(alpha: float = 1.0) -> Kernel:
    """Exponential linear unit: ``f(x) = x`` where ``x > 0``, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    x : array_like or KerasTensor
    alpha : float, default 1.0
        For x towards minus infinity f(x) approaches ``-alpha``.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Raises
    ------
    TypeError
        If `alpha` is not a number.
    ValueError
        If `alpha` is not finite.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear
    units (ELUs)", ICLR 2016, arXiv:1511.07289.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.elu([-1.0, 3.0]).round(4)
    array([-0.6321,  3.    ], dtype=float32)
    """
    alpha = check_number("alpha", alpha)
    # with a negative alpha y is positive on both sides, so f' must be computed from x
    return Kernel("elu" if alpha >= 0 else "general_elu", (alpha,))


@activation()
def celu(alpha: float = 1.0) -> Kernel:
    """Continuously differentiable exponential linear unit.

    ``f(x) = x`` where ``x >= 0``, else ``alpha * (exp(x / alpha) - 1)``.

    Parameters
    ----------
    x : array_like or KerasTensor
    alpha : float, default 1.0
        For x towards minus infinity f(x) approaches ``-alpha``. It must not be 0.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Raises
    ------
    TypeError
        If `alpha` is not a number.
    ValueError
        If `alpha` is 0 or not finite.

    References
    ----------
    Barron, "Continuously differentiable exponential linear units", 2017, arXiv:1704.07483.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.celu([-1.0, 3.0], alpha=0.5).round(4)
    array([-0.4323,  3.    ], dtype=float32)
    """
    alpha = check_number("alpha", alpha)
    if alpha == 0:
        raise ValueError(f"alpha must not be 0, because x is divided by it, but got {alpha!r}.")
    return Kernel("celu", (alpha,))


@activation()
def selu() -> Kernel:
    """Scaled exponential linear unit.

    ``f(x) = scale * x`` where ``x > 0``, else ``scale * alpha * (exp(x) - 1)``, with ``scale = 1.05070098...`` and
    ``alpha = 1.67326324...``, which keep mean 0 and variance 1 from layer to layer.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS 2017,
    arXiv:1706.02515.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.selu([-1.0, 1.0]).round(4)
    array([-1.1113,  1.0507], dtype=float32)
    """
    return Kernel("selu")


@activation()
def softplus() -> Kernel:
    """Softplus, a smooth rectifier: ``f(x) = log(1 + exp(x))``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are not negative.

    References
    ----------
    Dugas, Bengio, Belisle, Nadeau and Garcia, "Incorporating second-order functional knowledge for
    better option pricing", NIPS 2000.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.softplus([-100.0, 0.0, 100.0]).round(4)
    array([  0.    ,   0.6931, 100.    ], dtype=float32)
    """
    return Kernel("softplus")


@activation()
def squareplus(b: float = 4) -> Kernel:
    """Squareplus, a smooth rectifier without exponentials: ``f(x) = (x + sqrt(x**2 + b)) / 2``.

    Parameters
    ----------
    x : array_like or KerasTensor
    b : float, default 4
        The width of the bend at 0, at least 0. 0 gives `relu`.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are not negative.

    Raises
    ------
    TypeError
        If `b` is not a number.
    ValueError
        If `b` is negative or not finite.

    References
    ----------
    Barron, "Squareplus: a softplus-like algebraic rectifier", 2021, arXiv:2112.11687.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.squareplus([0.0, 1.5])
    array([1., 2.], dtype=float32)
    """
    b = check_number("b", b, minimum=0)
    return Kernel("squareplus", (b,)) if b > 0 else Kernel("relu")


@activation()
def sparse_plus() -> Kernel:
    """Sparse plus, a smooth rectifier: 0 below -1, ``f(x) = (x + 1)^2 / 4`` in [-1, 1], and x above 1.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are not negative.

    References
    ----------
    Blondel, Martins and Niculae, "Learning with Fenchel-Young losses", Journal of Machine Learning Research 21, 2020.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.sparse_plus([-2.0, 0.0, 2.0])
    array([0.  , 0.25, 2.  ], dtype=float32)
    """
    return Kernel("sparse_plus")


@activation()
def threshold(threshold: float = 0.0, default_value: float = 0.0) -> Kernel:
    """Threshold: ``f(x) = x`` where ``x > threshold``, else `default_value`.

    Parameters
    ----------
    x : array_like or KerasTensor
    threshold : float, default 0.0
    default_value : float, default 0.0
        Keras has no defaults for these two numbers.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Raises
    ------
    TypeError
        If an argument is not a number.
    ValueError
        If an argument is not finite.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.threshold([-1.0, 0.5, 2.0], 1.0, 0.25)
    array([0.25, 0.25, 2.  ], dtype=float32)
    """
    return Kernel("threshold", (check_number("threshold", threshold), check_number("default_value", default_value)))
