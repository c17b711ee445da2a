"""Penalties on the sum of absolute values and on the sum of squares of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.regularizers.regularizer import Regularizer, check_array, registry
from cbackprop.validation import check_number

__all__ = ["L1", "L1L2", "L2", "DividedL2"]


class ElementPenalty(Regularizer):
    """Base: ``l1 * sum(|x|) + l2 * sum(x^2)``, where subclasses set the two factors (0 by default)."""

    implementation = "ElementPenalty"
    l1: float = 0.0
    l2: float = 0.0

    def __call__(self, x: ArrayLike) -> float:
        """``l1 * sum(|x|) + l2 * sum(x^2)``. Raises ``TypeError`` if `x` does not hold real numbers."""
        x = check_array(x)
        absolute = float(np.abs(x).sum(dtype=np.float64)) if self.l1 else 0.0
        squares = float(np.square(x, dtype=np.float64).sum()) if self.l2 else 0.0
        return self.l1 * absolute + self.l2 * squares

    def gradient(self, x: ArrayLike) -> NDArray[Any]:
        """``l1 * sign(x) + 2 * l2 * x``. Raises ``TypeError`` if `x` does not hold real numbers."""
        x = check_array(x)
        return np.asarray(self.l1 * np.sign(x) + 2 * self.l2 * x, x.dtype)


def check_factor(name: str, value: Any, default: float) -> float:
    """Check that a factor is at least 0; ``None`` gives the default."""
    return default if value is None else check_number(name, value, minimum=0)


@registry.register()
class L1(ElementPenalty):
    """Sum of absolute values: ``l1 * sum(|x|)``, which drives weights to exactly 0.

    Parameters
    ----------
    l1 : float, default 0.01
        The factor of the sum of absolute values, at least 0.

    Raises
    ------
    TypeError, ValueError
        If the factor is not a number, negative or not finite.

    References
    ----------
    Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996. Arguments and defaults are
    those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.regularizers.L1(0.5)([1.0, -3.0])
    2.0
    >>> cb.regularizers.L1(0.5).gradient([1.0, -3.0])
    array([ 0.5, -0.5])
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = check_factor("l1", l1, 0.01)


@registry.register()
class L2(ElementPenalty):
    """Sum of squares: ``l2 * sum(x^2)``.

    Parameters
    ----------
    l2 : float, default 0.01
        The factor of the sum of squares, at least 0.

    Raises
    ------
    TypeError, ValueError
        If the factor is not a number, negative or not finite.

    References
    ----------
    Krogh and Hertz, "A simple weight decay can improve generalization", NIPS 1991. Arguments and defaults are those
    of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.regularizers.L2(0.5)([1.0, -3.0])
    5.0
    >>> layer = cb.layers.Dense(3, kernel_regularizer="l2")
    >>> layer.kernel_regularizer
    L2()
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = check_factor("l2", l2, 0.01)


@registry.register()
class L1L2(ElementPenalty):
    """Sum of absolute values and sum of squares: ``l1 * sum(|x|) + l2 * sum(x^2)``.

    Parameters
    ----------
    l1, l2 : float, default 0.0
        The factors of the two sums, at least 0.

    Raises
    ------
    TypeError, ValueError
        If a factor is not a number, negative or not finite.

    References
    ----------
    Zou and Hastie, "Regularization and variable selection via the elastic net", JRSS B 67, 2005. Arguments and
    defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.regularizers.L1L2(l1=1.0, l2=0.5)([1.0, -3.0])
    9.0
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = check_factor("l1", l1, 0.0)
        self.l2 = check_factor("l2", l2, 0.0)


@registry.register()
class DividedL2(ElementPenalty):
    """Sum of squares divided by the size of the batch: ``l2 * sum(x^2) / n`` is added to the loss.

    ``n`` is what the loss of the model's first output is divided by: the number of samples or, with the reduction
    ``"mean_with_sample_weight"``, the sum of their weights. So the penalty has the same meaning for every batch size,
    including the smaller last batch of an epoch. With ``l2 = 1 / (2 s^2)`` it is a normal prior with standard deviation
    s on each weight, which counts as much as one sample.

    Parameters
    ----------
    l2 : float, default 0.01
        The factor of the sum of squares, at least 0.

    Raises
    ------
    TypeError, ValueError
        If the factor is not a number, negative or not finite.

    Notes
    -----
    When called on an array, it returns the sum without the division. As an `activity_regularizer` it is the same as
    `L2`, which is then divided by the number of samples.

    References
    ----------
    The penalty ``alpha / 2`` of scikit-learn's `MLPClassifier` and `MLPRegressor`. MacKay, "A practical Bayesian
    framework for backpropagation networks", Neural Computation 4, 1992.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.Dense(1, kernel_initializer="ones", kernel_regularizer=cb.regularizers.DividedL2(0.5))
    >>> model = cb.Sequential([cb.Input((1,)), layer])
    >>> model.compile("sgd", "mse")
    >>> model.evaluate([[0.0]] * 4, [[0.0]] * 4, verbose=0)
    0.125
    """

    divided = True

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = check_factor("l2", l2, 0.01)
