"""What losses and metrics share: a value for each row of a prediction, computed by a compiled kernel."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.losses.target import check_prediction, check_target
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
    # The smallest and the largest target that make sense; None: any number.
    target_limits: ClassVar[tuple[float, float] | None] = None
    # Whether it must be called once with all rows of a batch, by one thread.
    alone: ClassVar[bool] = False

    dtype: str

    def row_function(self, linked: bool, dtype: str) -> Any:
        """The compiled function; `linked` says that it gets logits, and is to replace them by predictions."""
        if not hasattr(self, "implementation"):
            raise TypeError(f"{type(self).__name__} computes nothing: it is the base of others.")
        module, _, name = self.implementation.rpartition(".")
        compiled = importlib.import_module(f"cbackprop.compiled.{module}")
        return getattr(compiled, name)(self, linked, dtype == "float64")

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
        prediction = check_prediction("y_pred", y_pred, self.dtype)
        target = check_target("y_true", y_true, prediction.shape, self.target_kind, self.dtype, self.target_limits)
        function = self.row_function(False, self.dtype)
        evaluate = function.values_of_classes if self.target_kind == "index" else function.values
        values: NDArray[np.float64] = evaluate(target, prediction.reshape(-1, prediction.shape[-1]))
        return values.reshape(prediction.shape[:-1])


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
