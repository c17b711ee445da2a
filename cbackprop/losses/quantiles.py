"""The quantile loss, which weights errors above and below the target differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.validation import check_number

__all__ = ["Quantile", "quantile"]


@registry.register()
class Quantile(Loss):
    """Quantile (pinball) loss: ``loss = mean(max(q d, (q - 1) d))``, ``d = y_true - y_pred``, over the last axis.

    It is smallest if the prediction is the quantile q = `quantile` of the target: 0.5 predicts the median. With a list
    of quantiles, each element of a prediction's row has its own quantile; then `y_true` may have one number for each
    row, the target of all of them.

    Parameters
    ----------
    quantile : float or list of float, default 0.5
        Between 0 and 1, both excluded; or a list with one for each element of a prediction's row.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "quantile"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when compiled or called, if rows of the prediction do not
        have an element for each quantile.

    Notes
    -----
    ``d loss / d y_pred = -q / width`` below the target, ``(1 - q) / width`` above it, and 0 where they are equal.

    References
    ----------
    Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978.
    Arguments and defaults are those of this library; Keras has no such loss.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.Quantile(0.75)([[1.0], [1.0]], [[0.0], [2.0]]))
    0.5
    >>> round(float(cb.losses.Quantile([0.1, 0.5, 0.9])([1.0], [[0.5, 1.0, 2.0]])), 4)
    0.05
    """

    implementation = "losses.regression.Quantile"
    elementwise = True

    def __init__(
        self,
        quantile: float | Sequence[float] = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "quantile",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.quantile = _check_quantiles(quantile)

    def repeats_targets(self) -> bool:
        """Whether there are several quantiles, so that one target serves a whole row."""
        return isinstance(self.quantile, list)

    def check_output(self, shape: tuple[int, ...]) -> None:
        """``ValueError`` unless rows of predictions of this shape have an element for each quantile."""
        if isinstance(self.quantile, list) and (not shape or shape[-1] != len(self.quantile)):
            raise ValueError(
                f"The loss {self.name!r} has {len(self.quantile)} quantiles, so each row of predictions must have as "
                f"many elements, but the predictions have shape {('batch', *shape)}."
            )

    def unit_values(
        self, y_true: ArrayLike, y_pred: ArrayLike, by_element: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """See `RowFunction.unit_values`."""
        if isinstance(self.quantile, list):
            self.check_output(np.shape(y_pred)[-1:] if np.ndim(y_pred) == 1 else np.shape(y_pred)[1:])
        return super().unit_values(y_true, y_pred, by_element)


def _check_quantiles(value: Any) -> float | list[float]:
    """Check one number between 0 and 1, or a list of them."""
    if not isinstance(value, (list, tuple)) and not (isinstance(value, np.ndarray) and value.ndim):
        return check_number("quantile", value, 0, 1, open_minimum=True, open_maximum=True)
    found = [check_number("quantile", one, 0, 1, open_minimum=True, open_maximum=True) for one in value]
    if not found:
        raise ValueError("quantile must be a number, or a list of at least one, but is empty.")
    return found


@loss_function(Quantile)
def quantile(y_true: ArrayLike, y_pred: ArrayLike, quantile: float | Sequence[float] = 0.5) -> NDArray[Any]:
    """Quantile loss of each row: `Quantile` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)
    quantile : float or list of float, default 0.5
        Between 0 and 1, both excluded; or a list with one for each element of a row.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `Quantile`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.quantile([[1.0], [1.0]], [[0.0], [2.0]], 0.75).tolist()
    [0.75, 0.25]
    """
    values: NDArray[Any] = Quantile(quantile, reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values
