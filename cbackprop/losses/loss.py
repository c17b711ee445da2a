"""The base of all losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.losses.row_function import Function, RowFunction, row_function_of
from cbackprop.losses.target import check_prediction, check_target, check_weights
from cbackprop.registry import Registry, snake_case
from cbackprop.validation import check_choice, check_name

__all__ = ["REDUCTIONS", "Loss", "loss_function", "registry"]

registry = Registry("loss", "losses")

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(RowFunction):
    """Base of all losses: a value for each row of the last axis, and how the values become one number.

    A subclass may define a loss in Python, on NumPy arrays, by one method `call`, which returns the value and its
    gradient; see the example. Each argument of its constructor becomes an attribute of the same name.

    Parameters
    ----------
    name : str, optional
        By default the class's name in snake case.
    reduction : str or None, default "sum_over_batch_size"
        ``"sum_over_batch_size"`` and ``"mean"``: weighted sum of the values over their number.
        ``"mean_with_sample_weight"``: over the sum of the weights. ``"sum"``: the weighted sum.
        ``"none"`` and ``None``: all weighted values.
    dtype : {"float32", "float64"}, optional
        Of the values when the loss is called on arrays.

    Raises
    ------
    ValueError
        For an unknown reduction.

    See Also
    --------
    FunctionLoss : the same of a function, which `compile` takes as it is.

    References
    ----------
    Arguments are those of Keras 3, whose subclasses leave gradients to automatic differentiation.

    Examples
    --------
    >>> import cbackprop as cb
    >>> class Power(cb.losses.Loss):
    ...     '''loss = mean(|y_pred - y_true| ** exponent) over the last axis.'''
    ...
    ...     def __init__(self, exponent=3.0, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.exponent = exponent
    ...
    ...     def call(self, y_true, y_pred):
    ...         error = y_pred - y_true
    ...         value = (abs(error) ** self.exponent).mean(axis=-1)
    ...         slope = self.exponent * abs(error) ** (self.exponent - 1) / error.shape[-1]
    ...         return value, slope * (2.0 * (error > 0) - 1.0)
    >>> float(Power()([[0.0], [1.0]], [[2.0], [1.0]]))
    4.0
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> model.compile("adam", Power(2.5))
    >>> model.check_gradients([[0.1, 0.2]], [[1.0]]).max_relative_error < 1e-6
    True
    """

    # The activation that this loss can take over, so that both cancel in the gradient.
    link: ClassVar[str | None] = None

    from_logits: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "call" in cls.__dict__:
            cls.implementation = "losses.python_loss.PythonLoss"
            cls.alone = True

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.reduction = check_choice("reduction", reduction, REDUCTIONS)
        self.name = check_name(name) or snake_case(type(self).__name__)
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
        TypeError
            If an array does not hold real numbers.
        ValueError
            If the shapes do not fit, a label is out of range or anything is NaN or infinite.
        """
        values = self.row_values(y_true, y_pred).astype(self.dtype)
        return self.reduce(values, check_weights("sample_weight", sample_weight, values.shape))

    def check_output(self, shape: tuple[int, ...]) -> None:
        """Refuse predictions, of this shape without the batch's axis, that the loss cannot judge.

        Raises
        ------
        ValueError
            If it cannot.
        """

    def row_values(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """The value of each row; see `RowFunction`."""
        if type(self).call is Loss.call:
            return super().row_values(y_true, y_pred)
        from cbackprop.losses.python_loss import evaluate, rows_of  # which need this module

        prediction = check_prediction("y_pred", y_pred, self.dtype)
        target = check_target("y_true", y_true, prediction.shape, self.target_kind, self.dtype, self.target_limits)
        target = target.reshape(prediction.shape[:-1] if self.target_kind == "index" else prediction.shape)
        values, _ = evaluate(self, target.copy(), prediction)
        return rows_of(self, values, prediction.shape).reshape(prediction.shape[:-1])

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Any:
        """For losses in Python to override: the value and the gradient of a batch.

        Parameters
        ----------
        y_true, y_pred : ndarray, shape (batch, ..., width)
            `y_true` without the last axis if the class says ``target_kind = "index"``.

        Returns
        -------
        value : float, or ndarray of shape (batch,) or (batch, ...)
            Of the batch, of each sample, or of each row of the last axis.
        gradient : ndarray
            Shaped like `y_pred`: the derivative of that value, not divided by how many there are.

        Raises
        ------
        NotImplementedError
            If the loss is compiled.

        See Also
        --------
        FunctionLoss : the same of a function.
        """
        raise NotImplementedError(f"{type(self).__name__} is compiled: call the object itself.")

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


def loss_function(cls: type[Loss], *aliases: str) -> Callable[[Function], Function]:
    """Decorator of the function form of a loss: enter it in the registry, and mark whose function it is."""

    def enter(function: Function) -> Function:
        registry.add(row_function_of(cls)(function), *aliases)
        return function

    return enter
