"""Save and restore the state of training: optimizer, random streams, training position, and callbacks."""

from __future__ import annotations

import warnings
from typing import Any

from numpy.typing import NDArray

from cbackprop.layers.tracking import layers_within
from cbackprop.plan.graph import unfolded_layers
from cbackprop.saving import optimizer_state
from cbackprop.saving.container import Container
from cbackprop.saving.contents import names_in
from cbackprop.saving.plain_arrays import join_arrays, split_arrays

__all__ = ["get_state", "restore_optimizer", "restore_streams", "resume"]


def get_state(model: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Plain values for the text ``state``, and the arrays of the optimizer and of callbacks by name."""
    arrays: dict[str, NDArray[Any]] = {}
    state: dict[str, Any] = {
        "streams": [layer.stream for layer in _random_layers(model)],
        "place": model.training_position(),
        "callbacks": split_arrays(model.callback_states(), arrays, "The state of callbacks"),
    }
    found = {f"callbacks/{name}": array for name, array in arrays.items()}
    if model.optimizer is None:
        return state, found
    state["optimizer"], slots = optimizer_state.get_state(model)
    return state, found | {f"optimizer/{name}": array for name, array in slots.items()}


def _random_layers(model: Any) -> list[Any]:
    """The layers that draw random numbers, in order, including those of nested models."""
    return [
        each for layer in unfolded_layers(model) for each in (layer, *layers_within(layer)) if hasattr(each, "stream")
    ]


def restore_optimizer(file: Container, model: Any, state: dict[str, Any]) -> None:
    """Restore the state of the model's optimizer, if it is of the same class as the saved one.

    Raises
    ------
    ValueError
        If the state does not match.
    """
    numbers = state.get("optimizer")
    optimizer = model.optimizer
    if numbers is None or optimizer is None:
        return
    arrays = {rest: file.array(name) for name, rest in names_in(file, "optimizer").items()}
    try:
        if numbers["class_name"] != type(optimizer).__name__:
            warnings.warn(
                f"The state of {numbers['class_name']} in {file.path!r} is ignored: the optimizer is "
                f"{type(optimizer).__name__}.",
                stacklevel=4,
            )
            return
        optimizer_state.set_state(model, numbers, arrays)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{file.path!r} does not fit the optimizer: {error}.") from error


def restore_streams(file: Container, model: Any, state: dict[str, Any]) -> None:
    """Let layers continue the random streams of the saved model.

    Raises
    ------
    ValueError
        If the model has a different number of such layers.
    """
    layers, streams = _random_layers(model), state.get("streams")
    if (
        not isinstance(streams, list)
        or len(streams) != len(layers)
        or not all(type(stream) is int and 0 <= stream < 2**32 for stream in streams)
    ):
        raise ValueError(f"{file.path!r} does not fit: the model has {len(layers)} layers with random numbers.")
    if [layer.stream for layer in layers] != streams:
        for layer, stream in zip(layers, streams, strict=True):
            layer.stream = stream
        model.restart_engine()


def resume(file: Container, model: Any, state: dict[str, Any], always: bool) -> None:
    """Let the next `fit` continue where training was; see `Trainer.resume_at`.

    Raises
    ------
    ValueError
        If the file does not contain the position, or it is damaged.
    """
    if state.get("place") is None:
        return
    try:
        callbacks = join_arrays(state.get("callbacks"), lambda name: file.any_array(f"callbacks/{name}"))
        model.resume_at(state["place"], always, callbacks)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{file.path!r} does not contain a valid training position: {error}.") from error
