"""Scores of predictions for classification and regression."""

from __future__ import annotations

import numpy as np

from cbackprop.config import epsilon
from cbackprop.losses.target import check_prediction, check_target
from cbackprop.tables.frame import Array

__all__ = ["classification_scores", "regression_scores"]


# A variance below this counts as 0, after the largest number is scaled to 1.
LEAST = 1e-300


def classification_scores(truth: Array, probabilities: Array) -> dict[str, float]:
    """Scores of predicted probabilities.

    Parameters
    ----------
    truth : ndarray of int (rows,)
        Class numbers.
    probabilities : ndarray (rows, classes)

    Returns
    -------
    dict
        ``accuracy``; ``balanced accuracy``, the mean over classes of the fraction of rows classified correctly;
        ``log loss``; and ``AUC``, the mean over classes of how often a row of the class gets a higher probability for
        it than another row. Classes without rows are left out of means. AUC is missing if all rows are of one class.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not have these types and shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.tables import classification_scores
    >>> probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    >>> {name: round(score, 3) for name, score in classification_scores(np.array([0, 0, 1, 1]), probabilities).items()}
    {'accuracy': 0.75, 'balanced accuracy': 0.75, 'log loss': 0.4, 'AUC': 1.0}
    """
    probabilities = check_prediction("probabilities", probabilities, "float64")
    if probabilities.ndim != 2 or not len(probabilities):
        raise ValueError(f"probabilities must have the shape (rows, classes), but got {probabilities.shape}.")
    truth = check_target("truth", truth, probabilities.shape, "index", "float64")
    right = probabilities.argmax(axis=1) == truth
    present = np.unique(truth)
    given = probabilities[np.arange(len(truth)), truth]
    scores = {
        "accuracy": float(right.mean()),
        "balanced accuracy": float(np.mean([right[truth == number].mean() for number in present])),
        "log loss": float(-np.log(np.clip(given, epsilon(), 1)).mean()),
    }
    if len(present) > 1:
        # With two classes, both have the same area, because the probabilities add up to 1.
        chosen = [1] if probabilities.shape[1] == 2 else present
        scores["AUC"] = float(np.mean([_area(truth == number, probabilities[:, number]) for number in chosen]))
    return scores


def _area(is_it: Array, probability: Array) -> float:
    """The fraction of pairs of a row of the class and another row in which the former has a higher probability.

    Pairs with equal probabilities count one half.
    """
    _, place, counts = np.unique(probability, return_inverse=True, return_counts=True)
    ranks, ones = (np.cumsum(counts) - (counts - 1) / 2)[place], int(is_it.sum())
    return float((ranks[is_it].sum() - ones * (ones + 1) / 2) / (ones * (len(is_it) - ones)))


def regression_scores(truth: Array, prediction: Array) -> dict[str, float]:
    """Scores of predicted numbers: ``RMSE``, ``MAE``, and ``R2`` unless all true numbers are the same.

    Parameters
    ----------
    truth, prediction : ndarray (rows,)

    Raises
    ------
    TypeError, ValueError
        If the arrays do not have these types and shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.tables import regression_scores
    >>> regression_scores(np.array([2.0, 4.0]), np.array([2.0, 2.0]))
    {'RMSE': 1.4142135623730951, 'MAE': 1.0, 'R2': -1.0}
    """
    prediction = check_prediction("prediction", prediction, "float64")
    truth = check_prediction("truth", truth, "float64")
    if prediction.shape != truth.shape or truth.ndim != 1:
        shapes = f"{truth.shape} and {prediction.shape}"
        raise ValueError(f"truth and prediction must be of one shape (rows,), but got {shapes}.")
    unit = float(max(np.abs(truth).max(), np.abs(prediction).max())) or 1.0  # scaling prevents overflow of squares
    errors = prediction / unit - truth / unit
    squares = float((errors**2).mean())
    scores = {"RMSE": float(np.sqrt(squares)) * unit, "MAE": float(np.abs(errors).mean()) * unit}
    spread = float((truth / unit).var())
    if spread > LEAST:
        scores["R2"] = 1 - squares / spread
    return scores
