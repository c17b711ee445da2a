"""Convert weights of PyTorch's recurrent modules, ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU``.

A module with several layers holds the weights of as many layers here. PyTorch's matrices are (gates * units, features);
there are two biases, and the gates of a GRU are in the order r, z, n.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers

__all__ = ["MODULES", "convert_recurrent", "layers_of_module"]

Array = NDArray[Any]
# The module that computes the same as a layer.
MODULES: dict[type[layers.Layer], str] = {
    layers.SimpleRNN: "nn.RNN",
    layers.LSTM: "nn.LSTM",
    layers.GRU: "nn.GRU",
    layers.Bidirectional: "nn.RNN, nn.LSTM or nn.GRU with bidirectional=True",
}
NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


OF_LAYER = re.compile(r"(\w+_l)(\d+)((?:_reverse)?)")


def layers_of_module(prefix: str, group: dict[str, Array]) -> dict[str, dict[str, Array]]:
    """The weights of each layer of a module, under the names of a module with a single layer."""
    found: dict[str, dict[str, Array]] = {}
    for name, array in group.items():
        match = OF_LAYER.fullmatch(name)
        if match is None:
            return {prefix: group}
        found.setdefault(match[2], {})[f"{match[1]}0{match[3]}"] = array
    if len(found) == 1:
        return {prefix: group}
    return {f"{prefix}, layer {number}": found[number] for number in sorted(found, key=int)}


def convert_recurrent(layer: Any, prefix: str, group: dict[str, Array], source: str) -> dict[Any, Array]:
    """Convert the arrays of a module to values of a layer's variables.

    Raises
    ------
    ValueError
        If names or shapes differ, or the layer computes something else.
    """
    if isinstance(layer, layers.Bidirectional):
        parts = {layer.forward_layer: "", layer.backward_layer: "_reverse"}
    else:
        parts = {layer: ""}
    found: dict[Any, Array] = {}
    known: set[str] = set()
    for one, suffix in parts.items():
        names = [name + suffix for name in NAMES[: 4 if one.use_bias else 2]]
        known.update(names)
        _check(one, prefix, group, names, source)
        found |= _convert(one, prefix, [group[name] for name in names], source)
    if known != set(group):
        raise ValueError(
            f"Layer {layer.name!r} ({type(layer).__name__}) needs {' and '.join(sorted(known))}, but module {prefix!r} "
            f"of {source} has {' and '.join(sorted(group))}."
        )
    return found


def _check(layer: Any, prefix: str, group: dict[str, Array], names: list[str], source: str) -> None:
    """Refuse a layer without a counterpart in PyTorch, or a module without its weights."""
    who = f"Layer {layer.name!r} ({type(layer).__name__})"
    if not any(isinstance(layer, cls) for cls in MODULES):
        raise ValueError(f"{who} has no counterpart in PyTorch: its weights cannot come from module {prefix!r}.")
    if isinstance(layer, layers.GRU) and not layer.reset_after:
        raise ValueError(f"{who} resets its state before the product, but nn.GRU after it: set reset_after=True.")
    missing = [name for name in names if name not in group]
    if missing:
        raise ValueError(
            f"{who} needs {' and '.join(names)}, but module {prefix!r} of {source} has {' and '.join(sorted(group))}."
        )


def _convert(layer: Any, prefix: str, arrays: list[Array], source: str) -> dict[Any, Array]:
    kernel, recurrent, *biases = (_ordered(layer, array.T) for array in arrays)
    values = [kernel, recurrent]
    if biases:
        values.append(np.stack(biases) if isinstance(layer, layers.GRU) else biases[0] + biases[1])
    for variable, value in zip(layer.variables, values, strict=True):
        if value.shape != variable.shape:
            raise ValueError(
                f"Layer {layer.name!r} ({type(layer).__name__}) needs a {variable.name} of shape {variable.shape}, but "
                f"module {prefix!r} of {source} gives {value.shape}."
            )
    return dict(zip(layer.variables, values, strict=True))


def _ordered(layer: Any, array: Array) -> Array:
    """The columns, or the elements of a bias, with the gates of a GRU in the order z, r, g."""
    if not isinstance(layer, layers.GRU) or array.shape[-1] % 3:
        return array
    r, z, g = np.split(array, 3, axis=-1)
    return np.concatenate([z, r, g], axis=-1)
