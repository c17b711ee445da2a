"""Mean hinge losses as metrics, computed by the losses' kernels."""

from __future__ import annotations

from typing import Any

from cbackprop.metrics.metric import RowMean, registry

__all__ = ["CategoricalHinge", "Hinge", "SquaredHinge"]


@registry.register()
class Hinge(RowMean):
    """Mean hinge loss: ``mean(max(1 - y_true y_pred, 0))``.

    Labels are -1 and 1, or 0 and 1; then 0 counts as -1.

    Parameters
    ----------
    name : str, default "hinge"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        For an unknown dtype; when called, if a label is outside [-1, 1].

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.Hinge()([[1], [-1]], [[0.5], [-2]])), 4)
    0.25
    """

    implementation = "losses.margin.Hinge"
    target_limits = (-1.0, 1.0)

    def __init__(self, name: str | None = "hinge", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class SquaredHinge(RowMean):
    """Mean squared hinge loss: ``mean(max(1 - y_true y_pred, 0)^2)``.

    Labels are -1 and 1, or 0 and 1; then 0 counts as -1.

    Parameters
    ----------
    name : str, default "squared_hinge"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        For an unknown dtype; when called, if a label is outside [-1, 1].

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.SquaredHinge()([[1], [-1]], [[0.5], [-2]])), 4)
    0.125
    """

    implementation = "losses.margin.SquaredHinge"
    target_limits = (-1.0, 1.0)

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class CategoricalHinge(RowMean):
    """Mean of ``max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0)``, with one-hot labels.

    Parameters
    ----------
    name : str, default "categorical_hinge"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        For an unknown dtype; when called, if a label is outside [-1, 1].

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.CategoricalHinge()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])), 4)
    1.4
    """

    implementation = "losses.margin.CategoricalHinge"
    target_limits = (-1.0, 1.0)

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(dtype, name)
