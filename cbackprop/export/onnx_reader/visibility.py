"""Read masks of attention that depend on the data, such as padding masks: which keys does a query see?

A mask consists of booleans, or of numbers that are added to the scores: 0 for visible keys, negative infinity for
hidden ones. It becomes a layer's ``attention_mask``, in which 0 means hidden.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cbackprop import activations, layers
from cbackprop.export.onnx_reader.builder import OPERATORS, Builder, UnreadableError
from cbackprop.export.onnx_reader.graph import Array, Node, ReadGraph
from cbackprop.export.onnx_reader.parts import stretched
from cbackprop.tensor import KerasTensor

__all__ = [
    "HIDDEN",
    "Seen",
    "Weights",
    "all_fixed",
    "any_seen",
    "is_known",
    "leaves_of",
    "one_mask",
    "seen_by",
    "settings_for",
]

# Numbers up to this one hide a key when they are added to its score; they stand for negative infinity.
HIDDEN = -1e4
# Lengths at which masks of open size are computed.
LENGTHS = (5, 9, 60)
# Operators that only move the numbers of their first input.
MOVES = ("Expand", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
# Comparisons of integers with a constant.
COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")


@dataclasses.dataclass
class Seen:
    """Masks. A key is seen if none of them is 0 there: constant ones (`fixed`), and values (`given`, not negative).

    `is_unit`: the values are only 0 and 1. `is_hard`: keys are hidden by negative infinity, so that a query which sees
    no key gets NaN. `is_causal`: in addition, queries do not see later keys.
    """

    fixed: list[Array]
    given: list[KerasTensor]
    is_unit: bool = True
    is_hard: bool = True
    is_causal: bool = False

    def __and__(self, other: Seen) -> Seen:
        both = self.is_unit and other.is_unit, self.is_hard and other.is_hard, self.is_causal or other.is_causal
        return Seen(self.fixed + other.fixed, self.given + other.given, *both)


def leaves_of(graph: ReadGraph, name: str) -> list[str]:
    """The values from which a mask is computed."""
    if graph.is_constant(name) or graph.is_computed(name):
        return []
    node = graph.makers.get(name)
    if node is None or not (node.operator in MOVES or node.operator in _RULES or node.operator in COMPARISONS):
        return [name]
    return list(dict.fromkeys(leaf for source in _sources(node) for leaf in leaves_of(graph, source)))


def _sources(node: Node) -> list[str]:
    """The inputs of a node that can be masks."""
    return node.inputs[:1] if node.operator in MOVES else [name for name in node.inputs if name]


def seen_by(builder: Builder, node: Node, name: str, kind: str) -> Seen:
    """The visible positions of a mask. `kind`: it is "added" to the scores, or true for "seen" or "hidden" positions.

    Raises
    ------
    UnreadableError
        If it is not a mask.
    """
    found = _added(builder, node, name) if kind == "added" else _true(builder, node, name, kind == "seen")
    if found is None:
        raise UnreadableError(f"{name!r}, which hides scores of attention, is not made of booleans")
    return found


def is_known(graph: ReadGraph, name: str) -> bool:
    """Whether known operators compute truth values from the data."""
    maker = graph.makers.get(name)
    if maker is None or graph.is_constant(name) or graph.is_computed(name):
        return not graph.is_float(name)
    if maker.operator in COMPARISONS:
        return not graph.is_float(maker.inputs[0]) or maker.operator == "Equal"
    if maker.operator not in MOVES and maker.operator not in ("And", "Cast", "Concat", "Not", "Or", "ReduceMax"):
        return False
    return all(is_known(graph, source) or maker.operator == "Cast" for source in _sources(maker)[: len(maker.inputs)])


def one_mask(builder: Builder, node: Node, name: str, rows: str, is_unit: bool = False) -> KerasTensor:
    """The truth values that say which rows count, as a value that is not 0 there; 1 if it must be a unit.

    Raises
    ------
    UnreadableError
        If they are not computed from the data by known operators.
    """
    found = _true(builder, node, name, True)
    if found is None or found.fixed or found.is_causal or not found.given:
        raise UnreadableError(f"{name!r}, which says which {rows} count, is computed in a way that is not read")
    x = found.given[0] if len(found.given) == 1 else builder.apply(node, layers.Minimum, found.given)
    return _unit(builder, node, x) if is_unit and not found.is_unit else x


def _added(builder: Builder, node: Node, name: str) -> Seen | None:
    """The positions that remain visible if these numbers are added to the scores; `None` if they are not a mask."""
    graph = builder.graph
    if graph.is_constant(name):
        array = graph.constants[name]
        if not ((array == 0) | (array <= HIDDEN)).all():
            return None
        return Seen([array == 0] if array.any() else [], [], is_hard=bool(np.isinf(array[array != 0]).all()))
    if graph.is_computed(name):
        return _of_any_length(graph, name, _added_is_0)
    maker = graph.makers.get(name)
    if maker is None:
        return None
    if maker.operator == "Where":
        return _where(builder, node, maker)
    if maker.operator == "Add":
        a, b = (_added(builder, node, source) for source in maker.inputs)
        return None if a is None or b is None else a & b
    if maker.operator == "Mul":
        for factor, source in (maker.inputs, maker.inputs[::-1]):
            if graph.is_constant(factor) and (graph.constants[factor] == 1).all():
                return _added(builder, node, source)
        return None
    if maker.operator in MOVES or (maker.operator == "Cast" and graph.is_float(maker.inputs[0])):
        found = _added(builder, node, maker.inputs[0])
        return found if found is None or maker.operator == "Cast" else _moved(builder, maker, found)
    return None


def _added_is_0(array: Array) -> Array:
    """1 where 0 is added, 0 where negative infinity is, NaN for other numbers."""
    return np.where(array <= HIDDEN, 0, np.where(array == 0, 1, np.nan))


def _of_any_length(graph: ReadGraph, name: str, seen: Callable[[Array], Array]) -> Seen | None:
    """What a mask leaves visible that is computed from open sizes; `None` if it is neither all nor causal."""
    kinds = set()
    for length in LENGTHS:
        numbers = {one: length + place for place, one in enumerate(graph.open_sizes)}
        try:
            array = seen(graph.for_sizes(name, numbers))
        except ValueError:
            return None
        if array.ndim > 1 and np.array_equal(array, np.broadcast_to(np.tril(np.ones(array.shape[-2:])), array.shape)):
            kinds.add("causal")
        else:
            kinds.add("all" if (array == 1).all() else "other")
    return Seen([], [], is_causal=kinds == {"causal"}) if len(kinds) == 1 and "other" not in kinds else None


def _where(builder: Builder, node: Node, maker: Node) -> Seen | None:
    """What is visible if some numbers are replaced by negative infinity."""
    condition, if_true, if_false = maker.inputs
    for hidden, other, is_seen in ((if_true, if_false, False), (if_false, if_true, True)):
        array = builder.graph.constants.get(hidden)
        if array is not None and array.size and (array <= HIDDEN).all():
            rest, chosen = _added(builder, node, other), _true(builder, node, condition, is_seen)
            if rest is None or chosen is None:
                return None
            return rest & dataclasses.replace(chosen, is_hard=bool(np.isinf(array).all()))
    return None


def _true(builder: Builder, node: Node, name: str, value: bool) -> Seen | None:
    """Where booleans have this value; `None` if unknown operators make them."""
    graph = builder.graph
    if graph.is_constant(name):
        return Seen([(graph.constants[name] != 0) == value], [])
    if graph.is_computed(name):
        return _of_any_length(graph, name, lambda array: (array != 0) == value)
    maker = graph.makers.get(name)
    rule = None if maker is None else _RULES.get(maker.operator)
    if maker is not None and maker.operator in MOVES:
        found = _true(builder, node, maker.inputs[0], value)
        return None if found is None else _moved(builder, maker, found)
    if maker is not None and maker.operator in COMPARISONS:
        return _compared(builder, maker, value)
    if maker is not None and rule is not None:
        found = rule(builder, node, maker, value)
        return found if isinstance(found, Seen) else None
    return _of_value(builder, node, name, value)


def _of_value(builder: Builder, node: Node, name: str, value: bool) -> Seen | None:
    """A value itself: booleans, or integers of which 0 is false."""
    graph = builder.graph
    if name not in builder.tensors or (graph.is_float(name) and not value):
        return None
    x = builder.tensors[name]
    if graph.types.get(name) != graph.package.TensorProto.BOOL:
        x = builder.apply(node, layers.Absolute, x)
        if graph.is_float(name):
            return Seen([], [x], False)
        x = _limited(builder, node, x)
    return Seen([], [x if value else _opposite(builder, node, x)])


def _opposite(builder: Builder, node: Node, x: KerasTensor) -> KerasTensor:
    """Exchange 0 and 1."""
    return builder.apply(node, layers.Rescaling, x, -1.0, 1.0)


def _limited(builder: Builder, node: Node, x: KerasTensor) -> KerasTensor:
    """Clip to 0 and 1."""
    return builder.apply(node, layers.Activation, x, activations.relu.bind(max_value=1.0))


def _unit(builder: Builder, node: Node, x: KerasTensor) -> KerasTensor:
    """1 where x is larger than 0, even if that is the smallest number that there is."""
    large = 2.0 ** (np.finfo(builder.dtype).maxexp - 1)
    for _ in range(2):
        x = _limited(builder, node, builder.apply(node, layers.Rescaling, x, large))
    return x


def _not(builder: Builder, node: Node, maker: Node, value: bool) -> Seen | None:
    return _true(builder, node, maker.inputs[0], not value)


def _cast(builder: Builder, node: Node, maker: Node, value: bool) -> Seen | None:
    graph, target = builder.graph, maker.attribute("to")
    types = graph.package.TensorProto
    if graph.is_float(maker.inputs[0]) and target not in (types.BOOL, types.FLOAT, types.DOUBLE):
        return None  # the cast would round
    return _true(builder, node, maker.inputs[0], value)


def _both(builder: Builder, node: Node, maker: Node, value: bool) -> Seen | None:
    """And; for False, Or."""
    if (maker.operator == "And") != value:
        return _either(builder, node, maker, value)
    a, b = (_true(builder, node, source, value) for source in maker.inputs)
    return None if a is None or b is None else a & b


def _either(builder: Builder, node: Node, maker: Node, value: bool) -> Seen | None:
    """Or, and the opposite of And: the larger value, or else the opposite of both opposites."""
    if maker.operator == "Or" and value:
        a, b = (_true(builder, node, source, value) for source in maker.inputs)
        if a is not None and b is not None and len(a.given) == len(b.given) == 1 and not a.fixed and not b.fixed:
            larger = builder.apply(node, layers.Maximum, [a.given[0], b.given[0]])
            return Seen([], [larger], a.is_unit and b.is_unit)
    a, b = (_true(builder, node, source, not value) for source in maker.inputs)
    if a is None or b is None or len(a.given) != 1 or len(b.given) != 1 or a.fixed or b.fixed:
        return None
    if not a.is_unit or not b.is_unit:
        return None
    both = builder.apply(node, layers.Minimum, [a.given[0], b.given[0]])
    return Seen([], [_opposite(builder, node, both)])


def _any(builder: Builder, node: Node, maker: Node, value: bool) -> Seen | None:
    """The maximum along the last axis: where any of the values there is not 0."""
    graph, (source, *axes) = builder.graph, maker.inputs
    found = _true(builder, node, source, True)
    if not value or found is None or len(found.given) != 1 or found.fixed or not axes or maker.attribute("keepdims"):
        return None
    (x,) = found.given
    if graph.constants[axes[0]].ravel().tolist() not in ([-1], [x.ndim - 1]):
        return None
    rows = builder.reshaped(node, x, (None, x.shape[-1])) if x.ndim > 3 else x
    most = builder.apply(node, layers.GlobalMaxPooling1D, rows, data_format="channels_first")
    return Seen([], [builder.reshaped(node, most, x.shape[1:-1])], found.is_unit)


def _one_after_the_other(builder: Builder, node: Node, maker: Node, value: bool) -> Seen | None:
    """Concat, of which some parts may be constant."""
    parts = [_true(builder, node, source, value) for source in maker.inputs]
    known = [part for part in parts if part is not None and len(part.given) + len(part.fixed) == 1]
    given = [part.given[0] for part in known if part.given]
    if len(known) < len(parts) or not given:
        return None
    tensors = [
        part.given[0] if part.given else _constant_rows(builder, node, part.fixed[0], given[0]) for part in known
    ]
    axis = maker.attribute("axis") % given[0].ndim
    if axis == 0 or any(tensor is None for tensor in tensors):
        return None
    together = builder.apply(node, layers.Concatenate, tensors, axis)
    return Seen([], [together], all(part.is_unit for part in known))


def _constant_rows(builder: Builder, node: Node, array: Array, like: KerasTensor) -> KerasTensor | None:
    """Truth values that are the same for all samples, as a value; `None` if they are not (1, rows)."""
    if array.ndim != 2 or len(array) != 1 or like.ndim != 2:
        return None
    first = builder.apply(node, layers.GetItem, like, (slice(None), slice(0, 1)))
    rows = builder.reshaped(node, builder.apply(node, layers.RepeatVector, first, array.shape[1]), array.shape[1:])
    return builder.apply(node, layers.Rescaling, rows, 0.0, array[0].astype(np.float64))  # type: ignore[no-any-return]


_RULES: dict[str, Any] = {
    "Not": _not,
    "Concat": _one_after_the_other,
    "ReduceMax": _any,
    "Cast": _cast,
    "And": _both,
    "Or": _both,
    "Where": None,
    "Add": None,
    "Mul": None,
}


def _compared(builder: Builder, maker: Node, value: bool) -> Seen | None:
    """Integers compared with a constant."""
    graph, (first, second) = builder.graph, maker.inputs
    turned = graph.is_constant(first)
    name, constant = (second, first) if turned else (first, second)
    array = graph.constants.get(constant)
    if array is None or array.size != 1:
        return None
    number, operator = float(array.reshape(())), maker.operator
    if name not in builder.tensors:  # it is only cast, to be compared
        return _true(builder, maker, name, not value) if operator == "Equal" and number == 0 else None
    if graph.is_float(name):
        return _unequal(builder, maker, name, number) if operator == "Equal" and not value else None
    distance = builder.apply(maker, layers.Rescaling, builder.tensors[name], 1.0, -number)
    if operator == "Equal":
        differs = _limited(builder, maker, builder.apply(maker, layers.Absolute, distance))
        return Seen([], [_opposite(builder, maker, differs) if value else differs])
    if operator.startswith("Less") != turned:
        distance = builder.apply(maker, layers.Rescaling, distance, -1.0)
    if operator.endswith("Equal"):
        distance = builder.apply(maker, layers.Rescaling, distance, 1.0, 1.0)
    above = _limited(builder, maker, distance)
    return Seen([], [above if value else _opposite(builder, maker, above)])


def _unequal(builder: Builder, maker: Node, name: str, number: float) -> Seen:
    """Where numbers differ from this one."""
    x = builder.tensors[name]
    x = builder.apply(maker, layers.Rescaling, x, 1.0, -number) if number else x
    return Seen([], [builder.apply(maker, layers.Absolute, x)], False)


def _moved(builder: Builder, maker: Node, seen: Seen) -> Seen | None:
    """A mask after its numbers have been moved."""
    if (seen.fixed or seen.is_causal) and maker.operator != "Identity":
        return None
    moved = []
    for number, x in enumerate(seen.given):
        name = f"{maker.outputs[0]}/seen_{number}"
        builder.tensors[name] = x
        made: Any = OPERATORS[maker.operator](builder, dataclasses.replace(maker, inputs=[name, *maker.inputs[1:]]))
        moved.append(made)
    return dataclasses.replace(seen, given=moved)


# The shape of one sample's attention weights; `None` for open sizes.
Weights = tuple[int | None, ...]


def settings_for(builder: Builder, node: Node, seen: Seen, weights: Weights) -> dict[str, Any]:
    """The settings with which a layer is called so that queries see these keys."""
    both = all_fixed(seen, weights)
    settings: dict[str, Any] = {"use_causal_mask": True} if seen.is_causal else {}
    if both is not None and not settings:
        causal = np.tril(np.ones(both.shape[-2:], bool))
        if np.array_equal(both, np.broadcast_to(causal, both.shape)):
            settings, both = {"use_causal_mask": True}, None
    if seen.given:
        settings["attention_mask"] = _together(builder, node, seen.given, both, len(weights))
    elif both is not None:
        settings["attention_mask"] = both
    return settings


def any_seen(builder: Builder, node: Node, seen: Seen, weights: Weights) -> KerasTensor:
    """1 for each query that sees a key, else 0, as a value (batch, ..., queries, 1)."""
    if seen.is_causal:
        raise UnreadableError("it clears outputs of queries that see no key, but its mask does not say which these are")
    x = _together(builder, node, seen.given, all_fixed(seen, weights), len(weights))
    x = x if seen.is_unit else _unit(builder, node, x)
    if x.shape[-1] is None:
        most = builder.permuted(node, builder.reshaped(node, x, (math.prod(sizes_before_last(x)), None)), (2, 1))
    else:
        most = builder.permuted(node, builder.reshaped(node, x, (None, x.shape[-1])), (2, 1))
    most = builder.apply(node, layers.GlobalMaxPooling1D, most)
    return builder.reshaped(node, most, (*x.shape[1:-1], 1))


def sizes_before_last(x: KerasTensor) -> tuple[int, ...]:
    """All sizes of a sample except the last."""
    if None in x.shape[1:-1]:
        raise UnreadableError(f"more than one size of a mask of shape {x.shape} is open")
    return tuple(int(size or 0) for size in x.shape[1:-1])


def all_fixed(seen: Seen, weights: Weights) -> Array | None:
    """The constant masks combined, in the shape of the weights; `None` if they hide nothing."""
    for array in seen.fixed:
        if array.ndim > len(weights) + 1 or (array.ndim == len(weights) + 1 and len(array) != 1):
            raise UnreadableError(f"its constant mask of shape {array.shape} differs between samples")
    arrays = [array for array in seen.fixed if not array.all()]
    if not arrays:
        return None
    if None in weights:
        raise UnreadableError(f"its mask has the fixed shape {arrays[0].shape}, but queries or keys are of open size")
    both = np.ones([int(size or 0) for size in weights], bool)
    for array in arrays:
        both &= array[0] if array.ndim > len(weights) else array
    return both


def _together(builder: Builder, node: Node, masks: list[KerasTensor], fixed: Array | None, rank: int) -> KerasTensor:
    """Combine masks into one, with as many axes as the weights (`rank`)."""
    views = []
    for x in masks:
        missing = rank + 1 - x.ndim
        if missing < 0:
            raise UnreadableError(f"a mask of shape {x.shape} does not fit scores of attention with {rank + 1} axes")
        views.append(builder.reshaped(node, x, (*[1] * missing, *x.shape[1:])))
    x = views[0] if len(views) == 1 else builder.apply(node, layers.Minimum, views)
    if fixed is None:
        return x
    return builder.apply(node, layers.Rescaling, stretched(builder, node, x, fixed.shape), fixed.astype(np.float64))
