"""Losses written in Python: functions of NumPy arrays that return a value and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.loss import Loss
from cbackprop.losses.target import as_given, check_prediction, check_target
from cbackprop.validation import check_name, contiguous

__all__ = ["DeltaOf", "FunctionLoss", "judge_in_python", "values_of_arrays"]

Array = NDArray[Any]
# Makes the delta of a prediction, (rows, width), of what the value of each row counts in the total loss, (rows,).
DeltaOf = Callable[[NDArray[np.float64]], Array]


class FunctionLoss(Loss):
    """A loss that is a Python function of a batch: what `compile` makes of ``loss=function``.

    Parameters
    ----------
    function : callable
        Called as ``function(y_true, y_pred)`` with NumPy arrays of the network's float type, both (batch, ...). The
        targets are as users gave them: of any shape, and with NaN; see `Loss.call`. It returns a value and its
        gradient, the latter shaped like ``y_pred``. The value is either one number for the whole batch, whose gradient
        is that of this number; or one for each sample, (batch,), for each row of the last axis, or for each element.
        Then ``gradient[i]`` is that of ``value[i]``, and nothing is divided by the batch size.
    reduction : str, default "sum_over_batch_size"
        See `Loss`. One number for the batch stays as it is.
    name : str, optional
        By default the function's name.
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError
        If `function` cannot be called; when called, if it returns no gradient.
    ValueError
        When called, if a value or gradient is of another shape, or not finite.

    Notes
    -----
    It is called once for each batch, under the GIL, by one thread, while compiled layers wait. Weights of samples can
    tell samples apart only if there is a value for each: one number for the batch is multiplied by their mean. What
    the function raises ends `fit` before that batch changes a weight. A subclass of `Loss` with a method
    ``call(y_true, y_pred)`` that returns both does the same, and can be saved.

    References
    ----------
    Keras 3 takes functions of tensors, which it differentiates itself.

    Examples
    --------
    >>> import cbackprop as cb
    >>> def squares(y_true, y_pred):
    ...     error = y_pred - y_true
    ...     return (error**2).mean(axis=-1), 2 * error / error.shape[-1]
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> model.compile(loss=squares)
    >>> float(cb.losses.FunctionLoss(squares)([[0.0], [0.0]], [[1.0], [2.0]]))
    2.5
    """

    def __init__(
        self,
        function: Callable[[Array, Array], Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, but got {function!r}.")
        super().__init__(check_name(name) or getattr(function, "__name__", None), reduction, dtype)
        self.function = function

    def call(self, y_true: Array, y_pred: Array) -> Any:
        """The function's value and gradient."""
        return self.function(y_true, y_pred)


def judge_in_python(loss: Loss, y_true: Array, y_pred: Array) -> tuple[NDArray[np.float64], DeltaOf]:
    """Values of the rows of a batch, and how to make a delta of what each of them counts in the total loss.

    Raises
    ------
    TypeError, ValueError
        As `evaluate`.
    """
    values, gradient = evaluate(loss, y_true, y_pred)
    shape = y_pred.shape
    rows = gradient.reshape(-1, shape[-1] if len(shape) > 1 else 1)

    def delta(coefficients: NDArray[np.float64]) -> Array:
        factors = coefficients_of(loss, values, coefficients, shape)
        return rows * factors[:, np.newaxis].astype(gradient.dtype)

    return rows_of(loss, values, shape), delta


def evaluate(loss: Loss, y_true: Array, y_pred: Array) -> tuple[NDArray[np.float64], Array]:
    """Values, of shape (), (batch,) or that of the rows, and a gradient like `y_pred`.

    Values of elements are summed or averaged over their rows, as the loss's reduction does with all of them.

    Raises
    ------
    TypeError
        If no gradient is returned, or what is returned are no numbers.
    ValueError
        If a shape is wrong, or a number not finite.
    """
    values, gradient = called(loss, y_true, y_pred)
    if values.shape != y_pred.shape or values.shape == row_shape(y_pred.shape):
        return values, gradient
    if loss.reduction == "sum":
        return values.sum(axis=-1), gradient
    return values.mean(axis=-1), gradient / gradient.dtype.type(y_pred.shape[-1])


def called(loss: Loss, y_true: Array, y_pred: Array, only_value: bool = False) -> tuple[NDArray[np.float64], Array]:
    """What the loss returns: values, which may be those of elements, and a gradient, unless nobody uses it."""
    shape = y_pred.shape
    result = loss.call(y_true, y_pred)
    if only_value and not isinstance(result, tuple):
        result = result, np.zeros_like(y_pred)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"The loss {loss.name!r} must return a pair (value, gradient), the gradient shaped like y_pred: "
            f"nothing is differentiated for it. It returned {type(result).__name__}."
        )
    # Of predictions that are not finite, nothing else can be expected: `fit` tells that training has diverged.
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


def values_of_arrays(loss: Loss, y_true: Any, y_pred: Any) -> NDArray[np.float64]:
    """The values of a loss of plain arrays: of elements, or else of rows."""
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
    """The shape of the rows of predictions of this shape; single numbers are rows of one."""
    return shape[:-1] if len(shape) > 1 else shape


def _numbers(loss: Loss, what: str, value: Any, dtype: Any, check: bool) -> Array:
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


def _share(loss: Loss, values: Array, shape: tuple[int, ...]) -> float:
    """What a row gets of a value that it has in common with others: all of it, unless rows are summed."""
    return values.size / max(int(np.prod(row_shape(shape))), 1) if loss.reduction == "sum" else 1.0


def rows_of(loss: Loss, values: Array, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A value for each row of predictions of this shape, so that the loss's reduction of them is that of `values`."""
    rows = row_shape(shape)
    spread = values.reshape(values.shape + (1,) * (len(rows) - values.ndim)) if values.ndim else values
    return np.broadcast_to(spread * _share(loss, values, shape), rows).reshape(-1)


def coefficients_of(loss: Loss, values: Array, coefficients: Array, shape: tuple[int, ...]) -> Array:
    """What the gradient of each row is multiplied by, given what each row's value counts in the total loss."""
    rows = coefficients.reshape(row_shape(shape))
    common = tuple(range(values.ndim, rows.ndim))
    total = rows.sum(axis=common, keepdims=True) * _share(loss, values, shape)
    return np.broadcast_to(total, rows.shape).reshape(-1)
