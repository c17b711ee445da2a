"""Checked data of an estimator, and the loss to minimize."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

__all__ = ["Objective", "Samples", "split"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """Inputs, encoded targets, and the weights of samples in the loss and in scores."""

    x: Any
    y: Array
    weight: Array | None = None
    score_weight: Array | None = None


@dataclass(frozen=True)
class Objective:
    """A loss, and the function from the value in the logs of `fit` to the loss that is reported."""

    loss: Any
    loss_weight: float = 1.0
    weighted_metrics: tuple[Any, ...] = ()
    shown: Callable[[dict[str, Any]], float] = lambda logs: logs["loss"]


def split(
    samples: Samples, fraction: float, random_state: np.random.RandomState, stratify: Array | None
) -> tuple[Samples, Samples]:
    """Split samples into training data and this fraction of validation data, as scikit-learn does.

    Raises
    ------
    ValueError
        If the fraction contains fewer than two samples.
    """
    weights = [weight for weight in (samples.weight, samples.score_weight) if weight is not None]
    parts = train_test_split(
        samples.x, samples.y, *weights, random_state=random_state, test_size=fraction, stratify=stratify
    )
    if parts[1].shape[0] < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    train, held_out = parts[::2], parts[1::2]
    weight = train[2] if samples.weight is not None else None
    score_weight = held_out[-1] if samples.score_weight is not None else None
    return Samples(train[0], train[1], weight), Samples(held_out[0], held_out[1], score_weight, score_weight)
