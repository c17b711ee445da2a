"""Accuracy and R2 of checked arrays.

scikit-learn's own functions take 200 µs to check their arguments. With a small table that is longer than an epoch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["accuracy", "r2"]

Array = NDArray[Any]


def accuracy(right: NDArray[np.bool_], weight: Array | None) -> float:
    """The weighted fraction of correct samples; `right` is (n,)."""
    return float(right.mean() if weight is None else weight @ right / weight.sum())


def r2(targets: Array, outputs: Array, weight: Array | None) -> float:
    """The mean over outputs of ``1 - sum(w (y - p)^2) / sum(w (y - mean)^2)``, of arrays (n, outputs).

    If all targets of an output are the same, its value is 1 if it is correct, else 0. NaN for a single sample.
    """
    if len(targets) < 2:
        return np.nan
    if weight is None:
        weight = np.ones(len(targets))
    means = weight @ targets / weight.sum()
    residual, total = weight @ (targets - outputs) ** 2, weight @ (targets - means) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(total > 0, 1 - residual / total, residual == 0)
    return float(each.mean())
