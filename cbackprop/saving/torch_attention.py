"""Convert weights of PyTorch's ``nn.MultiheadAttention``, and of transformer blocks that contain it.

PyTorch stacks the projections of queries, keys and values in one matrix, each with its heads one after the other.
Transformer blocks list their normalizations last, wherever they are applied.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.layers.head_attention import HeadAttention

__all__ = ["HeadAttention", "convert_attention", "in_order_of_computing", "with_output_projections"]

Array = NDArray[Any]
Groups = dict[str, dict[str, Array]]
# The projections, and PyTorch's name of each matrix if queries, keys and values have different numbers of features.
APART = {"query": "q_proj_weight", "key": "k_proj_weight", "value": "v_proj_weight"}
OUTPUT = "out_proj"
# The modules of `nn.TransformerEncoderLayer` and `nn.TransformerDecoderLayer`, in the order of their state_dicts: the
# sublayers, and the normalization of each.
ENCODER = (["self_attn"], ["linear1", "linear2"]), ["norm1", "norm2"]
DECODER = (["self_attn"], ["multihead_attn"], ["linear1", "linear2"]), ["norm1", "norm2", "norm3"]
NORMALIZATIONS = (layers.LayerNormalization, layers.RMSNormalization)


def with_output_projections(groups: Groups) -> Groups:
    """The groups, with each output projection moved into the group of its attention."""
    owners = {prefix for prefix, group in groups.items() if {"in_proj_weight", *APART.values()}.intersection(group)}
    found: Groups = {}
    for prefix, group in groups.items():
        owner, _, last = prefix.rpartition(".")
        if last == OUTPUT and owner in owners:
            found.setdefault(owner, {}).update({f"{OUTPUT}.{role}": array for role, array in group.items()})
        else:
            found.setdefault(prefix, {}).update(group)
    return found


def in_order_of_computing(groups: Groups, wanted: list[Any]) -> Groups:
    """The groups, with those of transformer blocks in the order of computation.

    A `state_dict` does not say whether a block normalizes the inputs or the outputs of its sublayers. The order of the
    layers in `wanted` tells.
    """
    order: list[str] = []
    names = list(groups)
    while names:
        parts, normalizations = _block(names) or ([[names[0]]], [])
        block = [name for part in parts for name in part]
        if normalizations:
            before = len(order) < len(wanted) and isinstance(wanted[len(order)], NORMALIZATIONS)
            pairs = zip(parts, normalizations, strict=True)
            block = [name for part, norm in pairs for name in ([norm, *part] if before else [*part, norm])]
        order += block
        names = names[len(block) :]
    return {name: groups[name] for name in order}


def _block(names: list[str]) -> tuple[list[list[str]], list[str]] | None:
    """The sublayers and normalizations of a block whose modules have these names; ``None`` if they do not match."""
    owner, dot, _ = names[0].rpartition(".")
    for block in (ENCODER, DECODER):
        parts = [[owner + dot + name for name in part] for part in block[0]]
        normalizations = [owner + dot + name for name in block[1]]
        expected = [*(name for part in parts for name in part), *normalizations]
        if names[: len(expected)] == expected:
            return parts, normalizations
    return None


def convert_attention(layer: HeadAttention, prefix: str, group: dict[str, Array], source: str) -> dict[Any, Array]:
    """Convert the arrays of a module to values of a layer's variables.

    Raises
    ------
    ValueError
        If names or shapes differ, or the layer computes something else.
    """
    packed = not set(APART.values()).intersection(group)
    _check(layer, prefix, group, source, packed)
    made = layer.projections()
    inner, output = [made[name] for name in APART], made["attention_output"]
    ends = np.cumsum([_outputs(one) for one in inner])[:-1]
    kernels = np.split(group["in_proj_weight"], ends) if packed else [group[name] for name in APART.values()]
    kernels.append(group[f"{OUTPUT}.weight"])
    # PyTorch's matrices are (outputs, inputs). Ours are (inputs, outputs), with a separate axis for heads.
    found = {
        one.kernel: kernel.T.reshape(one.kernel.shape) for one, kernel in zip([*inner, output], kernels, strict=True)
    }
    if layer.use_bias:
        biases = [*np.split(group["in_proj_bias"], ends), group[f"{OUTPUT}.bias"]]
        found |= {one.bias: bias.reshape(one.bias.shape) for one, bias in zip([*inner, output], biases, strict=True)}
    return found


def _outputs(projection: Any) -> int:
    """How many features a projection gives for each position."""
    return math.prod(projection.kernel.shape[1:])


def _check(layer: HeadAttention, prefix: str, group: dict[str, Array], source: str, packed: bool) -> None:
    """Refuse a layer without a counterpart in PyTorch, or a module whose arrays do not fit."""
    who = f"Layer {layer.name!r} ({type(layer).__name__})"
    if layer.use_gate:
        raise ValueError(f"{who} has a gate, which nn.MultiheadAttention does not have: set use_gate=False.")
    shapes = _shapes(layer, packed)
    if sorted(shapes) != sorted(group):
        raise ValueError(
            f"{who} needs {' and '.join(shapes)}, but module {prefix!r} of {source} has {' and '.join(sorted(group))}."
        )
    for name, shape in shapes.items():
        if group[name].shape != shape:
            raise ValueError(
                f"{who} needs {name} of shape {shape}, but {prefix}.{name} of {source} has {group[name].shape}."
            )


def _shapes(layer: HeadAttention, packed: bool) -> dict[str, tuple[int, ...]]:
    """The shapes of PyTorch's arrays, by name."""
    made = layer.projections()
    sizes = [(_outputs(made[name]), made[name].kernel.shape[0]) for name in APART]
    rows = sum(size for size, _ in sizes)
    features = {size for _, size in sizes}
    packed = packed and len(features) == 1  # a single matrix needs equal numbers of features
    shapes: dict[str, tuple[int, ...]] = (
        {"in_proj_weight": (rows, *features)} if packed else dict(zip(APART.values(), sizes, strict=True))
    )
    output = made["attention_output"].kernel.shape
    inputs, outputs = math.prod(output[:2]), math.prod(output[2:])
    if layer.use_bias:
        shapes["in_proj_bias"] = (rows,)
    shapes[f"{OUTPUT}.weight"] = (outputs, inputs)
    if layer.use_bias:
        shapes[f"{OUTPUT}.bias"] = (outputs,)
    return shapes
