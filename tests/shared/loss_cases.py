"""Data, targets and last layers that suit a loss."""

from __future__ import annotations

import inspect

import numpy as np

import cbackprop as cb
from cbackprop import layers

# Losses that take the logarithm of predictions.
POSITIVE = ("KLDivergence", "Poisson")


def data_for(model, samples, rng, loss=None):
    """Random inputs, and targets that suit a loss."""
    x = [rng.normal(size=(samples, *tensor.shape[1:])) for tensor in model.inputs]
    y = [targets_for(loss, (samples, *tensor.shape[1:]), rng) for tensor in model.outputs]
    return (x[0] if len(x) == 1 else x), (y[0] if len(y) == 1 else y)


def width_for(loss):
    """How many units the last layer has before a loss."""
    return 4 if getattr(loss, "target_kind", "") == "half" else 3


def last_layers(loss, last):
    """The last layers of a model of rows, behind which a loss can stand."""
    if getattr(loss, "label_sequences", False):
        steps = [layers.Dense(18, "tanh"), layers.Reshape((6, 3))]
        return [*steps, layers.Dense(width_for(loss), activation=last)]
    return [layers.Dense(width_for(loss), activation=last)]


def targets_for(loss, shape, rng):
    """Random targets that a loss accepts for predictions of this shape."""
    if getattr(loss, "label_sequences", False):  # of 0 to 3 labels, which may repeat
        labels = rng.integers(1, shape[-1], size=(shape[0], 3))
        return labels * (np.arange(3) < rng.integers(4, size=(shape[0], 1)))
    if getattr(loss, "target_kind", "") == "half":
        return rng.normal(size=(*shape[:-1], shape[-1] // 2))
    name = getattr(loss, "name", loss) or ""
    if "sparse" in name or getattr(loss, "target_kind", "") == "index":
        return rng.integers(shape[-1], size=shape[:-1])
    if "categorical" in name:
        return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
    if "binary" in name or "hinge" in name:
        return rng.integers(2, size=shape).astype(float)
    low, high = getattr(loss, "target_limits", None) or (-np.inf, np.inf)
    if high < np.inf:
        return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    if "percentage" in name:
        return 1 + np.abs(rng.normal(size=shape))  # what is nearly 0 has a derivative as large as one likes
    return rng.normal(size=shape) if low < 0 else rng.poisson(2, size=shape).astype(float)


def objective_for(name, last):
    """A loss, and the activation `last` or, if the loss asks for what that does not promise, another for it."""
    loss = cb.losses.get(name)
    if loss.link and last == "linear":
        options = inspect.signature(type(loss)).parameters
        return (type(loss)(from_logits=True), last) if "from_logits" in options else (loss, loss.link)
    return loss, ("softplus" if name in POSITIVE and last == "linear" else last)
