"""RowFunction: base of losses and metrics whose compiled kernel computes a value for each row of a prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.contract.implementation import find
from cbackprop.losses.target import MISSING, TargetRules, check_prediction, check_target
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.spec import Adjustable

__all__ = ["RowFunction", "float_type_of", "owner", "row_function_of"]

Function = TypeVar("Function", bound=Callable[..., Any])


class RowFunction(Adjustable):
    """Base of losses and metrics that compute a value for each row of the last axis.

    Attributes
    ----------
    dtype : {"float32", "float64"}
        The type in which values are computed.
    """

    # "module.Class" below cbackprop.compiled and cbackprop.reference.
    implementation: ClassVar[str]
    # "values": y_true has the shape of y_pred. "index": y_true holds a class number for each row.
    # "half": y_true is half as wide as y_pred, which has two numbers for each target; kernels get it padded with zeros.
    target_kind: ClassVar[str] = "values"
    # "given": y_true is passed on as it was given, of any shape.
    # The smallest and the largest valid target; None: any number.
    target_limits: ClassVar[tuple[float, float] | None] = None
    # What to do with targets beyond the limits: "refuse" them, "warn", or "take" them if the formula allows it.
    beyond_limits: ClassVar[str] = "refuse"
    # Whether the value of a row is the mean over its elements, each treated as a row of one.
    elementwise: ClassVar[bool] = False
    # Whether any class numbers are allowed outside of the classes, or only those that another function ignores.
    any_label: ClassVar[bool] = False
    tolerates_labels: ClassVar[bool] = False
    # Whether unconverted targets are sequences of labels.
    label_sequences: ClassVar[bool] = False
    # Whether one thread must call it with the whole batch at once.
    couples_samples: ClassVar[bool] = False

    dtype: str

    def row_function(self, linked: bool, dtype: str) -> Any:
        """The compiled function. If `linked`, it gets logits, and overwrites them with predictions."""
        if not hasattr(self, "implementation"):
            raise TypeError(f"{type(self).__name__} computes nothing: use one of its subclasses.")
        return find("compiled", self.implementation, dtype)(self, linked)

    def target_rules(self) -> TargetRules:
        """The rules that targets must follow."""
        ignored = getattr(self, "ignore_class", None)
        limits = self.target_limits
        return TargetRules(
            limits if self.beyond_limits == "refuse" else None,
            limits if self.beyond_limits == "warn" else None,
            getattr(self, "missing", None) == "ignore",
            self.repeats_targets(),
            frozenset() if ignored is None else frozenset([ignored]),
            self.any_label,
        )

    def repeats_targets(self) -> bool:
        """Whether one target may serve all elements of a prediction's row."""
        return False

    def row_values(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """The value of each row.

        Parameters
        ----------
        y_true : array_like
            Has the shape of `y_pred`; for a sparse function class numbers, without the last axis.
        y_pred : array_like, shape (..., width)

        Returns
        -------
        ndarray of float64, shape (...,)

        Raises
        ------
        TypeError
            If an array does not hold real numbers.
        ValueError
            If the shapes do not match, a target is out of range, or a number is NaN or infinite.
        """
        values, present = self.unit_values(y_true, y_pred, False)
        if present is None or values.ndim < np.ndim(y_pred):
            return values
        counts = np.maximum(present.sum(axis=-1), 1)
        row_means: NDArray[np.float64] = values.sum(axis=-1) / counts
        return row_means

    def unit_values(
        self, y_true: ArrayLike, y_pred: ArrayLike, by_element: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """The value of each row, and which rows count (``None`` for all).

        Values are those of elements if `by_element`, or if single elements without a target are left out.
        """
        prediction = check_prediction("y_pred", y_pred, self.dtype)
        rules = self.target_rules()
        target = check_target("y_true", y_true, prediction.shape, self.target_kind, self.dtype, rules)
        function = self.row_function(False, self.dtype)
        by_element = (by_element or rules.missing) and self.elementwise and prediction.shape[-1] > 1
        width = 1 if by_element else prediction.shape[-1]
        shape = prediction.shape if by_element else prediction.shape[:-1]
        present = None
        if self.target_kind == "index":
            if rules.missing or rules.labels or self.any_label:
                inside = (target >= 0) & (target < prediction.shape[-1])
                present = (target != MISSING) if rules.missing else np.ones(target.shape, bool)
                present &= ~np.isin(target, list(rules.labels))
                target = target if function.any_labels else np.where(inside, target, 0)
            values = function.values_of_classes(target, prediction.reshape(-1, width))
        else:
            if rules.missing:
                present = ~np.isnan(target).reshape(-1, width).any(axis=1)
                target = np.nan_to_num(target, copy=True, nan=0.0)
            values = function.values(target.reshape(-1, width), prediction.reshape(-1, width))
        if present is not None:
            values = np.where(present, values, 0.0)
            present = present.reshape(shape)
        return values.reshape(shape), present


def row_function_of(cls: type[RowFunction]) -> Callable[[Function], Function]:
    """Decorator for the function form of a loss or metric: record its class."""

    def mark(function: Function) -> Function:
        function.__dict__["owner"] = cls
        return function

    return mark


def owner(function: Any) -> type[RowFunction] | None:
    """The class that a function is the function form of, or ``None``."""
    found: type[RowFunction] | None = getattr(function, "owner", None)
    return found


def float_type_of(array: Any) -> str:
    """The float type in which to compute with an array: its own, or `floatx` if it is not float32 or float64."""
    name = getattr(getattr(array, "dtype", None), "name", None)
    return name if name in FLOAT_TYPES else config.floatx()
