"""A function of NumPy arrays, which returns a value and its gradient, as a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from cbackprop.losses.loss import Loss
from cbackprop.validation import check_name

__all__ = ["FunctionLoss"]

Array = NDArray[Any]


class FunctionLoss(Loss):
    """A loss from a Python function of a batch. ``compile(loss=function)`` makes it.

    Parameters
    ----------
    function : callable
        Called as ``function(y_true, y_pred)`` with NumPy arrays of the network's float type, both (batch, ...). The
        targets are as they were given, of any shape and with NaN; see `Loss.call`. It returns a value and its gradient
        in the shape of ``y_pred``. The value is one number for the whole batch, or one for each sample, (batch,), for
        each row of the last axis, or for each element. If there are several, ``gradient[i]`` is the gradient of
        ``value[i]``, not divided by the batch size.
    reduction : str, default "sum_over_batch_size"
        See `Loss`. One number for the whole batch is not reduced further.
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
    One thread calls the function once for each batch, under the GIL, while compiled layers wait. Sample weights work
    only if there is a value for each sample; a single number for the batch is multiplied by their mean. If the function
    raises an error, `fit` ends before that batch has changed a weight. To save the loss with a model, write a subclass
    of `Loss` with a method ``call(y_true, y_pred)`` instead.

    References
    ----------
    Keras 3 takes functions of tensors that return only the value, and differentiates them automatically.

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
        """Return the function's value and gradient."""
        return self.function(y_true, y_pred)
