"""Call a loss in Python, check its result, and turn it into a value and a delta for each row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.target import as_given, check_prediction, check_target
from cbackprop.validation import contiguous

__all__ = ["DeltaOf", "judge_in_python", "values_of_arrays"]

Array = NDArray[Any]
# A function from the weight of each row's value in the total loss, shape (rows,), to the delta of the predictions,
# shape (rows, width).
DeltaOf = Callable[[NDArray[np.float64]], Array]


def judge_in_python(loss: Any, y_true: Array, y_pred: Array) -> tuple[NDArray[np.float64], DeltaOf]:
    """Values of the rows of a batch, and a function from their weights in the total loss to the delta.

    Raises
    ------
    TypeError, ValueError
        See `evaluate`.
    """
    values, gradient = evaluate(loss, y_true, y_pred)
    shape = y_pred.shape
    rows = gradient.reshape(-1, shape[-1] if len(shape) > 1 else 1)

    def delta(coefficients: NDArray[np.float64]) -> Array:
        factors = coefficients_of(loss, values, coefficients, shape)
        return rows * factors[:, np.newaxis].astype(gradient.dtype)

    return rows_of(loss, values, shape), delta


def evaluate(loss: Any, y_true: Array, y_pred: Array) -> tuple[NDArray[np.float64], Array]:
    """Values of shape (), (batch,) or that of the rows, and a gradient in the shape of `y_pred`.

    Values of elements are summed or averaged over their rows, as the loss's reduction does.

    Raises
    ------
    TypeError
        If no gradient is returned, or the results are not numbers.
    ValueError
        If a shape is wrong or a number is not finite.
    """
    values, gradient = called(loss, y_true, y_pred)
    if values.shape != y_pred.shape or values.shape == row_shape(y_pred.shape):
        return values, gradient
    if loss.reduction == "sum":
        return values.sum(axis=-1), gradient
    return values.mean(axis=-1), gradient / gradient.dtype.type(y_pred.shape[-1])


def called(loss: Any, y_true: Array, y_pred: Array, only_value: bool = False) -> tuple[NDArray[np.float64], Array]:
    """Call the loss: return its values, which may be those of elements, and its gradient unless `only_value`."""
    shape = y_pred.shape
    result = loss.call(y_true, y_pred)
    if only_value and not isinstance(result, tuple):
        result = result, np.zeros_like(y_pred)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"The loss {loss.name!r} must return a pair (value, gradient), the gradient in the shape of y_pred: there "
            f"is no automatic differentiation. It returned {type(result).__name__}."
        )
    # If predictions are not finite, neither is the loss. Then `fit` reports that training has diverged.
    check = bool(np.isfinite(y_pred).all())
    values = _numbers(loss, "value", result[0], np.float64, check)
    gradient = _numbers(loss, "gradient", result[1], y_pred.dtype, check)
    if values.shape not in ((), shape[:1], shape[:-1], shape):
        raise ValueError(
            f"The value of the loss {loss.name!r} must be one number, or one for each of {shape[0]} samples, "
            f"but got shape {values.shape}."
        )
    if gradient.shape != shape:
        raise ValueError(
            f"The gradient of the loss {loss.name!r} must have the shape of y_pred, {shape}, but got {gradient.shape}."
        )
    return values, gradient


def values_of_arrays(loss: Any, y_true: Any, y_pred: Any) -> NDArray[np.float64]:
    """The values of a loss for arrays: one for each element, or for each row."""
    prediction = check_prediction("y_pred", y_pred, loss.dtype)
    shape = prediction.shape
    if loss.target_kind == "given":
        target = as_given("y_true", y_true, shape, loss.dtype)
    else:
        target = check_target("y_true", y_true, shape, loss.target_kind, loss.dtype, loss.target_rules())
        target = target.reshape(shape[:-1] if loss.target_kind == "index" else shape)
    values, _ = called(loss, target.copy(), prediction, only_value=True)
    return values if values.shape == shape else rows_of(loss, values, shape).reshape(row_shape(shape))


def row_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the rows of predictions of this shape. Without a second axis, each number is a row."""
    return shape[:-1] if len(shape) > 1 else shape


def _numbers(loss: Any, what: str, value: Any, dtype: Any, check: bool) -> Array:
    try:
        given = np.asarray(value)
        array = contiguous(given, dtype).reshape(given.shape)
    except (TypeError, ValueError) as error:
        raise TypeError(f"The {what} of the loss {loss.name!r} must hold real numbers ({error}).") from None
    if given.dtype.kind not in "fiub":
        raise TypeError(f"The {what} of the loss {loss.name!r} must hold real numbers, but got dtype {given.dtype}.")
    if check and not np.isfinite(array).all():
        raise ValueError(f"The {what} of the loss {loss.name!r} is NaN or infinite.")
    return array


def _factor(loss: Any, values: Array, shape: tuple[int, ...]) -> float:
    """The share of a value that each of its rows gets: the whole, unless the reduction sums over rows."""
    return values.size / max(int(np.prod(row_shape(shape))), 1) if loss.reduction == "sum" else 1.0


def rows_of(loss: Any, values: Array, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A value for each row of predictions of this shape, such that their reduction equals that of `values`."""
    rows = row_shape(shape)
    spread = values.reshape(values.shape + (1,) * (len(rows) - values.ndim)) if values.ndim else values
    return np.broadcast_to(spread * _factor(loss, values, shape), rows).reshape(-1)


def coefficients_of(loss: Any, values: Array, coefficients: Array, shape: tuple[int, ...]) -> Array:
    """The factor of each row's gradient, from the weight of each row's value in the total loss."""
    rows = coefficients.reshape(row_shape(shape))
    common = tuple(range(values.ndim, rows.ndim))
    total = rows.sum(axis=common, keepdims=True) * _factor(loss, values, shape)
    return np.broadcast_to(total, rows.shape).reshape(-1)
