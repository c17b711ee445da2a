"""Train the model of an estimator by one call of `Model.fit`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import cbackprop as cb
from cbackprop.sklearn.rule import FullBatchRule, Rule
from cbackprop.sklearn.samples import Samples

__all__ = ["train"]

# The stack level for warnings: from here to the caller of the estimator's `fit`, through scikit-learn's decorator.
STACK = 6


def train(estimator: Any, samples: Samples, held_out: Samples | None, epochs: int | None) -> None:
    """Train for at most this many epochs, or steps of an optimizer that uses all samples.

    Parameters
    ----------
    estimator : BaseMLP
        The estimator, with a compiled model.
    samples, held_out : Samples
        Training data and validation data.
    epochs : int or None
        ``None`` means one epoch of `partial_fit`, without a warning that training has not converged.
    """
    model = estimator.model_
    shown = estimator._objective(samples.y, samples.weight).shown
    if isinstance(model.optimizer, cb.optimizers.FullBatchOptimizer):
        rule: Any = FullBatchRule(estimator, scorer(estimator, held_out), shown)
        batch_size = samples.x.shape[0]
    else:
        rule = Rule(estimator, samples.x.shape[0], scorer(estimator, held_out), shown)
        batch_size = batch_size_of(estimator, samples.x.shape[0])
    logged = held_out if estimator.callbacks else None  # only callbacks read val_loss
    seed = estimator._random_state.randint(2**31)
    estimator.n_iter_ = 0
    try:
        with estimator._threads(), cb.utils.seeded(int(seed)):
            model.fit(
                samples.x,
                samples.y,
                batch_size=batch_size,
                epochs=1 if epochs is None else epochs,
                verbose=0,
                callbacks=[rule, estimator.callbacks],
                sample_weight=samples.weight,
                shuffle=bool(estimator.shuffle),
                validation_data=None if logged is None else (logged.x, logged.y, logged.weight),
            )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=STACK - 1)
    else:
        message = None if epochs is None else rule.complaint(epochs)
        if message is not None:
            warnings.warn(message, ConvergenceWarning, stacklevel=STACK - 1)
    if rule.best_weights is not None:
        model.set_weights(rule.best_weights)


def batch_size_of(estimator: Any, samples: int) -> int:
    """The batch size, at most the number of samples."""
    if estimator.batch_size == "auto":
        return min(200, samples)
    if estimator.batch_size > samples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=STACK
        )
    return int(min(estimator.batch_size, samples))


def scorer(estimator: Any, held_out: Samples | None) -> Callable[[], float] | None:
    """A function that returns the score of these samples, or NaN if outputs are not finite."""
    if held_out is None:
        return None

    def score() -> float:
        outputs = estimator.model_.predict_on_batch(held_out.x)
        if not np.isfinite(outputs).all():
            return np.nan
        return float(estimator._score_of(held_out.y, outputs, held_out.score_weight))

    return score
