"""Base of the NumPy losses and metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.contract.kernel_check import check_kernel

__all__ = ["Array", "RowFunction"]

Array = NDArray[Any]


class RowFunction:
    """A value for each row of a prediction, and for a loss its derivative.

    Parameters
    ----------
    spec : cbackprop.losses.Loss or cbackprop.metrics.Metric
        The user's loss or metric.
    linked : bool
        Whether a loss gets logits and must return the predictions.
    """

    # The form of targets that `evaluate` reads (None: any), and the activations that it can compute together with it.
    reads: str | None = "values"
    links: tuple[str, ...] = ()
    # Whether the value of a row is the mean of the values of its elements, each taken as a row.
    each_element = False
    # Whether class numbers may be outside of the classes.
    takes_any_label = False

    def __init__(self, spec: Any, linked: bool) -> None:
        check_kernel(self, spec, linked)
        self.spec = spec
        self.linked = linked
        self.sample_shape: tuple[int, ...] = ()

    def set_shape(self, shape: tuple[int, ...]) -> None:
        """Set the shape of one sample of the prediction, for losses along other axes than the last."""
        self.sample_shape = shape

    def spread(self, coefficients: Array) -> Array:
        """The factor of each row of the derivative, (rows,), given the weights of the row values in the total."""
        return coefficients

    def delta(self, gradient: Any, coefficients: Array) -> Array:
        """The delta of the prediction, (rows, width), given the weights of the row values in the total."""
        scaled: Array = gradient * self.spread(coefficients)[:, np.newaxis].astype(gradient.dtype)
        return scaled

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Predictions (rows, width), values (rows,), and d value / d y_pred (rows, width).

        y_true is (rows, width), or (rows,) for class numbers. The predictions are `y_pred`, unless it holds logits. A
        metric has no derivative.
        """
        raise NotImplementedError
