"""Kullback-Leibler divergence and Poisson loss as metrics, computed by the losses' kernels."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.metrics.metric import RowMean, registry

__all__ = ["KLDivergence", "Poisson"]


@registry.register()
class KLDivergence(RowMean):
    """Mean Kullback-Leibler divergence: ``mean(sum(y_true log(y_true / y_pred)))``.

    Parameters
    ----------
    name : str, default "kl_divergence"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        For an unknown dtype; when called, if a label is outside [0, 1].

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.KLDivergence()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])), 4)
    0.4581
    """

    implementation = "losses.probabilistic.KLDivergence"
    target_limits = (0.0, 1.0)

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class Poisson(RowMean):
    """Mean Poisson loss: ``mean(y_pred - y_true log(y_pred))``.

    Parameters
    ----------
    name : str, default "poisson"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        For an unknown dtype; when called, if a target is negative.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.Poisson()([[0, 1], [0, 0]], [[1, 1], [0, 0]])), 4)
    0.5
    """

    implementation = "losses.probabilistic.Poisson"
    target_limits = (0.0, math.inf)

    def __init__(self, name: str | None = "poisson", dtype: Any = None) -> None:
        super().__init__(dtype, name)
