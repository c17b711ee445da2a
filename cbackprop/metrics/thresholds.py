"""Bases of metrics that count predictions above thresholds, and the counts themselves, such as TruePositives."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.config_writing import to_config
from cbackprop.losses.target import as_array
from cbackprop.metrics.metric import registry
from cbackprop.metrics.tally import Tally
from cbackprop.metrics.variable import MetricVariable
from cbackprop.validation import check_integer, check_number

__all__ = [
    "Counts",
    "FalseNegatives",
    "FalsePositives",
    "ThresholdMetric",
    "TrueNegatives",
    "TruePositives",
    "check_thresholds",
    "fraction",
    "ratio",
]

Array = NDArray[Any]

# Sums of weights: positives above a threshold, negatives above it, and negatives and positives not above it.
COUNTED = ("true_positives", "false_positives", "true_negatives", "false_negatives")
# A threshold below all predictions, for metrics of the top k.
LOWEST = -1e10
# A limit far above what any curve needs. Each threshold is a Python float, so more would only waste memory.
MOST_THRESHOLDS = 2**20


def check_thresholds(value: Any, default: float = 0.5) -> list[float]:
    """Check one threshold or several, and return a list of floats in [0, 1].

    Raises
    ------
    TypeError, ValueError
        If one is not a number in [0, 1], or there are none.
    """
    if value is None:
        return [default]
    if isinstance(value, np.ndarray):
        value = value.tolist()
    given = list(value) if isinstance(value, (list, tuple)) else [value]
    if not given:
        raise ValueError("thresholds must hold at least one threshold, but is empty.")
    return [check_number("thresholds", threshold, 0, 1) for threshold in given]


def is_evenly_spaced(thresholds: Array) -> bool:
    """Whether these are 0, 1 / (n - 1), ..., 1. Then a prediction's position among them is computed, not searched."""
    n = len(thresholds)
    if n < 3:
        return False
    return bool(np.allclose(thresholds, np.arange(n, dtype=np.float32) / (n - 1), atol=1e-7))


