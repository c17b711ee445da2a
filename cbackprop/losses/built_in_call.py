"""The value and gradient of a compiled loss, for subclasses in Python that call ``super().call``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.target import check_prediction, check_target

__all__ = ["values_and_gradient"]

Array = NDArray[Any]


def values_and_gradient(built_in: Any, name: str, y_true: Any, y_pred: Any) -> tuple[NDArray[np.float64], Array]:
    """The value of each row of `y_pred`, and the derivative of their sum in the shape of `y_pred`.

    If the loss has one value for each sample or for the whole batch, these are the values.

    Parameters
    ----------
    built_in : Loss
        Computed in C.
    name : str
        The class that messages name: the user's own, which is derived from that of `built_in`.
    y_true, y_pred : array_like

    Raises
    ------
    NotImplementedError
        If the loss ignores some targets.
    TypeError, ValueError
        If the arrays do not match.
    """
    if built_in.missing or getattr(built_in, "ignore_class", None) is not None:
        argument = "missing" if built_in.missing else "ignore_class"
        raise NotImplementedError(f"{name}.call cannot leave out targets, but {argument} is given.")
    if built_in.label_sequences:
        found: tuple[NDArray[np.float64], Array] = built_in.sequence_values(y_true, y_pred, with_gradient=True)
        return found
    prediction = check_prediction("y_pred", y_pred, built_in.dtype)
    shape, of_classes = prediction.shape, built_in.target_kind == "index"
    # Targets that are half as wide as the predictions are padded with zeros for losses in Python; undo that.
    kind = "values" if built_in.target_kind == "half" and np.shape(y_true) == shape else built_in.target_kind
    target = check_target("y_true", y_true, shape, kind, built_in.dtype, built_in.target_rules())
    rows = np.ascontiguousarray(prediction.reshape(-1, shape[-1] if len(shape) > 1 else 1))
    function = built_in.row_function(False, built_in.dtype)
    function.set_shape(shape[1:] or (1,))
    evaluate = function.values_of_classes if of_classes else function.values
    read = np.ascontiguousarray(target.reshape(-1) if of_classes else target.reshape(rows.shape))
    gradient = np.empty_like(rows)
    values = evaluate(read, rows, np.ones(len(rows)), gradient)
    if (common := _rows_with_one_value(built_in, shape)) > 1:  # the kernel writes it for each of them
        values, gradient = values[::common], gradient / common
        return values.reshape(() if len(values) == 1 else shape[:1]), gradient.reshape(shape)
    return values.reshape(shape[:-1] if len(shape) > 1 else shape), gradient.reshape(shape)


def _rows_with_one_value(loss: Any, shape: tuple[int, ...]) -> int:
    """How many rows of a prediction share one value."""
    if not hasattr(loss, "layout"):
        return 1
    whole = shape if len(shape) > 1 else (1, *shape)
    sample, axes = loss.layout(whole[1:])
    if len(axes) < len(sample):
        raise NotImplementedError(f"{type(loss).__name__}.call needs axis=-1, all axes, or all axes but the batch.")
    return math.prod(whole[:-1]) if loss.couples_samples else math.prod(sample[:-1])
