"""Write attention layers: Einsum for projections, MatMul and Softmax for attention, Where for masks."""

from __future__ import annotations

import functools
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


def by_open_position(graph: Graph, call: Call, axis: int, window: int | None) -> str | None:
    """The same for open sizes, as a value. `axis` is the axis of positions in the query and the value."""
    is_causal = bool(call.settings.get("use_causal_mask"))
    if not is_causal and window is None:
        return None
    t, s = (positions(graph, x, axis) for x in call.inputs[:2])
    ahead = graph.add("Sub", graph.add("Unsqueeze", s, np.array([0])), graph.add("Unsqueeze", t, np.array([1])))
    seen = [graph.add("LessOrEqual", ahead, 0)] if is_causal else []
    if window is not None:
        seen.append(graph.add("Less", graph.add("Abs", ahead), window))
    return functools.reduce(lambda a, b: graph.add("And", a, b), seen)


def positions(graph: Graph, x: str, axis: int) -> str:
    """The numbers from 0 on of the positions along an axis of a value."""
    count = graph.add("Squeeze", graph.add("Shape", x, start=axis, end=axis + 1), np.array([0]))
    return graph.add("Range", 0, count, 1)


def products(graph: Graph, q: str, k: str, rank: int, factor: Any) -> str:
    """Dot-product scores of queries and keys."""
    turned = graph.transpose(k, (*range(rank - 2), rank - 1, rank - 2))
    scores = graph.add("MatMul", q, turned)
    return scores if isinstance(factor, float) and factor == 1 else graph.add("Mul", scores, factor)


@translates(layers.Attention, layers.AdditiveAttention, any_sizes=True)
def attention(graph: Graph, call: Call) -> str | list[str]:
    """Attention without projections. A mask of the query clears the output."""
    refuse_random_numbers(call)
    layer, (q, v, *more) = call.layer, call.inputs
    k, given, rank = (more or [v])[0], more[1:], len(call.input_shapes[0]) + 1
    if layer.is_additive:
        scores = sums(graph, layer, q, k, rank)
    else:
        scores = products(graph, q, k, rank, 1.0 if layer.scale is None else graph.variable(layer.scale))
    of_query, of_value = [*names_of_masks(call), None, None][:2]
    masks = [] if of_value is None else [graph.add("Unsqueeze", of_value, np.array([rank - 2]))]
    masks += [graph.add("Cast", mask, to=graph.onnx.TensorProto.BOOL) for mask in given]
    weights = weights_of(graph, scores, both_seen(graph, seen_in_call(graph, call, rank), masks), False)
    output = graph.add("MatMul", weights, v)
    if of_query is not None:
        output = graph.add("Where", graph.add("Unsqueeze", of_query, np.array([rank - 1])), output, 0.0)
    return [output, weights] if call.settings.get("return_attention_scores") else output


def seen_in_call(graph: Graph, call: Call, rank: int) -> Any:
    """What the settings of a call of attention without projections leave visible: an array, a value or ``None``."""
    queries, keys = (shape[-2] for shape in call.input_shapes[:2])
    fixed = call.settings.get("attention_mask")
    fixed = None if fixed is None else fixed != 0
    if None in (queries, keys):
        by_position = by_open_position(graph, call, rank - 2, None)
        return both_seen(graph, fixed, [] if by_position is None else [by_position])
    seen = causal(call.settings, queries, keys, None)
    return fixed if seen is None else seen if fixed is None else seen & fixed


def names_of_masks(call: Call) -> list[str | None]:
    """The names of the masks of the inputs; ``None`` where all rows count."""
    return [None if mask is None else mask.name for mask in call.masks]