def ratio(a: Array, b: Array) -> Array:
    """a / b, or 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b != 0)


def fraction(part: MetricVariable, rest: MetricVariable) -> Array:
    """part / (part + rest), or 0 where both are 0."""
    return ratio(part.value, part.value + rest.value)


class ThresholdMetric(Tally):
    """Base of metrics computed from counts of true and false positives and negatives at each threshold.

    A label is positive unless it is 0. A prediction is positive if it is above the threshold.

    Parameters
    ----------
    thresholds : list of float
    dtype : {"float32", "float64"}, optional
    name : str, optional
    top_k : int, optional
    class_id : int, optional

    Raises
    ------
    TypeError, ValueError
        If `top_k` or `class_id` is of the wrong type or out of range.
    """

    implementation = "metrics.tally.Histogram"
    init_thresholds: Any = None  # as they were given
    state_names: ClassVar[tuple[str, ...]] = COUNTED
    true_positives: MetricVariable
    false_positives: MetricVariable
    true_negatives: MetricVariable
    false_negatives: MetricVariable
    open_ends = False
    from_logits = False
    multi_label = False
    column_weights: Any = None

    def __init__(
        self,
        thresholds: list[float],
        dtype: Any = None,
        name: str | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
    ) -> None:
        super().__init__(dtype, name)
        self.thresholds = thresholds
        self.is_even = is_evenly_spaced(np.asarray(thresholds))
        self.top_k = None if top_k is None else check_integer("top_k", top_k, 1)
        self.class_id = None if class_id is None else check_integer("class_id", class_id, 0)

    def argument(self, name: str) -> Any:
        """The value of a constructor argument."""
        return self.init_thresholds if name == "thresholds" else super().argument(name)

    def size(self, width: int) -> int:
        """The number of sums, for predictions with rows of `width` elements."""
        return 2 * (len(self.thresholds) + 1) * (width if self.multi_label else 1)

    def check_width(self, width: int) -> None:
        """Raise ``ValueError`` if rows of `width` elements are too short for `top_k` or `class_id`."""
        if self.top_k is not None and self.top_k > width:
            raise ValueError(f"top_k is {self.top_k}, but there are only {width} predictions in a row.")
        if self.class_id is not None and self.class_id >= width:
            raise ValueError(f"class_id is {self.class_id}, but there are only classes in [0, {width}).")

    def check_predictions(self, y_pred: ArrayLike) -> Array:
        """Predictions as contiguous floats. With `top_k`, one-dimensional predictions are one row."""
        array = as_array("y_pred", y_pred)
        return super().check_predictions(array[np.newaxis] if self.top_k is not None and array.ndim == 1 else array)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> Array:
        """Targets for predictions of this shape."""
        array = as_array("y_true", y_true)
        row = self.top_k is not None and array.ndim == 1 and shape == (1, len(array))
        return super().check_targets(array[np.newaxis] if row else array, shape)

    def state_of(self, sums: NDArray[np.float64]) -> list[Array]:
        """The counts of `COUNTED` that are kept, (thresholds,); for a multi-label metric with an axis of labels."""
        n = len(self.thresholds)
        parts = sums.reshape(-1, 2, n + 1)
        above = np.flip(np.cumsum(np.flip(parts, -1), axis=-1), -1)[..., 1:]
        rank = np.argsort(np.argsort(self.thresholds, kind="stable"), kind="stable")
        above, total = above[..., rank], parts.sum(-1, keepdims=True)
        below = total - above
        found = dict(zip(COUNTED, (above[:, 1], above[:, 0], below[:, 0], below[:, 1]), strict=True))
        return [found[name].T if self.multi_label else found[name][0] for name in self.counted]

    @property
    def counted(self) -> tuple[str, ...]:
        """The names of the counts that are kept as variables."""
        return self.state_names

    def score(self) -> Any:
        """The metric, computed from the counts."""
        raise NotImplementedError


class Counts(ThresholdMetric):
    """Base of metrics at thresholds that users choose. With one threshold the result is a number.

    Parameters
    ----------
    thresholds : float or list of float, optional
    top_k : int, optional
    class_id : int, optional
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    fixed_arguments = ("thresholds", "top_k")

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        default = 0.5 if top_k is None else LOWEST
        super().__init__(check_thresholds(thresholds, default), dtype, name, top_k, class_id)
        one = thresholds is None or isinstance(thresholds, (int, float))
        self.init_thresholds = thresholds if one else list(self.thresholds)
        self.make_state([(len(self.thresholds),)] * len(self.state_names))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values."""
        return super().get_config() | {"thresholds": to_config(self.init_thresholds)}

    def score(self) -> Any:
        """One number, or one for each threshold."""
        values = self.values()
        return values[0] if len(self.thresholds) == 1 else values

    def values(self) -> Array:
        """The metric at each threshold."""
        raise NotImplementedError


@registry.register()
class TruePositives(Counts):
    """Weight of positive labels whose predictions are above a threshold: ``sum([y_true != 0] [y_pred > threshold])``.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]; 0.5 by default. With several, the result is an array with a count for each.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If a threshold is not a number in [0, 1]; for an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.TruePositives()([0, 1, 1, 1], [0.9, 0.2, 0.8, 0.7]))
    2.0
    """

    state_names = ("accumulator",)
    counted = ("true_positives",)  # type: ignore[assignment]
    accumulator: MetricVariable

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name=name, dtype=dtype)

    def values(self) -> Array:
        """The count at each threshold."""
        return self.accumulator.value


@registry.register()
class FalsePositives(Counts):
    """Weight of labels 0 whose predictions are above a threshold: ``sum([y_true = 0] [y_pred > threshold])``.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]; 0.5 by default. With several, the result is an array with a count for each.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If a threshold is not a number in [0, 1]; for an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.FalsePositives()([0, 1, 0, 0], [0.9, 0.2, 0.8, 0.3]))
    2.0
    """

    state_names = ("accumulator",)
    counted = ("false_positives",)  # type: ignore[assignment]
    accumulator: MetricVariable

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name=name, dtype=dtype)

    def values(self) -> Array:
        """The count at each threshold."""
        return self.accumulator.value


@registry.register()
class TrueNegatives(Counts):
    """Weight of labels 0 whose predictions are not above a threshold: ``sum([y_true = 0] [y_pred <= threshold])``.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]; 0.5 by default. With several, the result is an array with a count for each.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If a threshold is not a number in [0, 1]; for an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.TrueNegatives()([0, 1, 0, 0], [0.9, 0.2, 0.1, 0.3]))
    2.0
    """

    state_names = ("accumulator",)
    counted = ("true_negatives",)  # type: ignore[assignment]
    accumulator: MetricVariable

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name=name, dtype=dtype)

    def values(self) -> Array:
        """The count at each threshold."""
        return self.accumulator.value


@registry.register()
class FalseNegatives(Counts):
    """Weight of positives whose predictions are not above a threshold: ``sum([y_true != 0] [y_pred <= threshold])``.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]; 0.5 by default. With several, the result is an array with a count for each.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If a threshold is not a number in [0, 1]; for an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.FalseNegatives()([0, 1, 1, 1], [0.9, 0.2, 0.8, 0.3]))
    2.0
    """

    state_names = ("accumulator",)
    counted = ("false_negatives",)  # type: ignore[assignment]
    accumulator: MetricVariable

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name=name, dtype=dtype)

    def values(self) -> Array:
        """The count at each threshold."""
        return self.accumulator.value
