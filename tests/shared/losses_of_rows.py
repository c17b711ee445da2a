"""Losses that give each row of the last axis a value, and data for them."""

import inspect
import math

import numpy as np
import pytest

from cbackprop import losses

# Other files test losses along other axes than the last (test_losses_of_axes.py), losses of twice as many predictions
# as targets (test_likelihoods.py), and losses of sequences of labels (test_ctc.py).
CLASSES = {
    name: thing
    for name, thing in losses.registry
    if inspect.isclass(thing)
    and not hasattr(thing, "layout")
    and thing.target_kind != "half"
    and not thing.label_sequences
}
CROSSENTROPIES = ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]
# Losses whose predictions must be positive.
POSITIVE = ("KLDivergence", "Poisson", "MeanSquaredLogarithmicError")
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)


def targets(loss, rows, width, rng):
    """Random targets that a loss accepts. For cross-entropies, some are 0, some are 1 and some are between."""
    if loss.target_kind == "index":
        return rng.integers(width, size=rows)
    if loss.target_limits is None:
        return rng.normal(size=(rows, width))
    if loss.target_limits[1] > 1:
        return rng.poisson(2, size=(rows, width)).astype(float)
    hard = np.eye(width)[rng.integers(width, size=rows)] if width > 1 else rng.integers(2, size=(rows, 1)).astype(float)
    return np.where(rng.random((rows, 1)) < 0.5, hard, rng.random((rows, width)))


def predictions(loss, rows, width, rng, linked=False):
    """Random predictions; probabilities need not sum to 1, and some are 0 or 1."""
    if type(loss).__name__ in POSITIVE:
        return rng.uniform(0.05, 0.95, size=(rows, width))
    if not loss.link or loss.from_logits or linked:
        return 3 * rng.normal(size=(rows, width))
    p = rng.uniform(0.05, 0.95, size=(rows, width))
    if width > 1:
        p[::3] = np.eye(width)[rng.integers(width, size=len(p[::3]))]
    return p


def problem(loss, rng, shape=(4, 3, 2)):
    """Targets and predictions with an axis between batch and classes."""
    rows, width = math.prod(shape[:-1]), shape[-1]
    y_true = targets(loss, rows, width, rng)
    y_pred = predictions(loss, rows, width, rng).reshape(shape)
    return y_true.reshape(shape[:-1] if loss.target_kind == "index" else shape), y_pred
