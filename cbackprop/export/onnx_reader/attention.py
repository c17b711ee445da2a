"""Read attention: the softmax of query-key products, times values."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, length_of, recognizes
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.export.onnx_reader.visibility import HIDDEN, Seen, Weights, all_fixed, any_seen, seen_by, settings_for
from cbackprop.tensor import KerasTensor


def seen_in(builder: Builder, node: Node, bound: dict[str, Any], blind_is_0: bool = False) -> Seen:
    """The keys that each query sees.

    Raises
    ------
    UnreadableError
        If the numbers added to the scores, or put in their place, are no mask; or if a constant mask hides all keys.
    """
    seen = bound.get("seen")
    if bound.get("low", HIDDEN) > HIDDEN:
        raise UnreadableError(f"{bound['low']:g} in place of the scores of attention hides nothing")
    if bound.get("large", -HIDDEN) < -HIDDEN:
        raise UnreadableError(f"{bound['large']:g} less than the scores of attention hides nothing")
    if "w" in bound:
        kind = "added" if "low" not in bound and "large" not in bound else "hidden" if "large" in bound else "seen"
        found = seen_by(builder, node, bound["w"], kind)
        return found if kind == "added" else dataclasses.replace(found, is_hard=bound.get("low") == -np.inf)
    if "hidden" in bound:
        seen = bound["hidden"] == 0
    if bound.get("low") == -np.inf:
        refuse_blind(seen, blind_is_0)
    if seen is None and "added" in bound:
        added = bound["added"]
        if not ((added == 0) | (added <= HIDDEN)).all():
            raise UnreadableError("numbers other than 0 and negative infinity are added to the scores of attention")
        seen = added == 0
        refuse_blind(seen, blind_is_0)
    is_hard = bool(bound.get("low", -np.inf) == -np.inf and "large" not in bound)
    if "added" in bound:
        is_hard = bool(np.isinf(bound["added"][bound["added"] != 0]).all())
    return Seen([] if seen is None else [seen], [], is_hard=is_hard)


def refuse_blind(seen: Any, blind_is_0: bool) -> None:
    """Refuse a constant mask that hides all keys of a query, unless such a query gets 0."""
    if not blind_is_0 and seen is not None and not seen.any(axis=-1).all():
        raise UnreadableError("a query of attention sees no key, and does not get the mean of all values")


def attend(
    builder: Builder,
    node: Node,
    layer: Any,
    bound: dict[str, Any],
    query: KerasTensor,
    key: KerasTensor,
    weights: Any = None,
    blind: str = "mean",
) -> KerasTensor:
    """Add an attention layer for a query, a key and the value `v`.

    `blind` says what a query gets that sees no key: ``"mean"`` of all values, ``"0"``, or ``"0 for nan"``: 0 if
    the mask hides keys by negative infinity, else the mean.
    """
    value = builder.tensor(bound["v"])
    seen = seen_in(builder, node, bound, blind != "mean")
    is_0 = blind == "0" or (blind == "0 for nan" and seen.is_hard)
    return core(builder, node, layer, query, key, value, seen, weights, is_0)


def core(
    builder: Builder,
    node: Node,
    layer: Any,
    query: KerasTensor,
    key: KerasTensor,
    value: KerasTensor,
    seen: Seen,
    weights: Any = None,
    blind_is_0: bool = False,
) -> KerasTensor:
    """Add an attention layer. A query that sees no key gets 0 if `blind_is_0`, else the mean of all values."""
    if not 3 <= query.ndim == key.ndim == value.ndim:
        raise UnreadableError(
            "query, key and value need the same number of axes, at least 3, but they have shapes "
            f"{[query.shape, key.shape, value.shape]}"
        )
    shape = weights_shape(query, key)
    settings = settings_for(builder, node, seen, shape)
    inputs = [builder.unmasked(node, x) for x in (query, value, key)]
    y: KerasTensor = builder.apply(node, layer, inputs, weights=weights, settings=settings)
    return cleared(builder, node, y, seen, shape) if blind_is_0 else y


def weights_shape(query: KerasTensor, key: KerasTensor) -> Weights:
    """The shape of one sample's attention weights; ``None`` for open sizes."""
    return (*query.shape[1:-1], key.shape[-2])


