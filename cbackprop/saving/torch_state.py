"""Read weights from a PyTorch ``state_dict`` of a module with the same layers.

PyTorch names a weight by its module and its role, such as ``"0.weight"``. Weights with the same part before the last
dot form a group. Groups are matched, in order, with the layers that have weights.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.foreign_arrays import from_foreign
from cbackprop.plan.graph import unfolded_layers

__all__ = ["is_torch_weight", "read_torch_state"]

Array = NDArray[Any]
# Entries of a state_dict that are not weights.
IGNORED = "num_batches_tracked"


def _same(array: Array, shape: tuple[int, ...]) -> Array:
    return array


def _transposed(array: Array, shape: tuple[int, ...]) -> Array:
    return array.T


def _spread(array: Array, shape: tuple[int, ...]) -> Array:
    """Broadcast the slopes of PReLU: PyTorch has one, or one for each channel; here each element may have its own."""
    return np.broadcast_to(array, shape) if array.size == 1 or array.shape == shape[-1:] else array


# For each class: for each weight, its name in PyTorch and the function that converts it.
Roles = dict[str, tuple[str, Callable[[Array, tuple[int, ...]], Array]]]
NORMALIZATION: Roles = {"gamma": ("weight", _same), "beta": ("bias", _same)}
ROLES: dict[type[layers.Layer], Roles] = {
    layers.Dense: {"kernel": ("weight", _transposed), "bias": ("bias", _same)},
    layers.BatchNormalization: {
        **NORMALIZATION,
        "moving_mean": ("running_mean", _same),
        "moving_variance": ("running_var", _same),
    },
    layers.LayerNormalization: NORMALIZATION,
    layers.GroupNormalization: NORMALIZATION,
    layers.RMSNormalization: {"scale": ("weight", _same)},
    layers.Embedding: {"embeddings": ("weight", _same)},
    layers.PReLU: {"alpha": ("weight", _spread)},
}


def read_torch_state(
    model: Any, state: Mapping[str, Any], source: str, ordered: bool = True, skip_mismatch: bool = False
) -> list[Array | None]:
    """The arrays for the model's variables, in order; ``None`` for a variable that is skipped.

    Parameters
    ----------
    model : Model
    state : mapping of str to array
        NumPy arrays, or tensors.
    source : str
        Its name in messages.
    ordered : bool, default True
        Whether `state` is in the order of the modules. If not, they must be numbered, as in ``nn.Sequential``.
    skip_mismatch : bool, default False
        Skip the weights of a layer that does not match its module, with a warning.

    Raises
    ------
    TypeError
        If names are not strings, or values not numbers.
    ValueError
        If groups and layers differ in number, names or shapes; the message says which.
    """
    groups = _groups(state, source, ordered)
    wanted = [layer for layer in dict.fromkeys(unfolded_layers(model)) if layer.variables]
    if len(groups) != len(wanted):
        raise ValueError(
            f"{source} has weights for {len(groups)} modules ({', '.join(groups) or 'none'}), but the model has "
            f"{len(wanted)} layers with weights ({', '.join(layer.name for layer in wanted) or 'none'})."
        )
    found: dict[Any, Array | None] = {}
    for layer, (prefix, group) in zip(wanted, groups.items(), strict=True):
        try:
            found.update(_convert(layer, prefix, group, source))
        except ValueError as error:
            if not skip_mismatch:
                raise
            warnings.warn(f"{error} Its weights are not changed.", stacklevel=4)
            found.update(dict.fromkeys(layer.variables))
    return [found[variable] for variable in model.variables]


def is_torch_weight(name: str) -> bool:
    """Whether a name in a ``state_dict`` is that of a weight or a moving average."""
    return name.rpartition(".")[2] != IGNORED


def _groups(state: Mapping[str, Any], source: str, ordered: bool) -> dict[str, dict[str, Array]]:
    groups: dict[str, dict[str, Array]] = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise TypeError(f"{source} must have names like '0.weight', but got {name!r}.")
        if not is_torch_weight(name):
            continue
        prefix, _, role = name.rpartition(".")
        array = np.asarray(from_foreign(f"{source}[{name!r}]", value))
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{source}[{name!r}] must be an array of numbers, but got {type(value).__name__}.")
        groups.setdefault(prefix, {})[role] = array
    if all(re.fullmatch(r"\d+(\.\d+)*", prefix) for prefix in groups):
        return dict(sorted(groups.items(), key=lambda item: [int(part) for part in item[0].split(".")]))
    if not ordered and len(groups) > 1:
        raise ValueError(
            f"{source} names modules ({', '.join(groups)}) without numbers, and a file does not keep their order. "
            "Give load_weights the state_dict of the module itself."
        )
    return groups


def _convert(layer: Any, prefix: str, group: dict[str, Array], source: str) -> dict[Any, Array]:
    """Convert the weights of a module to values of a layer's variables."""
    who = f"Layer {layer.name!r} ({type(layer).__name__})"
    roles = next((ROLES[cls] for cls in type(layer).__mro__ if cls in ROLES), None)
    if roles is None:
        raise ValueError(
            f"{who} has no counterpart in PyTorch: its weights cannot come from module {prefix!r} of {source}."
        )
    names = [roles[variable.name][0] for variable in layer.variables]
    if sorted(names) != sorted(group):
        raise ValueError(
            f"{who} needs {' and '.join(names)}, but module {prefix!r} of {source} has {' and '.join(sorted(group))}."
        )
    found = {}
    for variable, name in zip(layer.variables, names, strict=True):
        convert = roles[variable.name][1]
        array = convert(group[name], variable.shape)
        if array.shape != variable.shape:
            expected = variable.shape[::-1] if convert is _transposed else variable.shape
            raise ValueError(
                f"{who} needs {name} of shape {expected}, but {prefix}.{name} of {source} has {group[name].shape}."
            )
        found[variable] = array
    return found