def both_seen(graph: Graph, seen: Any, masks: Sequence[str]) -> Any:
    """Combine an array or a value of visible positions with the masks of samples, which are values."""
    for mask in masks:
        known = seen if seen is None or isinstance(seen, str) else graph.flags(seen)
        seen = mask if known is None else graph.add("And", mask, known)
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
        self.is_open = None in (*self.sizes, *self.queries, *self.keys)
        self.is_plain = len(self.along) == 1 and self.shared == 1
        if (None in self.sizes and not self.is_plain) or (self.is_open and len(self.along) > 1):
            raise ValueError(
                f"Layer {self.layer.name!r} can only be written to ONNX if it attends along one axis, or all sizes are "
                f"known, but inputs have shapes {query} and {value}."
            )

    def project(self, name: str, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """The projection of a value, and its shape."""
        layer = self.made[name]
        output = layer.compute_output_shape((None, *shape))[1:]
        return einsum_dense(self.graph, Call(layer, (x,), (shape,), output, self.call.training)), output

    def rows(self, name: str, number: int) -> str:
        """The projection of an input, as (batch, groups, heads of keys, positions, features)."""
        value, shape = self.project(name, self.call.inputs[number], self.call.input_shapes[number])
        value = self.graph.transpose(value, (0, *self.groups, self.rank - 1, *self.along, self.rank))
        if self.is_plain or (len(self.along) == 1 and name != "query"):
            return value
        return self.graph.reshape(value, (*self.sizes, self.layer.key_heads, -1, shape[-1]))

    def back(self, value: str) -> str:
        """The results of the heads, with their axes in the order of the query's."""
        if not self.is_plain:
            value = self.graph.reshape(value, (*self.sizes, self.layer.heads, *self.queries, self.layer.values))
        order = [0, *self.groups, self.rank - 1, *self.along, self.rank]
        return self.graph.transpose(value, [order.index(axis) for axis in range(self.rank + 1)])

    def scores(self, weights: str) -> str:
        """The weights with an axis for each head, and for each axis of queries and keys."""
        if not self.is_open:
            return self.graph.reshape(weights, (*self.sizes, self.layer.heads, *self.queries, *self.keys))
        kept = [0] * (len(self.sizes) + 1)
        return self.graph.add("Reshape", weights, np.array([*kept, self.layer.heads, -1, 0]))

    def seen(self) -> Any:
        """Which query sees which key: an array, a value, or ``None`` for all."""
        by_call = self.by_open_call() if self.is_open else self.by_call()
        return both_seen(self.graph, by_call, [*self.by_inputs(), *self.given()])

    def by_call(self) -> NDArray[np.bool_] | None:
        """What the settings of the call leave visible."""
        call = self.call
        queries, keys = math.prod(self.queries), math.prod(self.keys)
        found = causal(call.settings, queries, keys, self.layer.sliding_window)
        fixed = call.settings.get("attention_mask")
        if fixed is not None:
            view = self.layer.view_of(fixed, *call.input_shapes[:2])
            fixed = np.broadcast_to(view, (*self.sizes, self.layer.heads, *self.queries, *self.keys))
            fixed = fixed.reshape(*self.sizes, self.layer.heads, queries, keys)
            found = fixed if found is None else found & fixed
        if found is not None and self.shared > 1:
            whole = np.broadcast_to(found, (*self.sizes, self.layer.heads, queries, keys))
            found = whole.reshape(*self.sizes, self.layer.key_heads, self.shared * queries, keys)
        return found

    def by_open_call(self) -> str | None:
        """The same for open sizes."""
        if self.call.settings.get("attention_mask") is not None:
            raise ValueError(
                f"Layer {self.layer.name!r} was called with an attention_mask of fixed size. This can be written to "
                f"ONNX only for inputs of known sizes, not {self.call.input_shapes[0]} and {self.call.input_shapes[1]}."
            )
        found = by_open_position(self.graph, self.call, self.along[0], self.layer.sliding_window)
        return None if found is None else self.for_shared(found, 0)

    def for_shared(self, seen: str, axis: int) -> str:
        """The keys that queries see, repeated along the axis of queries for all heads that share a key head."""
        return seen if self.shared == 1 else self.graph.add("Concat", *[seen] * self.shared, axis=axis)

    def by_inputs(self) -> list[str]:
        """What the masks of the inputs leave visible."""
        graph, before = self.graph, len(self.sizes)
        query, value, key = [*names_of_masks(self.call), None, None, None][:3]
        found = []
        if query is not None:
            rows = graph.add("Unsqueeze", self.positions(query, self.queries), np.array([before + 1, before + 3]))
            found.append(self.for_shared(rows, before + 2))
        for name in dict.fromkeys(filter(None, (value, key))):
            found.append(graph.add("Unsqueeze", self.positions(name, self.keys), np.array([before + 1, before + 2])))
        return found

    def positions(self, mask: str, sizes: tuple[int, ...]) -> str:
        """The mask of an input as (batch, groups, positions)."""
        mask = self.graph.transpose(mask, (0, *self.groups, *self.along))
        return mask if len(sizes) == 1 else self.graph.reshape(mask, (*self.sizes, math.prod(sizes)))

    def given(self) -> list[str]:
        """What the attention masks leave visible that are inputs of the call."""
        graph, found, before = self.graph, [], len(self.sizes)
        for mask, shape in zip(self.call.inputs[3:], self.call.input_shapes[3:], strict=True):
            missing = before + 3 - len(shape)
            heads, queries = 1 if missing else shape[-3], shape[-2]
            if len(self.along) > 1 or (self.shared > 1 and heads != 1 and (heads is None or queries == 1)):
                raise ValueError(
                    f"Layer {self.layer.name!r} takes an attention_mask of shape {shape} for a sample. This can be "
                    "written to ONNX only if it attends along one axis, and the mask has queries if it has heads."
                )
            seen = graph.add("Cast", mask, to=graph.onnx.TensorProto.BOOL)
            if missing:
                kept = len(shape) - 2
                seen = graph.add("Unsqueeze", seen, np.arange(kept + 1, kept + 1 + missing))
            if self.shared > 1 and heads != 1:
                seen = graph.add("Reshape", seen, np.array([*[0] * (before + 1), self.layer.key_heads, -1, 0]))
            elif self.shared > 1 and queries != 1:
                seen = self.for_shared(seen, before + 2)
            found.append(seen)
        return found


@translates(layers.MultiHeadAttention, layers.GroupQueryAttention, any_sizes=True)
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
    return [output, weights if whole.is_plain else whole.scores(weights)]
