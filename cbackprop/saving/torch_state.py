"""Read weights from a PyTorch ``state_dict`` of a module with the same layers.

PyTorch names a weight by its module and its role, such as ``"0.weight"``. Weights with the same name before the last
dot form a group. Groups are matched, in order, with the layers that have weights. A separable convolution takes two
groups, because in PyTorch it consists of two modules.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.foreign_arrays import from_foreign
from cbackprop.layers.spatial import AxesLayer
from cbackprop.plan.graph import unfolded_layers
from cbackprop.saving.torch_attention import (
    HeadAttention,
    convert_attention,
    in_order_of_computing,
    with_output_projections,
)
from cbackprop.saving.torch_recurrent import MODULES, convert_recurrent, layers_of_module

__all__ = ["is_torch_weight", "read_torch_state"]

Array = NDArray[Any]
# Entries of a state_dict that are not weights.
IGNORED = "num_batches_tracked"


def _same(array: Array, shape: tuple[int, ...]) -> Array:
    return array


def _transposed(array: Array, shape: tuple[int, ...]) -> Array:
    return array.T


def _channels_first(array: Array, shape: tuple[int, ...]) -> Array:
    """The kernel of a convolution: PyTorch has (filters, channels, ...), here it is (..., channels, filters)."""
    return array.transpose(*range(2, array.ndim), 1, 0) if array.ndim > 2 else array


def _channelwise(array: Array, shape: tuple[int, ...]) -> Array:
    """A depthwise kernel: PyTorch has (channels * multiplier, 1, ...), here it is (..., channels, multiplier)."""
    if array.shape != _expected(_channelwise, shape):
        return array
    return _channels_first(array.reshape(*shape[-2:], *array.shape[2:]).swapaxes(0, 1), shape)


def _expected(convert: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that PyTorch's array must have."""
    if convert is _transposed:
        return shape[::-1]
    if convert is _channelwise:
        return (shape[-2] * shape[-1], 1, *shape[:-2])
    return (*shape[:-3:-1], *shape[:-2]) if convert is _channels_first else shape


def _spread(array: Array, shape: tuple[int, ...]) -> Array:
    """Broadcast the slopes of PReLU: PyTorch has one, or one for each channel; here each element may have its own."""
    return np.broadcast_to(array, shape) if array.size == 1 or array.shape == shape[-1:] else array


# For each weight: its name in PyTorch, and the function that converts it.
Roles = dict[str, tuple[str, Callable[[Array, tuple[int, ...]], Array]]]
NORMALIZATION: Roles = {"gamma": ("weight", _same), "beta": ("bias", _same)}
CONVOLUTION: Roles = {"kernel": ("weight", _channels_first), "bias": ("bias", _same)}
CHANNELWISE: Roles = {"kernel": ("weight", _channelwise), "bias": ("bias", _same)}
SEPARABLE: tuple[Roles, ...] = (
    {"depthwise_kernel": ("weight", _channelwise)},
    {"pointwise_kernel": ("weight", _channels_first), "bias": ("bias", _same)},
)
# Kernels of transposed convolutions are (channels, filters, ...) in PyTorch, and (..., filters, channels) here.
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
# The modules of each class of layers.
ROLES: dict[type[layers.Layer], tuple[Roles, ...]] = {
    layers.Dense: ({"kernel": ("weight", _transposed), "bias": ("bias", _same)},),
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D, *TRANSPOSED), (CONVOLUTION,)),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), (CHANNELWISE,)),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), SEPARABLE),
    layers.BatchNormalization: (
        {**NORMALIZATION, "moving_mean": ("running_mean", _same), "moving_variance": ("running_var", _same)},
    ),
    layers.LayerNormalization: (NORMALIZATION,),
    layers.GroupNormalization: (NORMALIZATION,),
    layers.RMSNormalization: ({"scale": ("weight", _same)},),
    layers.Embedding: ({"embeddings": ("weight", _same)},),
    layers.PReLU: ({"alpha": ("weight", _spread)},),
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
        If the number, names or shapes of groups do not fit the layers. The message says which.
    """
    modules = _groups(state, source, ordered)
    groups = {name: part for each in modules.items() for name, part in layers_of_module(*each).items()}
    wanted = [layer for layer in dict.fromkeys(unfolded_layers(model)) if layer.variables]
    needed = sum(_modules(layer) for layer in wanted)
    if len(groups) != needed:
        raise ValueError(
            f"{source} has weights for {len(groups)} modules ({', '.join(groups) or 'none'}), but the model has "
            f"{len(wanted)} layers with weights ({', '.join(layer.name for layer in wanted) or 'none'})"
            + (f", which are {needed} modules in PyTorch." if needed != len(wanted) else ".")
        )
    groups = in_order_of_computing(groups, [layer for layer in wanted for _ in range(_modules(layer))])
    found: dict[Any, Array | None] = {}
    flattened = _flattened(model.graph)
    remaining = iter(groups.items())
    for layer in wanted:
        try:
            converted = _convert(layer, dict(itertools.islice(remaining, _modules(layer))), source)
            if layer in flattened:
                kernel = layer.variables[0]
                converted[kernel] = _rows_reordered(converted[kernel], flattened[layer])
            found.update(converted)
        except ValueError as error:
            if not skip_mismatch:
                raise
            warnings.warn(f"{error} Its weights are not changed.", stacklevel=4)
            found.update(dict.fromkeys(layer.variables))
    return [found[variable] for variable in model.variables]


def _flattened(graph: Any) -> dict[Any, tuple[int, ...]]:
    """The dense layers that read flattened features with the channels last, and the shape of the features.

    PyTorch flattens with the channels first. Only layers with a data format, such as convolutions, tell which axis has
    the channels.
    """
    found: dict[Any, tuple[int, ...]] = {}
    for node in graph.nodes:
        if node.graph is not None:
            found |= _flattened(node.graph)
        if isinstance(node.layer, layers.Dense) and node.layer.kernel is not None:
            before = _behind(node.inputs[0], layers.Flatten)
            behind = None if before is None else _behind(before.inputs[0], AxesLayer)
            if before is not None and behind is not None and behind.layer.data_format == "channels_last":
                found[node.layer] = tuple(before.inputs[0].shape[1:])
    return found


def _behind(tensor: Any, kind: type) -> Any:
    """The nearest earlier call of such a layer, past layers that keep the shape; ``None`` if there is none."""
    node, shape = tensor.node, tensor.shape
    while node is not None and len(node.inputs) == 1 and not isinstance(node.layer, kind):
        (tensor,) = node.inputs
        if tensor.shape != shape:
            return None
        node = tensor.node
    return node if node is not None and isinstance(node.layer, kind) else None


def _rows_reordered(kernel: Array, shape: tuple[int, ...]) -> Array:
    """Reorder the rows of a kernel from features (channels, ...) to features of this shape, (..., channels)."""
    *sizes, channels = shape
    rows = np.arange(len(kernel)).reshape(channels, *sizes)
    return kernel[np.moveaxis(rows, 0, -1).ravel()]


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
    groups = with_output_projections(groups)
    if all(re.fullmatch(r"\d+(\.\d+)*", prefix) for prefix in groups):
        return dict(sorted(groups.items(), key=lambda item: [int(part) for part in item[0].split(".")]))
    if not ordered and len(groups) > 1:
        raise ValueError(
            f"{source} names modules ({', '.join(groups)}) without numbers, and a file does not keep their order. Pass "
            "the state_dict of the module itself to load_weights."
        )
    return groups


def _roles(layer: Any) -> tuple[Roles, ...] | None:
    return next((ROLES[cls] for cls in type(layer).__mro__ if cls in ROLES), None)


def _modules(layer: Any) -> int:
    """How many modules hold a layer's weights."""
    return len(_roles(layer) or [None])


