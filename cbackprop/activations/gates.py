"""Gates: x, or half of it, times a function that rises from 0 to 1."""

from __future__ import annotations

from cbackprop.activations.function import Kernel, activation
from cbackprop.validation import check_boolean, check_integer

__all__ = ["gelu", "glu", "hard_silu", "hard_swish", "mish", "silu", "swish"]


@activation("swish")
def silu() -> Kernel:
    """Sigmoid linear unit, also called swish: ``f(x) = x * sigmoid(x)``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    References
    ----------
    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation
    in reinforcement learning", Neural Networks 107, 2018, arXiv:1702.03118.
    Ramachandran, Zoph and Le, "Searching for activation functions", 2017, arXiv:1710.05941.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.silu([-2.0, 2.0]).round(4)
    array([-0.2384,  1.7616], dtype=float32)
    """
    return Kernel("silu")


@activation("hard_swish")
def hard_silu() -> Kernel:
    """Hard SiLU, also called hard swish: ``f(x) = x * min(max((x + 3) / 6, 0), 1)``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.hard_silu([-4.0, -1.5, 1.5, 4.0])
    array([-0.   , -0.375,  1.125,  4.   ], dtype=float32)
    """
    return Kernel("hard_silu")


@activation()
def gelu(approximate: bool = False) -> Kernel:
    """Gaussian error linear unit: ``f(x) = x * Phi(x)``, where Phi is the normal distribution function.

    Parameters
    ----------
    x : array_like or KerasTensor
    approximate : bool, default False
        Use ``(1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2`` in place of
        ``Phi(x) = (1 + erf(x / sqrt(2))) / 2``.

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    Raises
    ------
    TypeError
        If `approximate` is neither ``True`` nor ``False``.

    References
    ----------
    Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016, arXiv:1606.08415.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.gelu([-2.0, 2.0]).round(4)
    array([-0.0455,  1.9545], dtype=float32)
    """
    return Kernel("approximate_gelu" if check_boolean("approximate", approximate) else "gelu")


@activation()
def glu(axis: int = -1) -> Kernel:
    """Gated linear unit: ``f([a, b]) = a * sigmoid(b)``, where a and b are the halves of x along an axis.

    Parameters
    ----------
    x : array_like or KerasTensor
        Its size along the axis must be even.
    axis : int, default -1
        The axis that is halved. In a layer it must not be 0, the batch.

    Returns
    -------
    ndarray or KerasTensor
        Half as long as `x` along the axis: ``Dense(8, activation="glu")`` has 4 outputs.

    Raises
    ------
    TypeError
        If `axis` is not an integer.
    ValueError
        If `x` does not have the axis, or its size there is odd.

    References
    ----------
    Dauphin, Fan, Auli and Grangier, "Language modeling with gated convolutional networks", ICML 2017,
    arXiv:1612.08083.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.glu([3.0, -2.0, 0.0, 100.0])
    array([ 1.5, -2. ], dtype=float32)
    """
    return Kernel("glu", axis=check_integer("axis", axis), halves=True)


@activation()
def mish() -> Kernel:
    """Mish: ``f(x) = x * tanh(log(1 + exp(x)))``.

    Parameters
    ----------
    x : array_like or KerasTensor

    Returns
    -------
    ndarray or KerasTensor
        Has the shape of `x`.

    References
    ----------
    Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020, arXiv:1908.08681.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.mish([-2.0, 2.0]).round(4)
    array([-0.2525,  1.944 ], dtype=float32)
    """
    return Kernel("mish")


swish = silu
hard_swish = hard_silu
