"""Losses that layers add to the loss of the model from within `call`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from cbackprop.layers.call_context import current_call
from cbackprop.layers.tracking import layers_within
from cbackprop.validation import ArgumentTypeError

__all__ = ["add", "values", "warn_outside_call"]


def add(layer: Any, loss: Any, gradient: Any) -> None:
    """Note a loss, or a list of them, of the current call of a layer. Only the first one has the gradient.

    Raises
    ------
    TypeError
        If a loss is not a number.
    """
    context = current_call()
    added = layer._added_losses.setdefault(context and context.key, [])
    for value in loss if isinstance(loss, (list, tuple)) else [loss]:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub" or array.size != 1:
            raise ArgumentTypeError(f"loss must be one number for the whole batch, but got {value!r}.")
        added.append((float(array.reshape(())), gradient))
        gradient = None


def values(layer: Any) -> list[float]:
    """Everything that a layer and the layers within it add to the loss. See `Layer.losses`."""
    layers = [layer, *layers_within(layer)]
    added = [value for one in layers for each in one._added_losses.values() for value, _ in each]
    return added + [
        float(variable.regularizer(variable.numpy()))
        for variable in layer.trainable_variables
        if variable.regularizer is not None
    ]


def warn_outside_call(layer: Any) -> None:
    """Warn that a loss was added while no `call` runs. The warning points to the caller of `add_loss`."""
    warnings.warn(
        f"add_loss of {layer._title()} was called outside of call: `losses` shows what was added until the next "
        "call, but training never sees it. Call it within call, in each run.",
        stacklevel=3,
    )
