"""Accuracy and R2 of checked arrays.

scikit-learn's functions check their arguments in 200 µs, which after each epoch is more than the epoch of a small
table takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["accuracy", "r2"]

Array = NDArray[Any]


def accuracy(right: NDArray[np.bool_], weight: Array | None) -> float:
    """The weighted share of samples that are `right`, (n,)."""
    return float(right.mean() if weight is None else weight @ right / weight.sum())


def r2(targets: Array, outputs: Array, weight: Array | None) -> float:
    """The mean over outputs of ``1 - sum(w (y - p)^2) / sum(w (y - mean)^2)``, of arrays (n, outputs).

    Where all targets are the same, an output counts 1 if it is right and 0 if not. NaN for a single sample.
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
