"""Write attention layers: Einsum for projections, MatMul and Softmax for attention, Where for masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.export.onnx_writer.graph import Call, Graph, translates
from cbackprop.export.onnx_writer.layers import einsum_dense, refuse_random_numbers

__all__: list[str] = []


def weights_of(graph: Graph, scores: str, seen: Any, hidden_is_zero: bool) -> str:
    """The softmax of the scores of visible keys. `seen` is an array, a value, or ``None`` for all."""
    if seen is None:
        return graph.add("Softmax", scores, axis=-1)
    if not isinstance(seen, str):
        seen = graph.flags(seen)
    low = -0.7 * float(np.finfo(graph.dtype).max)
    weights = graph.add("Softmax", graph.add("Where", seen, scores, low), axis=-1)
    return graph.add("Where", seen, weights, 0.0) if hidden_is_zero else weights


def causal(settings: dict[str, Any], queries: int, keys: int, window: int | None) -> NDArray[np.bool_] | None:
    """Which keys each query sees because of its position; ``None`` means all."""
    t, s = np.arange(queries)[:, None], np.arange(keys)
    seen = np.ones((queries, keys), bool)
    if settings.get("use_causal_mask"):
        seen &= s <= t
    if window is not None:
        seen &= abs(s - t) < window
    return None if seen.all() else seen


def products(graph: Graph, q: str, k: str, rank: int, factor: Any) -> str:
    """Dot-product scores of queries and keys."""
    turned = graph.transpose(k, (*range(rank - 2), rank - 1, rank - 2))
    scores = graph.add("MatMul", q, turned)
    return scores if isinstance(factor, float) and factor == 1 else graph.add("Mul", scores, factor)


@translates(layers.Attention, layers.AdditiveAttention)
def attention(graph: Graph, call: Call) -> str | list[str]:
    """Attention without projections."""
    refuse_random_numbers(call)
    layer, (q, v, *more) = call.layer, call.inputs
    k, given, rank = (more or [v])[0], more[1:], len(call.input_shapes[0]) + 1
    if layer.is_additive:
        scores = sums(graph, layer, q, k, rank)
    else:
        scores = products(graph, q, k, rank, 1.0 if layer.scale is None else graph.variable(layer.scale))
    seen = causal(call.settings, call.input_shapes[0][-2], call.input_shapes[1][-2], None)
    if (fixed := call.settings.get("attention_mask")) is not None:
        seen = fixed != 0 if seen is None else seen & (fixed != 0)
    weights = weights_of(graph, scores, both_seen(graph, seen, given), False)
    output = graph.add("MatMul", weights, v)
    return [output, weights] if call.settings.get("return_attention_scores") else output


def both_seen(graph: Graph, seen: Any, masks: Sequence[str]) -> Any:
    """Combine an array that says what is seen with masks for each sample, which are values."""
    for mask in masks:
        given = graph.add("Cast", mask, to=graph.onnx.TensorProto.BOOL)
        seen = (
            given if seen is None else graph.add("And", given, graph.flags(seen) if not isinstance(seen, str) else seen)
        )
    return seen


def sums(graph: Graph, layer: Any, q: str, k: str, rank: int) -> str:
    """Additive scores: sums over features of tanh(query + key)."""
    found = layer.score_weights
    inner, outer = found.get("inner_weight"), found.get("outer_weight")
    if inner is not None:
        q, k = (graph.add("Mul", value, graph.variable(inner)) for value in (q, k))
    q, k = graph.add("Unsqueeze", q, np.array([rank - 1])), graph.add("Unsqueeze", k, np.array([rank - 2]))
    scale = np.ones(1) if outer is None else graph.variable(outer)
    terms = graph.add("Mul", graph.add("Tanh", graph.add("Add", q, k)), scale)
    return graph.add("ReduceSum", terms, np.array([rank]), keepdims=0)


class Heads:
    """One call of multi-head attention: its projections, with heads before positions.

    Query heads that share a key head are lined up along the axis of positions. If attention is along several axes,
    these are merged into one.
    """

    def __init__(self, graph: Graph, call: Call) -> None:
        self.graph, self.call, self.layer = graph, call, call.layer
        self.made = call.layer.projections()
        self.rank = len(call.input_shapes[0]) + 1
        self.along = call.layer.positions(self.rank)
        self.groups = [axis for axis in range(1, self.rank - 1) if axis not in self.along]
        query, value = call.input_shapes[:2]
        self.sizes = tuple(query[axis - 1] for axis in self.groups)
        self.queries, self.keys = (tuple(shape[axis - 1] for axis in self.along) for shape in (query, value))
        self.shared = call.layer.heads // call.layer.key_heads

    def project(self, name: str, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """The projection of a value, and its shape."""
        layer = self.made[name]
        output = layer.compute_output_shape((None, *shape))[1:]
        return einsum_dense(self.graph, Call(layer, (x,), (shape,), output, self.call.training)), output

    def rows(self, name: str, number: int) -> str:
        """The projection of an input, as (batch, groups, heads of keys, positions, features)."""
        value, shape = self.project(name, self.call.inputs[number], self.call.input_shapes[number])
        value = self.graph.transpose(value, (0, *self.groups, self.rank - 1, *self.along, self.rank))
        if len(self.along) == 1 and (self.shared == 1 or name != "query"):
            return value
        return self.graph.reshape(value, (*self.sizes, self.layer.key_heads, -1, shape[-1]))

    def back(self, value: str) -> str:
        """The results of the heads, with their axes in the order of the query's."""
        if len(self.along) > 1 or self.shared > 1:
            value = self.graph.reshape(value, (*self.sizes, self.layer.heads, *self.queries, self.layer.values))
        order = [0, *self.groups, self.rank - 1, *self.along, self.rank]
        return self.graph.transpose(value, [order.index(axis) for axis in range(self.rank + 1)])

    def seen(self) -> Any:
        """Which query sees which key: an array, a value, or ``None`` for all."""
        call, graph = self.call, self.graph
        queries, keys = math.prod(self.queries), math.prod(self.keys)
        found: Any = causal(call.settings, queries, keys, self.layer.sliding_window)
        fixed = call.settings.get("attention_mask")
        if fixed is not None:
            view = self.layer.view_of(fixed, *call.input_shapes[:2])
            fixed = np.broadcast_to(view, (*self.sizes, self.layer.heads, *self.queries, *self.keys))
            fixed = fixed.reshape(*self.sizes, self.layer.heads, queries, keys)
            found = fixed if found is None else found & fixed
        if found is not None and self.shared > 1:
            whole = np.broadcast_to(found, (*self.sizes, self.layer.heads, queries, keys))
            found = whole.reshape(*self.sizes, self.layer.key_heads, self.shared * queries, keys)
        masks = []
        for mask, shape in zip(call.inputs[3:], call.input_shapes[3:], strict=True):
            view = self.layer.view_of(np.ones((1, *shape), bool), *call.input_shapes[:2]).shape
            if self.shared > 1 or len(self.along) > 1:
                raise ValueError(
                    f"Layer {self.layer.name!r} takes an attention_mask. This can be written to ONNX only if it has as "
                    "many key heads as query heads, and attends along one axis."
                )
            masks.append(graph.reshape(mask, view))
        return both_seen(graph, found, masks)


@translates(layers.MultiHeadAttention, layers.GroupQueryAttention)
def heads(graph: Graph, call: Call) -> str | list[str]:
    """Multi-head attention."""
    refuse_random_numbers(call)
    layer, whole = call.layer, Heads(graph, call)
    q, k, v = (whole.rows(name, number) for name, number in (("query", 0), ("key", 2), ("value", 1)))
    with_scores = bool(call.settings.get("return_attention_scores"))
    scores = products(graph, q, k, len(whole.sizes) + 4, layer.features**-0.5)
    weights = weights_of(graph, scores, whole.seen(), layer.gives_0_to_hidden(with_scores, whole.rank))
    found = whole.back(graph.add("MatMul", weights, v))
    if layer.use_gate:
        gate, _ = whole.project("gate", call.inputs[0], call.input_shapes[0])
        found = graph.add("Mul", found, graph.add("Sigmoid", gate))
    output, _ = whole.project("attention_output", found, (*call.input_shapes[0][:-1], layer.heads, layer.values))
    if not with_scores:
        return output
    if len(whole.along) > 1 or whole.shared > 1:
        weights = graph.reshape(weights, (*whole.sizes, layer.heads, *whole.queries, *whole.keys))
    return [output, weights]
