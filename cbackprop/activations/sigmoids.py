"""Sigmoids, which rise from one bound to another, and the logarithm of one."""

from __future__ import annotations

from cbackprop.activations.function import Kernel, activation

__all__ = ["hard_sigmoid", "hard_tanh", "log_sigmoid", "sigmoid", "softsign", "sparse_sigmoid", "tanh"]


@activation()
def sigmoid() -> Kernel:
    """Logistic sigmoid: ``f(x) = 1 / (1 + exp(-x))``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are between 0 and 1.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
    Nature 323, 1986.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.sigmoid([-100.0, 0.0, 100.0]).round(4)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return Kernel("sigmoid")


@activation()
def hard_sigmoid() -> Kernel:
    """Hard sigmoid, a sigmoid of three straight pieces: ``f(x) = min(max((x + 3) / 6, 0), 1)``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are between 0 and 1.

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.hard_sigmoid([-3.0, 0.0, 1.5, 3.0])
    array([0.  , 0.5 , 0.75, 1.  ], dtype=float32)
    """
    return Kernel("hard_sigmoid")


@activation()
def sparse_sigmoid() -> Kernel:
    """Sparse sigmoid, which reaches 0 and 1: ``f(x) = min(max((x + 1) / 2, 0), 1)``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are between 0 and 1.

    References
    ----------
    Blondel, Martins and Niculae, "Learning with Fenchel-Young losses", JMLR 21, 2020,
    arXiv:1901.02324.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.sparse_sigmoid([-1.0, 0.0, 0.5, 1.0])
    array([0.  , 0.5 , 0.75, 1.  ], dtype=float32)
    """
    return Kernel("sparse_sigmoid")


@activation()
def log_sigmoid() -> Kernel:
    """Logarithm of the sigmoid: ``f(x) = log(1 / (1 + exp(-x)))``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are not positive.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.log_sigmoid([-100.0, 0.0]).round(4)
    array([-100.    ,   -0.6931], dtype=float32)
    """
    return Kernel("log_sigmoid")


@activation()
def tanh() -> Kernel:
    """Hyperbolic tangent: ``f(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are between -1 and 1.

    References
    ----------
    LeCun, Bottou, Orr and Mueller, "Efficient backprop", Neural Networks: Tricks of the Trade,
    Springer 1998.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.tanh([-100.0, 0.0, 0.5]).round(4)
    array([-1.    ,  0.    ,  0.4621], dtype=float32)
    """
    return Kernel("tanh")


@activation()
def hard_tanh() -> Kernel:
    """Hard tanh, a hyperbolic tangent of three straight pieces: ``f(x) = min(max(x, -1), 1)``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are between -1 and 1.

    References
    ----------
    Collobert et al., "Natural language processing (almost) from scratch", JMLR 12, 2011.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.hard_tanh([-2.0, 0.5])
    array([-1. ,  0.5], dtype=float32)
    """
    return Kernel("hard_tanh")


@activation()
def softsign() -> Kernel:
    """Softsign: ``f(x) = x / (1 + |x|)``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`; values are between -1 and 1.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.softsign([-1.0, 3.0])
    array([-0.5 ,  0.75], dtype=float32)
    """
    return Kernel("softsign")
