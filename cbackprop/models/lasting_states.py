"""Protect the states that layers keep from batch to batch, where a run must not change a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from cbackprop.engine import Engine
from cbackprop.layers.layer import Layer
from cbackprop.layers.tracking import layers_within
from cbackprop.plan.graph import unfolded_layers

__all__ = ["all_layers", "copy_states", "lasting_arrays", "states_kept", "states_of_model_kept"]


def lasting_arrays(engine: Engine) -> list[NDArray[Any]]:
    """The arrays in which an engine's layers keep states from batch to batch."""
    return [array for step in engine.plan.steps for array in step.layer.lasting]


@contextmanager
def states_kept(engine: Engine) -> Iterator[None]:
    """Let an engine run inside the ``with`` block, and restore the states afterwards."""
    before = [(array, array.copy()) for array in lasting_arrays(engine)]
    try:
        yield
    finally:
        for array, value in before:
            array[...] = value


@contextmanager
def states_of_model_kept(model: Any) -> Iterator[None]:
    """The same for a model that predicts inside the ``with`` block."""
    before = [(state, state.numpy()) for layer in all_layers(model) for state in states_of(layer)]
    try:
        yield
    finally:
        for state, value in before:
            state.array[...] = value


def copy_states(model: Any, copy: Any) -> None:
    """Give a copy of a model the states of the model."""
    for one, other in zip(all_layers(model), all_layers(copy), strict=True):
        for state, twin in zip(states_of(one), states_of(other), strict=True):
            twin.array[...] = state.array


def all_layers(model: Any) -> list[Layer]:
    """The layers of a model, including layers within layers."""
    return [each for layer in unfolded_layers(model) for each in (layer, *layers_within(layer))]


def states_of(layer: Layer) -> list[Any]:
    """The states that a layer keeps; an empty list if it keeps none."""
    return (getattr(layer, "states", None) or []) if layer.fixes_batch_size else []
