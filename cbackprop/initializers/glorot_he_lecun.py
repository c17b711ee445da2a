"""Variance scaling with the scales of Glorot, He and LeCun."""

from __future__ import annotations

from collections.abc import Sequence

from cbackprop.initializers.initializer import registry
from cbackprop.initializers.variance_scaling import VarianceScaling

__all__ = ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"]


@registry.register()
class GlorotNormal(VarianceScaling):
    """Truncated normal draws of variance ``2 / (fan_in + fan_out)``.

    ``w ~ N(0, s**2)`` given ``|w| <= 2 s``. Here ``s = sqrt(2 / (fan_in + fan_out)) / 0.8796``, so that the
    standard deviation after the cut is ``sqrt(2 / (fan_in + fan_out))``.
    A matrix has shape (fan_in, fan_out); for other shapes see `VarianceScaling`.

    This variance is a compromise for symmetric activations such as tanh: ``1 / fan_in`` would keep the size of signals
    in the forward pass, ``1 / fan_out`` that of deltas in the backward pass. Also called Xavier normal.

    Parameters
    ----------
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.
    input_axes, output_axes : list of int, optional
        Axes of the weight. The products of their sizes are the fan-in and the fan-out, as in `VarianceScaling`.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `seed` is negative, or only one of `input_axes` and `output_axes` is given.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16. https://proceedings.mlr.press/v9/glorot10a.html

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.GlorotNormal(seed=0)((300, 100))
    >>> round(float(w.std()), 2)
    0.07
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, input_axes, output_axes)


@registry.register()
class GlorotUniform(VarianceScaling):
    """Uniform draws of variance ``2 / (fan_in + fan_out)``.

    ``w ~ U[-limit, limit)`` with ``limit = sqrt(6 / (fan_in + fan_out))``.
    A matrix has shape (fan_in, fan_out); for other shapes see `VarianceScaling`.

    This variance is a compromise for symmetric activations such as tanh: ``1 / fan_in`` would keep the size of signals
    in the forward pass, ``1 / fan_out`` that of deltas in the backward pass. Also called Xavier uniform.

    Parameters
    ----------
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.
    input_axes, output_axes : list of int, optional
        Axes of the weight. The products of their sizes are the fan-in and the fan-out, as in `VarianceScaling`.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `seed` is negative, or only one of `input_axes` and `output_axes` is given.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16. https://proceedings.mlr.press/v9/glorot10a.html

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.GlorotUniform(seed=0)((400, 200))
    >>> round(float(abs(w).max()), 3)
    0.1
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, input_axes, output_axes)


@registry.register()
class HeNormal(VarianceScaling):
    """Truncated normal draws of variance ``2 / fan_in``.

    ``w ~ N(0, s**2)`` given ``|w| <= 2 s``. Here ``s = sqrt(2 / fan_in) / 0.8796``, so that the
    standard deviation after the cut is ``sqrt(2 / fan_in)``.
    A matrix has shape (fan_in, fan_out); for other shapes see `VarianceScaling`.

    Signals keep their size in a network of ReLUs: each ReLU halves the mean square of its input, and the factor 2
    compensates for that.

    Parameters
    ----------
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.
    input_axes, output_axes : list of int, optional
        Axes of the weight. The products of their sizes are the fan-in and the fan-out, as in `VarianceScaling`.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `seed` is negative, or only one of `input_axes` and `output_axes` is given.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing human-level performance on
    ImageNet classification", ICCV 2015, equation 10. https://arxiv.org/abs/1502.01852

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.HeNormal(seed=0)((200, 100))
    >>> round(float(w.std()), 2)
    0.1
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


@registry.register()
class HeUniform(VarianceScaling):
    """Uniform draws of variance ``2 / fan_in``.

    ``w ~ U[-limit, limit)`` with ``limit = sqrt(6 / fan_in)``.
    A matrix has shape (fan_in, fan_out); for other shapes see `VarianceScaling`.

    Signals keep their size in a network of ReLUs: each ReLU halves the mean square of its input, and the factor 2
    compensates for that.

    Parameters
    ----------
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.
    input_axes, output_axes : list of int, optional
        Axes of the weight. The products of their sizes are the fan-in and the fan-out, as in `VarianceScaling`.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `seed` is negative, or only one of `input_axes` and `output_axes` is given.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing human-level performance on
    ImageNet classification", ICCV 2015, equation 10. https://arxiv.org/abs/1502.01852

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.HeUniform(seed=0)((600, 100))
    >>> round(float(abs(w).max()), 3)
    0.1
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed, input_axes, output_axes)


@registry.register()
class LecunNormal(VarianceScaling):
    """Truncated normal draws of variance ``1 / fan_in``.

    ``w ~ N(0, s**2)`` given ``|w| <= 2 s``. Here ``s = sqrt(1 / fan_in) / 0.8796``, so that the
    standard deviation after the cut is ``sqrt(1 / fan_in)``.
    A matrix has shape (fan_in, fan_out); for other shapes see `VarianceScaling`.

    The weighted sum of inputs with mean 0 and variance 1 then has variance 1. Use it for networks of SELUs.

    Parameters
    ----------
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.
    input_axes, output_axes : list of int, optional
        Axes of the weight. The products of their sizes are the fan-in and the fan-out, as in `VarianceScaling`.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `seed` is negative, or only one of `input_axes` and `output_axes` is given.

    References
    ----------
    Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller, "Efficient BackProp", in Neural Networks: Tricks of the Trade,
    Springer 1998, section 4.6. https://doi.org/10.1007/3-540-49430-8_2

    G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-normalizing neural networks", NeurIPS 2017.
    https://arxiv.org/abs/1706.02515

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.LecunNormal(seed=0)((100, 100))
    >>> round(float(w.std()), 2)
    0.1
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


@registry.register()
class LecunUniform(VarianceScaling):
    """Uniform draws of variance ``1 / fan_in``.

    ``w ~ U[-limit, limit)`` with ``limit = sqrt(3 / fan_in)``.
    A matrix has shape (fan_in, fan_out); for other shapes see `VarianceScaling`.

    The weighted sum of inputs with mean 0 and variance 1 then has variance 1. Use it for networks of SELUs.

    Parameters
    ----------
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.
    input_axes, output_axes : list of int, optional
        Axes of the weight. The products of their sizes are the fan-in and the fan-out, as in `VarianceScaling`.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `seed` is negative, or only one of `input_axes` and `output_axes` is given.

    References
    ----------
    Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller, "Efficient BackProp", in Neural Networks: Tricks of the Trade,
    Springer 1998, section 4.6. https://doi.org/10.1007/3-540-49430-8_2

    G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-normalizing neural networks", NeurIPS 2017.
    https://arxiv.org/abs/1706.02515

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.LecunUniform(seed=0)((300, 100))
    >>> round(float(abs(w).max()), 3)
    0.1
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed, input_axes, output_axes)
