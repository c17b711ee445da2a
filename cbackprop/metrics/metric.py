"""Metric: the base of all metrics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from cbackprop import config
from cbackprop.absent import attribute_missing
from cbackprop.config_writing import to_config
from cbackprop.losses.row_function import RowFunction
from cbackprop.losses.target import as_array, check_weights
from cbackprop.metrics.variable import MetricVariable
from cbackprop.number_types import check_float_type
from cbackprop.registry import Registry, snake_case
from cbackprop.spec import Adjustable
from cbackprop.validation import check_name
from cbackprop.variable import Variable

__all__ = ["Metric", "RowMean", "overridden", "registry"]

registry = Registry("metric", "metrics")


class Metric(Adjustable):
    """Base of all metrics. A metric accumulates batches in variables and computes its result from them.

    To write a metric, define a subclass that makes its variables in ``__init__``, changes them in `update_state`, and
    computes `result` from them: a number, an array, or a dict of these by name. `fit` calls `update_state` once for
    each batch, with NumPy arrays. An exception ends `fit`; the weights are then those of the last finished step.

    Parameters
    ----------
    dtype : {"float32", "float64"}, optional
    name : str, optional
        The key in logs and in `History`.

    Raises
    ------
    ValueError
        For an unknown dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> class LargestError(cb.metrics.Metric):
    ...     def __init__(self, name="largest_error", **kwargs):
    ...         super().__init__(name=name, **kwargs)
    ...         self.largest = self.add_variable((), "zeros", name="largest")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.largest.assign(max(self.largest, np.abs(y_pred - y_true).max()))
    ...
    ...     def result(self):
    ...         return self.largest
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(loss="mse", metrics=[LargestError()])
    >>> model.evaluate([[1.0], [2.0]], [[1.0], [5.0]], verbose=0)
    [4.5, 3.0]
    """

    # The form of the targets, as in `RowFunction`; None means the form that the output's loss uses.
    target_kind: ClassVar[Any] = None
    target_limits: ClassVar[tuple[float, float] | None] = None
    beyond_limits: ClassVar[str] = "refuse"
    any_label: ClassVar[bool] = False
    tolerates_labels: ClassVar[bool] = False
    # Whether rows that the mask of the predictions hides are ignored.
    takes_mask: ClassVar[bool] = False

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_missing(self, "Metric", name)

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = check_name(name) or snake_case(type(self).__name__)
        self.dtype = config.floatx() if dtype is None else check_float_type(dtype)

    # Methods that a subclass defines

    def reset_state(self) -> None:
        """Forget all batches: set all variables to 0, and reset the metrics within this one."""
        own, inner = self._parts()
        for variable in own:
            variable.clear()
        for metric in inner:
            metric.reset_state()

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state.")

    def result(self) -> Any:
        """The metric of all batches so far."""
        raise NotImplementedError(f"{type(self).__name__} does not define result.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch, and return the metric of all batches so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    # Variables

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        aggregation: str | None = "sum",
        name: str | None = None,
    ) -> MetricVariable:
        """Make a variable. `reset_state` sets it to 0, and validation during `fit` does not change it.

        Parameters
        ----------
        shape : sequence of int
        initializer : str, Initializer or callable
        dtype : str, optional
            ``floatx`` by default; any real type of NumPy.
        aggregation : str, default "sum"
            Accepted for metrics written for Keras; it has no effect.
        name : str, optional

        Returns
        -------
        MetricVariable
            It can be used like an array, and has methods ``assign``, ``assign_add`` and ``assign_sub``.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong.
        """
        variable = MetricVariable(shape, initializer, config.floatx() if dtype is None else dtype, name)
        self.__dict__.setdefault("_variables", []).append(variable)
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> MetricVariable:
        """Make a variable, by default of zeros; see `add_variable`."""
        return self.add_variable(shape, "zeros" if initializer is None else initializer, dtype, name=name)

    def forget_variable(self, variable: MetricVariable | None) -> None:
        """Forget a variable that another one replaces."""
        self._variables = [known for known in self.__dict__.get("_variables", []) if known is not variable]

    @property
    def variables(self) -> list[MetricVariable]:
        """The variables of this metric, then those of metrics in its attributes, or in lists and dicts there."""
        own, inner = self._parts()
        return [*own, *(variable for metric in inner for variable in metric.variables)]

    def _parts(self) -> tuple[list[MetricVariable], list[Metric]]:
        """The metric's own variables, in the order in which they were made, and the metrics within it."""
        own = list(self.__dict__.get("_variables", []))
        inner: list[Metric] = []
        for name, value in self.__dict__.items():
            if name != "_variables":
                _collect(value, own, inner)
        return own, inner

    # Methods that engines call

    def runs_in_c(self) -> bool:
        """Whether compiled code can replace `update_state`."""
        return False

    def check_output(self, shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` if the metric cannot use predictions of this shape (given without the batch axis)."""

    def snapshot(self) -> Any:
        """A copy of the accumulated state, for `restore`."""
        return [variable.value for variable in self.variables]

    def restore(self, state: Any) -> None:
        """Continue from a `snapshot` of this metric or of the compiled code that replaces it."""
        for variable, value in zip_longest(self.variables, state):
            if value is None:  # made after the snapshot
                variable.clear()
            elif variable is not None:
                variable.assign(value)

    # Description

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values. In a user's class, those that are stored as attributes."""
        return {name: to_config(getattr(self, name)) for name in self.argument_names() if hasattr(self, name)}

    def __repr__(self) -> str:
        try:
            return super().__repr__()
        except AttributeError:
            return f"<{type(self).__name__} name={getattr(self, 'name', None)}>"


def _collect(value: Any, own: list[MetricVariable], inner: list[Metric]) -> None:
    """Collect the variables and metrics in an attribute, or in lists and dicts there, each once."""
    if isinstance(value, (MetricVariable, Variable)):
        if not any(value is known for known in own):
            own.append(value)  # type: ignore[arg-type]
    elif isinstance(value, Metric):
        if not any(value is known for known in inner):
            inner.append(value)
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, (MetricVariable, Variable, Metric, list, tuple, dict)):
                _collect(item, own, inner)


def overridden(metric: Metric, base: type[Metric]) -> bool:
    """Whether a subclass overrides methods of a built-in metric, so that compiled code cannot replace it."""
    return any(
        getattr(type(metric), name, None) is not getattr(base, name, None) for name in ("update_state", "reset_state")
    )


class RowMean(RowFunction, Metric):  # type: ignore[misc]
    """Base of metrics that are the weighted mean of a value for each row of the predictions.

    Parameters
    ----------
    dtype : {"float32", "float64"}, optional
    name : str, optional

    Raises
    ------
    ValueError
        For an unknown dtype.
    """

    # Whether each element has its own value. Then one-dimensional predictions are a batch of numbers.
    elementwise: ClassVar[bool] = False
    takes_mask: ClassVar[bool] = True

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", "float64", name="total")
        self.count = self.add_variable((), "zeros", "float64", name="count")

    def runs_in_c(self) -> bool:
        """Whether compiled code can replace `update_state`."""
        return not overridden(self, RowMean)

    def restore(self, state: Any) -> None:
        """Continue from a `snapshot`, or from the sum of the weighted values and the sum of the weights."""
        if isinstance(state, tuple):
            total, count = state
            self.total.assign(total)
            self.count.assign(count)
        else:
            super().restore(state)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add a batch.

        Parameters
        ----------
        y_true : array_like
            Has the shape of `y_pred`; for a sparse metric class numbers, without the last axis.
        y_pred : array_like, shape (batch, ..., width)
        sample_weight : array_like, optional
            Shape (batch,), or one weight for each row of `y_pred`. A metric of elements also takes one weight
            for each element.

        Raises
        ------
        TypeError
            If an array does not hold real numbers.
        ValueError
            If the shapes do not match, a label is out of range, or a number is NaN or infinite.
        """
        predictions = as_array("y_pred", y_pred)
        given = None if sample_weight is None else as_array("sample_weight", sample_weight)
        if self.elementwise and (predictions.ndim == 1 or (given is not None and given.shape == predictions.shape)):
            predictions = predictions[..., np.newaxis]
        values, present = self.unit_values(y_true, predictions, False)
        weights = check_weights("sample_weight", given, values.shape)
        if present is not None and (weights is not None or not hasattr(self, "ignore_class")):
            weights = present.astype(np.float64) if weights is None else weights * present
        self.total.assign_add(values.sum() if weights is None else (values * weights).sum())
        self.count.assign_add(values.size if weights is None else weights.sum())

    def result(self) -> Any:
        """The weighted mean so far; 0 before any batch."""
        with np.errstate(over="ignore"):  # a result beyond the range of the dtype is infinite
            return np.dtype(self.dtype).type(self.total / self.count if self.count else 0.0)
