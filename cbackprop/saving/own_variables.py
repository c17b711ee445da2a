"""Arrays that users' layers save and load themselves: see `Layer.save_own_variables`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import Layer
from cbackprop.layers.tracking import layers_within
from cbackprop.plan.graph import unfolded_layers
from cbackprop.saving.contents import names_in

__all__ = ["load_store", "numbered_arrays", "own_arrays", "read_stores", "saves_its_own", "writing_layers"]

# The arrays of such a layer have the names OWN/NUMBER/KEY in a safetensors file.
OWN = "own"


def saves_its_own(layer: Any) -> bool:
    """Whether the layer's class overrides how its variables are saved or loaded."""
    cls = type(layer)
    return (
        cls.save_own_variables is not Layer.save_own_variables or cls.load_own_variables is not Layer.load_own_variables
    )


def writing_layers(model: Any) -> list[Any]:
    """The layers in a model that save or load their own variables, each once."""
    found = [layer for outer in unfolded_layers(model) for layer in (outer, *layers_within(outer))]
    return [layer for layer in dict.fromkeys(found) if saves_its_own(layer)]


def own_arrays(layer: Any) -> dict[str, NDArray[Any]]:
    """The arrays that a layer saves, by name.

    Raises
    ------
    TypeError
        If a name is not a string without "/", or a value is not an array of numbers.
    """
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    arrays = {}
    for key, value in store.items():
        array = np.asarray(value)
        if not isinstance(key, str) or not key or "/" in key or array.dtype.kind not in "fiub":
            raise TypeError(
                f"save_own_variables of layer {layer.name!r} must store arrays of numbers under names without '/', but "
                f"stored {type(value).__name__} under {key!r}."
            )
        arrays[key] = array
    return arrays


def numbered_arrays(model: Any, skipped: Iterable[int]) -> dict[str, NDArray[Any]]:
    """The arrays that all such layers save, by their names in a safetensors file."""
    layers = [(i, layer) for i, layer in enumerate(writing_layers(model)) if id(layer) not in set(skipped)]
    return {f"{OWN}/{i}/{key}": array for i, layer in layers for key, array in own_arrays(layer).items()}


def read_stores(file: Any, model: Any, skipped: Iterable[int] = ()) -> list[tuple[Any, dict[str, NDArray[Any]]]]:
    """The arrays that a safetensors file has for each such layer; an empty dict if it has none."""
    stores: dict[str, dict[str, NDArray[Any]]] = {}
    for name, rest in names_in(file, OWN).items():
        number, _, key = rest.partition("/")
        stores.setdefault(number, {})[key] = file.any_array(name)
    layers = [(str(i), layer) for i, layer in enumerate(writing_layers(model)) if id(layer) not in set(skipped)]
    return [(layer, stores[number]) for number, layer in layers if number in stores]


def load_store(layer: Any, store: dict[str, NDArray[Any]], path: str) -> None:
    """Let a layer load the arrays that a file has for it.

    Raises
    ------
    ValueError
        If the layer raises an error because an array is missing or wrong.
    """
    try:
        layer.load_own_variables(store)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path!r} does not contain what load_own_variables of layer {layer.name!r} ({type(layer).__name__}) "
            f"needs: {error!r}. It contains {sorted(store)}."
        ) from error
