"""How good predictions are."""

from __future__ import annotations

import numpy as np

from cbackprop.config import epsilon
from cbackprop.tables.frame import Array

__all__ = ["classification_scores", "regression_scores"]


def classification_scores(truth: Array, probabilities: Array) -> dict[str, float]:
    """Scores of predicted probabilities.

    Parameters
    ----------
    truth : ndarray of int (rows,)
        Numbers of classes.
    probabilities : ndarray (rows, classes)

    Returns
    -------
    dict
        ``accuracy``; ``balanced accuracy``, the mean of each class's share of rows that were recognised;
        ``log loss``; and ``AUC``, the mean over classes of how often a row of it is given a higher probability of it
        than another row. Classes without rows are left out of means, and AUC if no class can be told from others.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.tables import classification_scores
    >>> probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    >>> {name: round(score, 3) for name, score in classification_scores(np.array([0, 0, 1, 1]), probabilities).items()}
    {'accuracy': 0.75, 'balanced accuracy': 0.75, 'log loss': 0.4, 'AUC': 1.0}
    """
    right = probabilities.argmax(axis=1) == truth
    present = np.unique(truth)
    given = probabilities[np.arange(len(truth)), truth]
    scores = {
        "accuracy": float(right.mean()),
        "balanced accuracy": float(np.mean([right[truth == number].mean() for number in present])),
        "log loss": float(-np.log(np.clip(given, epsilon(), 1)).mean()),
    }
    if len(present) > 1:
        # Of two classes, each has the same area: what one gains in probability the other loses.
        chosen = [1] if probabilities.shape[1] == 2 else present
        scores["AUC"] = float(np.mean([_area(truth == number, probabilities[:, number]) for number in chosen]))
    return scores


def _area(is_it: Array, probability: Array) -> float:
    """The share of pairs of a row of the class and another in which the former has more; equal ones count a half."""
    _, place, counts = np.unique(probability, return_inverse=True, return_counts=True)
    ranks, ones = (np.cumsum(counts) - (counts - 1) / 2)[place], int(is_it.sum())
    return float((ranks[is_it].sum() - ones * (ones + 1) / 2) / (ones * (len(is_it) - ones)))


def regression_scores(truth: Array, prediction: Array) -> dict[str, float]:
    """Scores of predicted numbers, both (rows,): ``RMSE`` and ``MAE`` in their unit, and ``R2`` where they differ.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.tables import regression_scores
    >>> regression_scores(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    {'RMSE': 1.4142135623730951, 'MAE': 1.0, 'R2': -1.0}
    """
    errors = prediction - truth
    scores = {"RMSE": float(np.sqrt(np.mean(errors**2))), "MAE": float(np.abs(errors).mean())}
    spread = float(((truth - truth.mean()) ** 2).sum())
    if spread > 0:
        scores["R2"] = float(1 - (errors**2).sum() / spread)
    return scores
