"""Precision, recall, and the best value of one rate at a required value of another."""

from __future__ import annotations

from typing import Any

from cbackprop.metrics.metric import registry
from cbackprop.metrics.thresholds import MOST_THRESHOLDS, Array, Counts, ThresholdMetric, fraction
from cbackprop.validation import check_integer, check_number

__all__ = [
    "Precision",
    "PrecisionAtRecall",
    "Recall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
]


@registry.register()
class Precision(Counts):
    """Fraction of the predicted positives that are true: ``TP / (TP + FP)``; 0 if none is predicted.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]. By default 0.5, or no threshold if `top_k` is given. With several, the result is an array.
    top_k : int, optional
        Only the k largest predictions of a row count as positive. Among equal predictions, earlier ones count first.
    class_id : int, optional
        Only this element of each row is used.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if rows are too short for `top_k` or
        `class_id`.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.Precision()([0, 1, 1, 1], [0.9, 0.2, 0.8, 0.7])), 4)
    0.6667
    """

    state_names = ("true_positives", "false_positives")

    def values(self) -> Array:
        """The precision at each threshold."""
        return fraction(self.true_positives, self.false_positives)


@registry.register()
class Recall(Counts):
    """Fraction of the positives that are predicted: ``TP / (TP + FN)``; 0 if there are none.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]. By default 0.5, or no threshold if `top_k` is given. With several, the result is an array.
    top_k : int, optional
        Only the k largest predictions of a row count as positive. Among equal predictions, earlier ones count first.
    class_id : int, optional
        Only this element of each row is used.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if rows are too short for `top_k` or
        `class_id`.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.Recall()([0, 1, 1, 1], [0.9, 0.2, 0.8, 0.7])), 4)
    0.6667
    """

    state_names = ("true_positives", "false_negatives")

    def values(self) -> Array:
        """The recall at each threshold."""
        return fraction(self.true_positives, self.false_negatives)


def even_thresholds(n: int) -> list[float]:
    """n evenly spaced thresholds from 0 to 1; 0.5 if n is 1."""
    return [0.5] if n == 1 else [0.0, *((i + 1) / (n - 1) for i in range(n - 2)), 1.0]


class BestAt(ThresholdMetric):
    """Base of metrics with the best value of one rate over the thresholds at which another rate is high enough.

    Parameters
    ----------
    num_thresholds : int
    class_id : int, optional
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    fixed_arguments = ("num_thresholds",)

    def __init__(self, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        self.num_thresholds = check_integer("num_thresholds", num_thresholds, 1, MOST_THRESHOLDS)
        super().__init__(even_thresholds(self.num_thresholds), dtype, name, class_id=class_id)
        self.is_even = self.num_thresholds > 1
        self.make_state([(len(self.thresholds),)] * len(self.state_names))

    def recalls(self) -> Array:
        """TP / (TP + FN) at each threshold, also called sensitivity."""
        return fraction(self.true_positives, self.false_negatives)

    def precisions(self) -> Array:
        """TP / (TP + FP) at each threshold."""
        return fraction(self.true_positives, self.false_positives)

    def specificities(self) -> Array:
        """TN / (TN + FP) at each threshold."""
        return fraction(self.true_negatives, self.false_positives)


def best(rates: Array, others: Array, least: float) -> Any:
    """The largest of `rates` where `others` is at least `least`; 0 if there is no such place."""
    return rates[others >= least].max(initial=0.0)


@registry.register()
class SensitivityAtSpecificity(BestAt):
    """Largest ``TP / (TP + FN)`` over the thresholds at which ``TN / (TN + FP)`` is at least `specificity`.

    Parameters
    ----------
    specificity : float
        In [0, 1].
    num_thresholds : int, default 200
        How many thresholds are tried, evenly spaced from 0 to 1.
    class_id : int, optional
        Only this element of each row is used.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.SensitivityAtSpecificity(0.5)
    >>> float(metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
    0.5
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.specificity = check_number("specificity", specificity, 0, 1)
        super().__init__(num_thresholds, class_id, name, dtype)

    def score(self) -> Any:
        """The best sensitivity."""
        return best(self.recalls(), self.specificities(), self.specificity)


@registry.register()
class SpecificityAtSensitivity(BestAt):
    """Largest ``TN / (TN + FP)`` over the thresholds at which ``TP / (TP + FN)`` is at least `sensitivity`.

    Parameters
    ----------
    sensitivity : float
        In [0, 1].
    num_thresholds : int, default 200
        How many thresholds are tried, evenly spaced from 0 to 1.
    class_id : int, optional
        Only this element of each row is used.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.SpecificityAtSensitivity(0.5)
    >>> round(float(metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])), 4)
    0.6667
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.sensitivity = check_number("sensitivity", sensitivity, 0, 1)
        super().__init__(num_thresholds, class_id, name, dtype)

    def score(self) -> Any:
        """The best specificity."""
        return best(self.specificities(), self.recalls(), self.sensitivity)


@registry.register()
class PrecisionAtRecall(BestAt):
    """Largest ``TP / (TP + FP)`` over the thresholds at which ``TP / (TP + FN)`` is at least `recall`.

    Parameters
    ----------
    recall : float
        In [0, 1].
    num_thresholds : int, default 200
        How many thresholds are tried, evenly spaced from 0 to 1.
    class_id : int, optional
        Only this element of each row is used.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
    0.5
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.recall = check_number("recall", recall, 0, 1)
        super().__init__(num_thresholds, class_id, name, dtype)

    def score(self) -> Any:
        """The best precision."""
        return best(self.precisions(), self.recalls(), self.recall)


@registry.register()
class RecallAtPrecision(BestAt):
    """Largest ``TP / (TP + FN)`` over the thresholds at which ``TP / (TP + FP)`` is at least `precision`.

    Parameters
    ----------
    precision : float
        In [0, 1].
    num_thresholds : int, default 200
        How many thresholds are tried, evenly spaced from 0 to 1.
    class_id : int, optional
        Only this element of each row is used.
    name : str, optional
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.RecallAtPrecision(0.8)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
    0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.precision = check_number("precision", precision, 0, 1)
        super().__init__(num_thresholds, class_id, name, dtype)

    def score(self) -> Any:
        """The best recall."""
        return best(self.recalls(), self.precisions(), self.precision)
