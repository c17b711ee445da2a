"""The base of all losses."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.losses.target import check_target, check_weights
from cbackprop.registry import Registry, snake_case
from cbackprop.spec import Spec

__all__ = ["REDUCTIONS", "Loss", "registry"]

registry = Registry("loss", "losses")

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(Spec):
    """Base of all losses: a value for each row of the last axis, and how the values become one number.

    Parameters
    ----------
    reduction : {"sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None}
        ``"sum_over_batch_size"`` and ``"mean"``: weighted sum of the values over their number.
        ``"mean_with_sample_weight"``: over the sum of the weights. ``None``: all values.
    name : str, optional
    dtype : {"float32", "float64"}, optional
        Of the values when the loss is called on arrays.

    Raises
    ------
    ValueError
        For an unknown reduction.
    """

    # "module.Class" below cbackprop.compiled.losses and cbackprop.reference.losses.
    implementation: ClassVar[str]
    # The activation that this loss can take over, so that both cancel in the gradient.
    link: ClassVar[str | None] = None
    # "values": y_true is shaped like y_pred. "index": y_true holds the number of a class for each row.
    target_kind: ClassVar[str] = "values"

    from_logits: bool = False

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None) -> None:
        if reduction not in REDUCTIONS:
            known = ", ".join(map(repr, REDUCTIONS))
            raise ValueError(f"reduction must be one of {known}, but got {reduction!r}.")
        self.reduction = reduction
        self.name = name or snake_case(type(self).__name__)
        self.dtype = config.floatx() if dtype is None else config.check_float_type(dtype)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """The loss of predictions on plain arrays.

        Parameters
        ----------
        y_true : array_like
            Shaped like `y_pred`; class numbers, without the last axis, for a sparse loss.
        y_pred : array_like, shape (batch, ..., width)
        sample_weight : array_like, optional
            Shape (batch,), or one weight for each row of `y_pred`.

        Returns
        -------
        numpy scalar, or ndarray if the reduction is ``None``

        Raises
        ------
        ValueError
            If the shapes do not fit, a label is out of range or anything is NaN or infinite.
        """
        prediction = np.asarray(y_pred, self.dtype, order="C")
        values = self.values(y_true, prediction)
        weights = check_weights("sample_weight", sample_weight, values.shape)
        return self.reduce(values, weights)

    def values(self, y_true: ArrayLike, y_pred: NDArray[Any]) -> NDArray[Any]:
        """The value of every row of the last axis, by the compiled kernel."""
        if y_pred.ndim == 0:
            raise ValueError("y_pred must have at least one axis.")
        target = check_target("y_true", y_true, y_pred.shape, self.target_kind, self.dtype)
        rows = np.array(y_pred).reshape(-1, y_pred.shape[-1])
        function = self.row_function(False, self.dtype)
        evaluate = function.values_of_classes if self.target_kind == "index" else function.values
        values: NDArray[Any] = evaluate(target, rows)
        return values.reshape(y_pred.shape[:-1]).astype(self.dtype)

    def row_function(self, linked: bool, dtype: str) -> Any:
        """The compiled loss."""
        module, _, name = self.implementation.rpartition(".")
        compiled = importlib.import_module(f"cbackprop.compiled.{module}")
        return getattr(compiled, name)(self, linked, dtype == "float64")

    def reduce(self, values: NDArray[Any], weights: NDArray[Any] | None) -> Any:
        """Values of rows and their weights, as `reduction` says."""
        weighted = values if weights is None else values * weights
        if self.reduction in (None, "none"):
            return weighted.astype(self.dtype)
        total = weighted.sum(dtype=np.float64)
        return np.dtype(self.dtype).type(total / self.divisor(values.size, weights))

    def divisor(self, rows: int, weights: NDArray[Any] | None) -> float:
        """What the weighted sum of the values is divided by."""
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            total = float(weights.sum())
            return total if total else 1.0
        return 1.0 if self.reduction == "sum" else float(max(rows, 1))