def cleared(builder: Builder, node: Node, y: KerasTensor, seen: Seen, shape: Weights) -> KerasTensor:
    """Set to 0 what queries get that see no key: the output y, or the weights. `shape` is that of the weights."""
    if seen.given:
        return builder.apply(node, layers.Multiply, [y, any_seen(builder, node, seen, shape)])
    both = all_fixed(seen, shape)
    if both is None or both.any(-1).all():
        return y
    sighted = both.any(-1, keepdims=True)
    return builder.apply(node, layers.Rescaling, y, sighted.astype(np.float64))


def turned(builder: Builder, node: Node, x: KerasTensor) -> KerasTensor:
    """A value with its last two axes exchanged."""
    return builder.permuted(node, x, (*range(1, x.ndim - 2), x.ndim - 1, x.ndim - 2))


def exchanges_last_axes(bound: dict[str, Any]) -> bool:
    """Whether a Reshape, a Transpose and a Reshape only exchange the last two axes."""
    sample = bound["sample"]
    if sample is None or len(sample) < 2:
        return False
    *before, rows, columns = sample
    merged, shape = (tuple(int(size) for size in bound[name].ravel()) for name in ("merged", "shape"))
    one = (-1, rows, columns), (*before, columns, rows)
    return merged == one[0] and list(bound["perm"]) == [0, 2, 1] and shape[1:] == one[1] and shape[0] in (-1, 0)


@recognizes(*LAYERS["last_axes_exchanged"], accept=exchanges_last_axes)
def exchanged(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Transposed keys, as PyTorch writes them."""
    return turned(builder, node, builder.tensor(bound["x"]))


@recognizes(*LAYERS["attention_or_0"])
def products_or_0(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Dot-product attention in which a query that sees no key gets 0."""
    return attend(builder, node, layers.Attention, bound, *queries_and_keys(builder, node, bound), blind="0")


@recognizes(*LAYERS["attention_without_nan"])
def products_without_nan(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Dot-product attention in which a query that sees no key gets 0, if negative infinity hides the keys."""
    return attend(builder, node, layers.Attention, bound, *queries_and_keys(builder, node, bound), blind="0 for nan")


@recognizes(*LAYERS["attention"])
def products(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Dot-product attention. A factor of the scores is moved to the query."""
    return attend(builder, node, layers.Attention, bound, *queries_and_keys(builder, node, bound))


@recognizes(*LAYERS["attention_weights"], accept=lambda bound: (bound["rank"] or 0) > 2)
def weights_alone(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """The attention weights, if they are an output or other nodes read them."""
    query, key = queries_and_keys(builder, node, bound)
    shape = weights_shape(query, key)
    settings = settings_for(builder, node, seen_in(builder, node, bound), shape)
    _, weights = builder.apply(
        node, layers.Attention, [query, key, key], settings=settings | {"return_attention_scores": True}
    )
    return weights


def queries_and_keys(builder: Builder, node: Node, bound: dict[str, Any]) -> tuple[KerasTensor, KerasTensor]:
    """The query, multiplied by the factor of the scores, and the key."""
    query, key = builder.tensor(bound["x"]), builder.tensor(bound["y"])
    if query.ndim < 3 or key.ndim != query.ndim:
        raise UnreadableError(
            "query and key need the same number of axes, at least 3, but they have shapes "
            f"{query.shape} and {key.shape}"
        )
    factor = 1 / bound["divisor"] if "divisor" in bound else bound.get("factor", bound.get("root", 1.0) ** 2)
    if factor != 1:
        query = builder.apply(node, layers.Rescaling, query, float(factor))
    return query, turned(builder, node, key)


@recognizes(*LAYERS["additive_attention"])
def sums(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Additive attention: scores are sums of tanh(query + key)."""
    x, y = builder.tensor(bound["x"]), builder.tensor(bound["y"])
    axes = [[int(axis) % (x.ndim + 1) for axis in bound[name]] for name in ("of_queries", "of_keys", "last")]
    scale = bound["scale"].ravel()
    if axes[0] < axes[1]:  # keys come first in the sum
        x, y, axes[:2] = y, x, axes[1::-1]
    expected = [[x.ndim - 1], [x.ndim - 2], [x.ndim]]
    fits = scale.size == 1 or (scale.size == x.shape[-1] and bound["scale"].shape[-1:] == scale.shape)
    if x.ndim < 3 or axes != expected or not fits:
        raise UnreadableError("it sums over other axes than the features of queries and keys")
    weights = np.broadcast_to(scale, length_of(x, x.ndim - 1))
    return attend(builder, node, layers.AdditiveAttention, bound, x, y, weights=[weights])