def _convert(layer: Any, groups: dict[str, dict[str, Array]], source: str) -> dict[Any, Array]:
    """Convert the weights of a layer's modules to values of its variables."""
    if isinstance(layer, (*MODULES, HeadAttention)):
        ((prefix, group),) = groups.items()
        if isinstance(layer, HeadAttention):
            return convert_attention(layer, prefix, group, source)
        return convert_recurrent(layer, prefix, group, source)
    who = f"Layer {layer.name!r} ({type(layer).__name__})"
    parts = _roles(layer)
    if parts is None:
        raise ValueError(
            f"{who} has no counterpart in PyTorch: its weights cannot come from module {next(iter(groups))!r} of "
            f"{source}."
        )
    found: dict[Any, Array] = {}
    variables = {variable.name: variable for variable in layer.variables}
    if parts is SEPARABLE:
        groups = _without_first_bias(groups, "bias" in variables)
    for (prefix, group), roles in zip(groups.items(), parts, strict=True):
        present = {name: role for name, role in roles.items() if name in variables}
        names = [name for name, _ in present.values()]
        if sorted(names) != sorted(group):
            raise ValueError(
                f"{who} needs {' and '.join(names)}, but module {prefix!r} of {source} has "
                f"{' and '.join(sorted(group))}."
            )
        if isinstance(layer, TRANSPOSED):
            group = _without_groups(group, layer.filters)
        for own, (name, convert) in present.items():
            variable = variables[own]
            array = convert(group[name], variable.shape)
            if array.shape != variable.shape:
                raise ValueError(
                    f"{who} needs {name} of shape {_expected(convert, variable.shape)}, but {prefix}.{name} of "
                    f"{source} has {group[name].shape}."
                )
            found[variable] = array
    return found


def _without_first_bias(groups: dict[str, dict[str, Array]], has_bias: bool) -> dict[str, dict[str, Array]]:
    """The modules of a separable convolution. The bias of the first one is moved into the bias of the second.

    That is possible because nothing but a linear map is between the two.
    """
    (first, depthwise), (second, pointwise) = groups.items()
    kernel, bias = pointwise.get("weight"), depthwise.get("bias")
    if not has_bias or bias is None or kernel is None or bias.shape != kernel.shape[1:2]:
        return groups
    moved = kernel.reshape(len(kernel), -1) @ bias if kernel[0].size == bias.size else None
    if moved is None:
        return groups
    more = pointwise.get("bias", np.zeros_like(moved))
    return {
        first: {name: array for name, array in depthwise.items() if name != "bias"},
        second: {**pointwise, "bias": more + moved if more.shape == moved.shape else more},
    }


def _without_groups(group: dict[str, Array], filters: int) -> dict[str, Array]:
    """Turn a grouped transposed convolution into one without groups: its kernel is 0 between different groups.

    PyTorch's kernel (channels, filters of a group, ...) does not tell the number of groups; the bias does.
    """
    kernel, bias = group["weight"], group.get("bias")
    if bias is None or bias.shape != (filters,) or kernel.ndim < 3 or not 0 < kernel.shape[1] < filters:
        return group
    count, rest = divmod(filters, kernel.shape[1])
    if rest or len(kernel) % count:
        return group
    whole = np.zeros((len(kernel), filters, *kernel.shape[2:]), kernel.dtype)
    channels = len(kernel) // count
    for i in range(count):
        inside = slice(i * channels, (i + 1) * channels)
        whole[inside, i * kernel.shape[1] : (i + 1) * kernel.shape[1]] = kernel[inside]
    return {**group, "weight": whole}
