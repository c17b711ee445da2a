"""Read attention: the softmax of products of two values, times a third."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, length_of, recognizes
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.tensor import KerasTensor

# Numbers that are added to scores in place of negative infinity are at most so large.
HIDDEN = -1e4


def settings_of(bound: dict[str, Any], weights: tuple[int, ...]) -> dict[str, Any]:
    """With what a layer is called whose weights have this shape for a sample, for a constant mask.

    Raises
    ------
    UnreadableError
        If what is added to the scores, or put in their place, is no mask, or depends on the sample.
    """
    seen = bound.get("seen")
    if bound.get("low", HIDDEN) > HIDDEN:
        raise UnreadableError(f"{bound['low']:g} in place of the scores of attention hides nothing")
    if bound.get("low") == -np.inf:
        refuse_blind(seen)
    if seen is None and "added" in bound:
        added = bound["added"]
        if not ((added == 0) | (added <= HIDDEN)).all():
            raise UnreadableError("numbers other than 0 and negative infinity are added to the scores of attention")
        seen = added == 0
        refuse_blind(seen)
    if seen is None:
        return {}
    if seen.ndim > len(weights):
        if seen.ndim > len(weights) + 1 or len(seen) != 1:
            raise UnreadableError(f"its mask of shape {seen.shape} is not the same for all samples")
        seen = seen[0]
    causal = np.tril(np.ones(weights[-2:], bool))
    if np.array_equal(np.broadcast_to(seen, weights), np.broadcast_to(causal, weights)):
        return {"use_causal_mask": True}
    return {"attention_mask": seen}


def refuse_blind(seen: Any) -> None:
    """Refuse a mask by which a query sees no key, where that does not get the mean of all values."""
    if seen is not None and not seen.any(axis=-1).all():
        raise UnreadableError("a query of attention sees no key, and does not get the mean of all values")


def attend(
    builder: Builder,
    node: Node,
    layer: Any,
    bound: dict[str, Any],
    query: KerasTensor,
    key: KerasTensor,
    weights: Any = None,
) -> KerasTensor:
    """A layer of attention on a query, a key and the value v."""
    value = builder.tensor(bound["v"])
    if not 3 <= query.ndim == key.ndim == value.ndim:
        raise UnreadableError(
            f"values of shapes {[query.shape, key.shape, value.shape]} are no queries, keys and values for each sample"
        )
    weights_shape = (*(length_of(query, axis) for axis in range(1, query.ndim - 1)), length_of(key, key.ndim - 2))
    settings = settings_of(bound, weights_shape)
    return builder.apply(node, layer, [query, value, key], weights=weights, settings=settings)


def turned(builder: Builder, node: Node, x: KerasTensor) -> KerasTensor:
    """A value with its last two axes exchanged."""
    return builder.permuted(node, x, (*range(1, x.ndim - 2), x.ndim - 1, x.ndim - 2))


def exchanges_last_axes(bound: dict[str, Any]) -> bool:
    """Whether two reshapes and a transposition exchange the last two axes of a value, and do nothing else."""
    sample = bound["sample"]
    if sample is None or len(sample) < 2:
        return False
    *before, rows, columns = sample
    merged, shape = (tuple(int(size) for size in bound[name].ravel()) for name in ("merged", "shape"))
    one = (-1, rows, columns), (*before, columns, rows)
    return merged == one[0] and list(bound["perm"]) == [0, 2, 1] and shape[1:] == one[1] and shape[0] in (-1, 0)


@recognizes(*LAYERS["last_axes_exchanged"], accept=exchanges_last_axes)
def exchanged(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Keys as PyTorch turns them."""
    return turned(builder, node, builder.tensor(bound["x"]))


@recognizes(*LAYERS["attention_or_0"], *LAYERS["attention_without_nan"])
def products_or_0(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """The same, where a query that sees no key would get 0."""
    refuse_blind(bound.get("seen"))
    return products(builder, node, bound)


@recognizes(*LAYERS["attention"])
def products(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Scores that are products, perhaps with a factor, which the query takes."""
    query, key = builder.tensor(bound["x"]), builder.tensor(bound["y"])
    if query.ndim < 3 or key.ndim != query.ndim:
        raise UnreadableError(f"values of shapes {query.shape} and {key.shape} are no queries and keys for each sample")
    factor = 1 / bound["divisor"] if "divisor" in bound else bound.get("factor", bound.get("root", 1.0) ** 2)
    if factor != 1:
        query = builder.apply(node, layers.Rescaling, query, float(factor))
    return attend(builder, node, layers.Attention, bound, query, turned(builder, node, key))


@recognizes(*LAYERS["additive_attention"])
def sums(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Scores that are sums of tanh."""
    x, y = builder.tensor(bound["x"]), builder.tensor(bound["y"])
    axes = [[int(axis) % (x.ndim + 1) for axis in bound[name]] for name in ("of_queries", "of_keys", "last")]
    scale = bound["scale"].ravel()
    if axes[0] < axes[1]:  # the sum has them the other way round
        x, y, axes[:2] = y, x, axes[1::-1]
    expected = [[x.ndim - 1], [x.ndim - 2], [x.ndim]]
    fits = scale.size == 1 or (scale.size == x.shape[-1] and bound["scale"].shape[-1:] == scale.shape)
    if x.ndim < 3 or axes != expected or not fits:
        raise UnreadableError("it adds up other axes than those of queries and keys")
    weights = np.broadcast_to(scale, length_of(x, x.ndim - 1))
    return attend(builder, node, layers.AdditiveAttention, bound, x, y, weights=[weights])
