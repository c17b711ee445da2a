"""Loss: the base of all losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.absent import attribute_missing
from cbackprop.losses.built_in_call import values_and_gradient
from cbackprop.losses.called_loss import DeltaOf, judge_in_python, values_of_arrays
from cbackprop.losses.row_function import Function, RowFunction, row_function_of
from cbackprop.losses.target import as_array, check_weights
from cbackprop.number_types import check_float_type
from cbackprop.registry import Registry, snake_case
from cbackprop.validation import check_choice, check_name

__all__ = ["REDUCTIONS", "Loss", "loss_function", "quotient", "registry"]

registry = Registry("loss", "losses")

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(RowFunction):
    """Base of all losses: compute a value for each row of the last axis, and reduce the values to one number.

    To write a loss in Python with NumPy, define a subclass with a method `call` that returns the value and its
    gradient; see the example. Store each argument of its constructor as an attribute of the same name.

    Parameters
    ----------
    name : str, optional
        By default the class's name in snake case.
    reduction : str or None, default "sum_over_batch_size"
        ``"sum_over_batch_size"`` and ``"mean"``: the weighted sum of the values divided by their number.
        ``"mean_with_sample_weight"``: the weighted sum divided by the sum of the weights. ``"sum"``: the weighted sum.
        ``"none"`` and ``None``: all weighted values.
    dtype : {"float32", "float64"}, optional
        The type of the values when the loss is called on arrays.
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN: they have weight 0 and are not counted. Losses that are a mean over
        the elements of a row leave out single elements; other losses leave out whole rows. By default NaN is refused.

    Raises
    ------
    ValueError
        For an unknown reduction or another value of `missing`.

    Notes
    -----
    Keras has no argument ``missing``. It has no effect on losses in Python, which get targets exactly as they were
    given, of any shape and including NaN.

    See Also
    --------
    FunctionLoss : A loss from a function; `compile` also takes the function itself.

    References
    ----------
    Arguments are those of Keras 3. Keras differentiates `call` automatically; here it returns the gradient.

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

    # The activation of the last layer that is computed together with this loss, which simplifies the gradient.
    link: ClassVar[str | None] = None

    from_logits: bool = False

    # Targets that are NaN are left out ("ignore") or refused (None).
    missing: str | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_missing(self, "Loss", name)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "call" in cls.__dict__:
            cls.implementation = "losses.python_loss.PythonLoss"
            cls.couples_samples = True
            cls.elementwise = False
            cls.link = None
            if not any("target_kind" in base.__dict__ for base in cls.__mro__ if issubclass(base, Loss)):
                cls.target_kind = "given"

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        if missing is not None:
            self.missing = check_choice("missing", missing, (None, "ignore"))
        self.reduction = reduction
        self.name = check_name(name) or snake_case(type(self).__name__)
        self.dtype = config.floatx() if dtype is None else check_float_type(dtype)

    @property
    def reduction(self) -> str | None:
        """How the values of rows are reduced to one number."""
        return self._reduction

    @reduction.setter
    def reduction(self, value: str | None) -> None:
        if not isinstance(value, (str, type(None))) or value not in REDUCTIONS:
            raise ValueError(
                f"Invalid value for argument `reduction`: reduction must be one of {list(REDUCTIONS)}, "
                f"but got {value!r}."
            )
        self._reduction = value

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Compute the loss of predictions that are arrays.

        Parameters
        ----------
        y_true : array_like
            Has the shape of `y_pred`; for a sparse loss class numbers, without the last axis.
        y_pred : array_like, shape (batch, ..., width)
        sample_weight : array_like, optional
            Shape (batch,), or one weight for each row of `y_pred`. A loss that is a mean over elements also takes one
            weight for each element.

        Returns
        -------
        numpy scalar, or ndarray if the reduction is ``None``

        Raises
        ------
        TypeError
            If an array does not hold real numbers.
        ValueError
            If the shapes do not match, a label is out of range, or a number is NaN or infinite.
        """
        given = None if sample_weight is None else as_array("sample_weight", sample_weight)
        shape = np.shape(y_pred)
        each = given is not None and self.elementwise and len(shape) > 1 and given.shape == shape and shape[-1] > 1
        values, present = self.unit_values(y_true, y_pred, each)
        if (mask := getattr(y_pred, "_keras_mask", None)) is not None:  # from a layer called on masked arrays
            shown = np.asarray(mask, bool)
            shown = shown.reshape(shown.shape + (1,) * (values.ndim - shown.ndim))
            shown = shown[..., 0] if shown.ndim > values.ndim else np.broadcast_to(shown, values.shape)
            values, present = np.where(shown, values, 0.0), shown if present is None else shown & present
        if values.ndim == len(shape) > 1 and values.shape[-1] > 1:
            return self.reduce_elements(values, given, present)
        if values.ndim == 0 and given is not None:  # one-dimensional predictions are one row
            values = np.broadcast_to(values, given.shape)
        return self.reduce(values.astype(self.dtype), check_weights("sample_weight", given, values.shape), present)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values. `missing` only if it is set, because Keras does not know it."""
        config = super().get_config()
        if config.get("missing") is None:
            config.pop("missing", None)
        return config

    @property
    def parts(self) -> list[Loss]:
        """The losses that this one adds up: only itself."""
        return [self]

    def check_output(self, shape: tuple[int, ...]) -> None:
        """Check the shape of the predictions, given without the batch axis. Subclasses may refuse some.

        Raises
        ------
        ValueError
            If the loss cannot use predictions of this shape.
        """

    def unit_values(
        self, y_true: ArrayLike, y_pred: ArrayLike, by_element: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """See `RowFunction.unit_values`."""
        if type(self).call is Loss.call:
            return super().unit_values(y_true, y_pred, by_element)
        return values_of_arrays(self, y_true, y_pred), None

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Any:
        """Override this in a loss written in Python: compute the value and the gradient of a batch.

        Parameters
        ----------
        y_true : ndarray, shape (batch, ...)
            The targets as they were given, of any shape and with NaN, converted to the network's float type. If
            `y_pred` is (..., 1) and `y_true` lacks only the last axis, that axis is added. If the class sets
            ``target_kind = "index"``, `y_true` holds checked class numbers; with ``target_kind = "values"`` it is
            checked and has the shape of `y_pred`.
        y_pred : ndarray, shape (batch, ..., width)

        Returns
        -------
        value : float, or ndarray
            One value for the batch, for each sample (batch,), for each row of the last axis, or for each element of
            `y_pred`.
        gradient : ndarray
            The derivative of these values in the shape of `y_pred`, not divided by their number.

        Raises
        ------
        NotImplementedError
            If neither this class nor a base class computes the loss.

        Notes
        -----
        On an object of one of this library's losses, `call` returns only the values of rows, as in Keras. In a
        subclass, ``super().call(y_true, y_pred)`` returns value and gradient.

        See Also
        --------
        FunctionLoss : A loss from a function.

        Examples
        --------
        >>> import cbackprop as cb
        >>> class LateErrors(cb.losses.MeanSquaredError):
        ...     def call(self, y_true, y_pred):
        ...         value, gradient = super().call(y_true, y_pred)
        ...         return 2 * value, 2 * gradient
        >>> float(LateErrors()([[1.0], [2.0]], [[1.0], [4.0]]))
        4.0
        """
        values, gradient = values_and_gradient(self._as_built_in(), type(self).__name__, y_true, y_pred)
        return values if type(self).call is Loss.call else (values, gradient)

    def _as_built_in(self) -> Loss:
        """A copy of the loss as an object of the base class that computes it."""
        cls: Any = next(cls for cls in type(self).__mro__ if issubclass(cls, Loss) and cls.call is Loss.call)
        if cls is Loss or getattr(cls, "implementation", None) is None:
            raise NotImplementedError(
                f"{type(self).__name__} has no call: define call(y_true, y_pred), which returns value and gradient."
            )
        seen: Loss = object.__new__(cls)
        seen.__dict__.update(self.__dict__)
        return seen

    def judge(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> tuple[NDArray[np.float64], DeltaOf]:
        """Values of rows, and a function that computes the delta. Engines call this once per batch for a loss in
        Python.

        Raises
        ------
        TypeError, ValueError
            If the loss returns anything but a value and a gradient of the right shapes.
        """
        return judge_in_python(self, y_true, y_pred)

    def reduce(
        self, values: NDArray[Any], weights: NDArray[Any] | None, present: NDArray[np.bool_] | None = None
    ) -> Any:
        """Reduce weighted values of rows as `reduction` says. Only rows that are `present` count."""
        weighted = values if weights is None else values * weights
        if self.reduction in (None, "none"):
            return weighted.astype(self.dtype)
        total = weighted.sum(dtype=np.float64)
        if present is not None:
            weights = present.astype(np.float64) if weights is None else weights * present
        rows = values.size if present is None else int(present.sum())
        return np.dtype(self.dtype).type(quotient(total, self.divisor(rows, weights)))

    def reduce_elements(
        self, values: NDArray[np.float64], sample_weight: NDArray[Any] | None, present: NDArray[np.bool_] | None
    ) -> Any:
        """Like `reduce`, for values of elements. Without weights, the result is the same as for the means of rows."""
        width = values.shape[-1]
        weights = check_weights("sample_weight", sample_weight, values.shape[:-1], width)
        if weights is not None and weights.shape != values.shape:
            weights = np.broadcast_to(weights[..., np.newaxis], values.shape)
        if self.reduction in (None, "none"):
            counts = width if present is None else np.maximum(present.sum(axis=-1), 1)
            return ((values if weights is None else values * weights).sum(axis=-1) / counts).astype(self.dtype)
        result = self.reduce(values, weights, present)
        return result / np.dtype(self.dtype).type(width) if self.reduction == "sum" else result

    def divisor(self, rows: int, weights: NDArray[Any] | None) -> float:
        """The number by which the weighted sum of the values is divided. If it is 0, the loss is 0."""
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            return float(weights.sum())
        return 1.0 if self.reduction == "sum" else float(rows)


def quotient(total: Any, divisor: float) -> Any:
    """total / divisor, or 0 if the divisor is 0."""
    return total / divisor if divisor else 0.0


def loss_function(cls: type[Loss], *aliases: str) -> Callable[[Function], Function]:
    """Decorator for the function form of a loss: register it, and record its class."""

    def enter(function: Function) -> Function:
        registry.add(row_function_of(cls)(function), *aliases)
        return function

    return enter
