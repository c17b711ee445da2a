"""What losses and metrics share: a value for each row of a prediction, computed by a compiled kernel."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.losses.target import MISSING, TargetRules, check_prediction, check_target
from cbackprop.spec import Spec

__all__ = ["RowFunction", "float_type_of", "owner", "row_function_of"]

Function = TypeVar("Function", bound=Callable[..., Any])


class RowFunction(Spec):
    """Base of everything that gives each row of the last axis a value.

    Attributes
    ----------
    dtype : {"float32", "float64"}
        In which the values are computed.
    """

    # "module.Class" below cbackprop.compiled and cbackprop.reference.
    implementation: ClassVar[str]
    # "values": y_true is shaped like y_pred. "index": y_true holds the number of a class for each row.
    # "half": y_true is half as wide as y_pred, which holds two numbers for each target; functions get zeros beside it.
    target_kind: ClassVar[str] = "values"
    # "given": y_true is as users gave it, of any shape.
    # The smallest and the largest target that make sense; None: any number.
    target_limits: ClassVar[tuple[float, float] | None] = None
    # What becomes of targets beyond the limits: "refuse", "warn", or "take": the formula has a meaning for them.
    beyond_limits: ClassVar[str] = "refuse"
    # Whether the value of a row is the mean of those of its elements, each a row by itself.
    elementwise: ClassVar[bool] = False
    # Whether class numbers may be outside of the classes; or those may that other functions of the output ignore.
    any_label: ClassVar[bool] = False
    tolerates_labels: ClassVar[bool] = False
    # Whether it must be called once with all rows of a batch, by one thread.
    couples_samples: ClassVar[bool] = False

    dtype: str

    def row_function(self, linked: bool, dtype: str) -> Any:
        """The compiled function; `linked` says that it gets logits, and is to replace them by predictions."""
        if not hasattr(self, "implementation"):
            raise TypeError(f"{type(self).__name__} computes nothing: it is the base of others.")
        module, _, name = self.implementation.rpartition(".")
        compiled = importlib.import_module(f"cbackprop.compiled.{module}")
        return getattr(compiled, name)(self, linked, dtype == "float64")

    def target_rules(self) -> TargetRules:
        """What targets may be."""
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
        """Whether one target of a row may be meant for all elements of the prediction's row."""
        return False

    def row_values(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """The value of each row.

        Parameters
        ----------
        y_true : array_like
            Shaped like `y_pred`; class numbers, without the last axis, for a sparse function.
        y_pred : array_like, shape (..., width)

        Returns
        -------
        ndarray of float64, shape (...,)

        Raises
        ------
        TypeError
            If an array does not hold real numbers.
        ValueError
            If the shapes do not fit, a target is out of range, or anything is NaN or infinite.
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
        """The value of each row, and which of them count (None: all); or, `by_element`, those of each element.

        Where elements without a target do not count, values are those of elements, too.
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
    """Decorator of the function form of a loss or metric, so that the class can be found from the function."""

    def mark(function: Function) -> Function:
        function.__dict__["owner"] = cls
        return function

    return mark


def owner(function: Any) -> type[RowFunction] | None:
    """The class whose function form this is, or ``None``."""
    found: type[RowFunction] | None = getattr(function, "owner", None)
    return found


def float_type_of(array: Any) -> str:
    """The float type in which to compute with an array: its own, or `floatx` if it has none of the two."""
    name = getattr(getattr(array, "dtype", None), "name", None)
    return name if name in config.FLOAT_TYPES else config.floatx()
