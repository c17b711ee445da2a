"""Read ONNX's operator Attention, of operator set 23 and later."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.onnx_reader.attention import cleared, core
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, reads
from cbackprop.export.onnx_reader.graph import Array, Node
from cbackprop.export.onnx_reader.parts import stretched
from cbackprop.export.onnx_reader.visibility import Seen, seen_by, settings_for
from cbackprop.tensor import KerasTensor

# Positions of inputs and outputs.
MASK, PAST = 3, {4: "past_key", 5: "past_value", 6: "nonpad_kv_seqlen"}
SCORES = 3
AFTER_SOFTMAX = 3


@reads("Attention", masks=lambda node: (MASK,))
def attention(builder: Builder, node: Node) -> list[KerasTensor | None]:
    """Attention with several heads. Groups of query heads may share keys and values."""
    refuse_unknown(builder, node)
    query, key, value = (with_heads(builder, node, number) for number in range(3))
    (heads, queries, features), (key_heads, keys, _) = query.shape[1:], key.shape[1:]
    shape = (int(heads or 0), int(queries or 0), int(keys or 0))
    seen = visible(builder, node, shape)
    scale = node.attributes.get("scale", 1 / math.sqrt(int(features or 1)))
    q = query if scale == 1 else builder.apply(node, layers.Rescaling, query, float(scale))
    if heads != key_heads:
        q, seen = grouped(builder, node, q, seen, shape, int(key_heads or 1))
    y = core(builder, node, layers.Attention, q, key, value, seen, blind_is_0=True)
    if heads != key_heads:
        y = builder.apply(node, layers.Reshape, y, (heads, queries, value.shape[-1]))
    if builder.tensor(node.inputs[0]).ndim == 3:
        y = builder.permuted(node, y, (2, 1, 3))
        y = builder.apply(node, layers.Reshape, y, (queries, int(heads or 0) * int(value.shape[-1] or 0)))
    return [y, key, value, weights_of(builder, node, q, key, seen, shape)][: len(node.outputs)]


def refuse_unknown(builder: Builder, node: Node) -> None:
    """Refuse what no layer computes."""
    for position, name in PAST.items():
        if len(node.inputs) > position and node.inputs[position]:
            raise UnreadableError(f"its input {name} is not read")
    if node.attribute("softcap"):
        raise UnreadableError(f"its softcap of {node.attribute('softcap'):g} is not read")
    types = builder.graph.package.TensorProto
    if node.attribute("softmax_precision") not in (None, 0, types.FLOAT, types.DOUBLE):
        raise UnreadableError("its softmax_precision is lower than that of the model")
    wants_scores = len(node.outputs) > SCORES and node.outputs[SCORES] in builder.wanted
    if wants_scores and node.attribute("qk_matmul_output_mode") != AFTER_SOFTMAX:
        raise UnreadableError("scores before softmax, its output qk_matmul_output, are not read")


def with_heads(builder: Builder, node: Node, number: int) -> KerasTensor:
    """An input as (batch, heads, positions, features)."""
    x = builder.tensor(node.inputs[number])
    if x.ndim == 4:
        return x
    heads = node.attribute("kv_num_heads" if number else "q_num_heads")
    if x.ndim != 3 or not heads or int(x.shape[2] or 0) % heads:
        raise UnreadableError(f"its input {node.inputs[number]!r} of shape {x.shape} is not divided into {heads} heads")
    x = builder.apply(node, layers.Reshape, x, (x.shape[1], heads, int(x.shape[2] or 0) // heads))
    return builder.permuted(node, x, (2, 1, 3))


def visible(builder: Builder, node: Node, shape: tuple[int, int, int]) -> Seen:
    """The keys that queries see; `shape` is (heads, queries, keys)."""
    _, queries, keys = shape
    behind = np.arange(queries)[:, np.newaxis] - np.arange(keys)
    seen = np.ones((queries, keys), bool)
    if node.attribute("is_causal"):
        seen &= behind >= 0
    left, right = (node.attribute(f"{side}_window_size") for side in ("left", "right"))
    if left is not None and left >= 0:
        seen &= behind <= left
    if right is not None and right >= 0:
        seen &= -behind <= right
    found = Seen([] if seen.all() else [seen], [])
    name = node.inputs[MASK] if len(node.inputs) > MASK else ""
    if not name:
        return found
    known = builder.graph.shapes.get(name, builder.graph.constants.get(name, np.zeros(0)).shape)
    if known and known[-1] not in (keys, 1):
        raise UnreadableError(f"its attn_mask of shape {known} is not for {keys} keys")
    boolean = builder.graph.types.get(name) == builder.graph.package.TensorProto.BOOL
    constant = builder.graph.constants.get(name)
    if constant is not None and constant.dtype == bool:
        return found & Seen([constant], [])
    return found & seen_by(builder, node, name, "seen" if boolean else "added")


def grouped(
    builder: Builder, node: Node, query: KerasTensor, seen: Seen, shape: tuple[int, int, int], key_heads: int
) -> tuple[KerasTensor, Seen]:
    """Put the queries of heads that share a key head, and their masks, side by side along the axis of positions."""
    heads, queries, keys = shape
    if heads % key_heads:
        raise UnreadableError(f"{heads} heads of queries cannot be divided among {key_heads} heads of keys")
    whole = (key_heads, heads // key_heads * queries, keys)
    fixed = [np.broadcast_to(_of_sample(array), shape).reshape(whole) for array in seen.fixed]
    given = []
    for x in seen.given:
        x = builder.apply(node, layers.Reshape, x, (*[1] * (4 - x.ndim), *x.shape[1:])) if x.ndim < 4 else x
        if tuple(x.shape[1:3]) != (1, 1):
            x = stretched(builder, node, x, (heads, queries, int(x.shape[3] or 1)))
            x = builder.apply(node, layers.Reshape, x, (*whole[:2], x.shape[3]))
        given.append(x)
    query = builder.apply(node, layers.Reshape, query, (*whole[:2], query.shape[-1]))
    return query, dataclasses.replace(seen, fixed=fixed, given=given)


def _of_sample(array: Array) -> Array:
    """A constant mask without an axis for the batch."""
    if array.ndim > 3:
        if len(array) != 1:
            raise UnreadableError(f"its constant mask of shape {array.shape} differs between samples")
        return array[0]
    return array


def weights_of(
    builder: Builder, node: Node, query: KerasTensor, key: KerasTensor, seen: Seen, shape: tuple[int, int, int]
) -> KerasTensor | None:
    """The attention weights, if something reads them."""
    if len(node.outputs) <= SCORES or node.outputs[SCORES] not in builder.wanted:
        return None
    sizes: Any = (*query.shape[1:-1], key.shape[2])
    settings = settings_for(builder, node, seen, sizes) | {"return_attention_scores": True}
    _, weights = builder.apply(node, layers.Attention, [query, key, key], settings=settings)
    weights = cleared(builder, node, weights, seen, sizes)
    return builder.apply(node, layers.Reshape, weights, shape) if sizes != shape else weights
