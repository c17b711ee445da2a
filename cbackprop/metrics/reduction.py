"""Sum and Mean of any values, and MeanMetricWrapper, the mean of a Python function of targets and predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.config_reading import from_config
from cbackprop.config_writing import to_config
from cbackprop.losses.row_function import owner
from cbackprop.losses.target import as_array
from cbackprop.metrics.metric import Metric, registry
from cbackprop.registry import snake_case
from cbackprop.validation import check_name

__all__ = ["Mean", "MeanMetricWrapper", "Sum"]

Array = NDArray[Any]


def weighted_values(values: ArrayLike, sample_weight: ArrayLike | None, reduce: Any) -> tuple[Array, Array | None]:
    """A weighted value and a weight for each sample. Several values of a sample are combined by `reduce`.

    Raises
    ------
    TypeError
        If an array does not hold real numbers.
    ValueError
        If the weights cannot be broadcast to the values.
    """
    array = as_array("values", values).astype(np.float64)
    weights = None
    if sample_weight is not None:
        weights = as_array("sample_weight", sample_weight).astype(np.float64)
        if weights.ndim == array.ndim + 1 and weights.shape[-1] == 1:
            weights = weights[..., 0]
        elif array.ndim == weights.ndim + 1 and array.shape[-1] == 1:
            array = array[..., 0]
        array = reduce(array, axis=tuple(range(weights.ndim, array.ndim)))
        try:
            weights = np.broadcast_to(weights, array.shape)
        except ValueError:
            shape = np.shape(sample_weight)
            raise ValueError(f"sample_weight must fit values of shape {array.shape}, but got {shape}.") from None
        array = array * weights
        weights = reduce(weights, axis=tuple(range(1, weights.ndim)))
    return reduce(array, axis=tuple(range(1, array.ndim))), weights


@registry.register()
class Sum(Metric):
    """Weighted sum of values: ``sum(w values)``.

    Parameters
    ----------
    name : str, default "sum"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        For an unknown dtype; when called, if values or weights are not numbers, or cannot be broadcast together.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.Sum()([1, 3, 5, 7], sample_weight=[1, 1, 0, 0]))
    4.0
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", "float64", name="total")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add values; values and weights are broadcast together."""
        array, _ = weighted_values(values, sample_weight, np.sum)
        self.total.assign_add(array.sum())

    def result(self) -> Any:
        """The sum so far."""
        return self.total.value.astype(self.dtype)[()]


@registry.register()
class Mean(Metric):
    """Weighted mean of values: ``sum(w values) / sum(w)``; 0 before the first.

    Parameters
    ----------
    name : str, default "mean"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        For an unknown dtype; when called, if values or weights are not numbers, or cannot be broadcast together.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.Mean()([1, 3, 5, 7]))
    4.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", "float64", name="total")
        self.count = self.add_variable((), "zeros", "float64", name="count")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add values; values and weights are broadcast together."""
        array, weights = weighted_values(values, sample_weight, np.mean)
        self.total.assign_add(array.sum())
        self.count.assign_add(array.size if weights is None else weights.sum())

    def result(self) -> Any:
        """The mean so far."""
        return np.dtype(self.dtype).type(self.total / self.count if self.count else 0.0)


@registry.register()
class MeanMetricWrapper(Mean):
    """Weighted mean of a function of targets and predictions: ``mean(fn(y_true, y_pred))``.

    ``compile(metrics=[fn])`` makes one for a plain function. The function is called once for each batch.

    Parameters
    ----------
    fn : callable
        Called as ``fn(y_true, y_pred, **kwargs)`` with NumPy arrays. It returns values with samples along the first
        axis.
    name : str, optional
        By default the name of the function.
    dtype : {"float32", "float64"}, optional
    **kwargs
        Further arguments of the function.

    Raises
    ------
    TypeError
        If `fn` cannot be called; when called, if it does not return numbers.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> metric = cb.metrics.MeanMetricWrapper(lambda y_true, y_pred: np.abs(y_pred - y_true), name="error")
    >>> float(metric(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """

    takes_mask = True

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        if not callable(fn):
            raise TypeError(f"fn must be a function of y_true and y_pred, but got {fn!r}.")
        super().__init__(check_name(name) or snake_case(type(self).__name__), dtype)
        self.fn = fn
        self.kwargs = kwargs

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch."""
        values = self.fn(y_true, y_pred, **self.kwargs)
        try:
            array = np.asarray(values)
        except ValueError:
            array = np.empty(1, object)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"Metric {self.name!r} must return numbers, but its function returned {values!r}.")
        if array.size == 0:
            raise ValueError(f"Metric {self.name!r} must return numbers, but its function returned none.")
        super().update_state(values, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values. A function of this library is given by its name."""
        name = getattr(self.fn, "__name__", "")
        config = {"name": self.name, "dtype": self.dtype, "fn": name}
        if _functions().get(name) is not self.fn:
            config["fn"] = to_config(self.fn)
        return config | {key: to_config(value) for key, value in self.kwargs.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MeanMetricWrapper:
        """Make the metric that `get_config` described."""
        fn = config.get("fn")
        return cls(**{**config, "fn": _functions().get(fn, fn) if isinstance(fn, str) else from_config(fn)})


def _functions() -> dict[str, Any]:
    """The functions of `cbackprop.metrics`, by name."""
    from cbackprop import metrics

    found = {name: getattr(metrics, name) for name in metrics.__all__}
    return {name: thing for name, thing in found.items() if owner(thing) is not None}
