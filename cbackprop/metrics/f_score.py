"""F-scores, which combine precision and recall in one number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.config import epsilon
from cbackprop.metrics.metric import registry
from cbackprop.metrics.tally import Tally
from cbackprop.validation import ArgumentTypeError, check_choice, check_number, type_name

__all__ = ["F1Score", "FBetaScore"]

AVERAGES = (None, "micro", "macro", "weighted")


@registry.register()
class FBetaScore(Tally):
    """Weighted harmonic mean of precision and recall: ``(1 + beta^2) p r / (beta^2 p + r)`` of each class.

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}, optional
        None: an array with the score of each class. "micro": one score from the counts of all classes together.
        "macro": the mean over the classes. "weighted": the mean weighted by how often each class is true.
    beta : float, default 1.0
        Greater than 0. Recall counts `beta` times as much as precision.
    threshold : float, optional
        In (0, 1]. Classes with predictions above it count as predicted. By default only the class with the largest
        prediction does.
    name : str, default "fbeta_score"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if the predictions are not (batch, classes).

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.FBetaScore(beta=2.0, threshold=0.5)
    >>> y_true = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    >>> metric(y_true, [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]).round(4)
    array([0.3846, 0.9091, 0.8333], dtype=float32)
    """

    implementation = "metrics.tally.Hits"
    state_names = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
    rank = 2
    elementwise = False

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self.average = check_choice("average", average, AVERAGES)
        self.beta = _check_float("beta", beta, 1e100)
        self.threshold = None if threshold is None else _check_float("threshold", threshold, 1.0)

    def size(self, width: int) -> int:
        """The number of sums, for predictions with rows of `width` elements."""
        return 4 * width

    def state_of(self, sums: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The counts of each class, or of all classes together."""
        counts = sums.reshape(4, -1)
        return list(counts.sum(axis=1) if self.average == "micro" else counts)

    def score(self) -> Any:
        """The score, or one for each class."""
        hits, false_alarms, misses, positives = (getattr(self, name).value for name in self.state_names)
        precision = hits / (hits + false_alarms + epsilon())
        recall = hits / (hits + misses + epsilon())
        square = self.beta**2
        scores = (1 + square) * precision * recall / (square * precision + recall + epsilon())
        if self.average == "weighted":
            return (scores * positives / (positives.sum() + epsilon())).sum()
        return scores if self.average is None else scores.mean()


def _check_float(name: str, value: Any, maximum: float) -> float:
    """Check that `value` is a float greater than 0. As in Keras, an integer is refused."""
    number = check_number(name, value, 0, maximum, open_minimum=True)
    if not isinstance(value, (float, np.floating)):
        raise ArgumentTypeError(
            f"{name} must be a float, but got {value!r} of type {type_name(value)}: write {number!r}."
        )
    return number


@registry.register()
class F1Score(FBetaScore):
    """Harmonic mean of precision and recall: ``2 p r / (p + r)`` of each class.

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}, optional
        None: an array with the score of each class. "micro": one score from the counts of all classes together.
        "macro": the mean over the classes. "weighted": the mean weighted by how often each class is true.
    threshold : float, optional
        In (0, 1]. Classes with predictions above it count as predicted. By default only the class with the largest
        prediction does.
    name : str, default "f1_score"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if the predictions are not (batch, classes).

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.F1Score(threshold=0.5)
    >>> y_true = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    >>> metric(y_true, [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]).round(4)
    array([0.5   , 0.8   , 0.6667], dtype=float32)
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
