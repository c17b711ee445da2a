"""Find the layers and weights that a layer holds in its attributes, or in lists, tuples, sets and dicts there.

Attributes are searched each time, so layers that are added to a list later are found as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

from cbackprop.variable import Variable

__all__ = ["KEPT", "PLAIN", "held_metrics", "holds", "layers_within", "own_variables", "sublayers", "variables_of"]

# Attributes of the library itself, which are not searched: calls, weights made by add_weight, and caches.
KEPT = frozenset(
    {"nodes", "_variables", "_base_variables", "_models", "_sublayers", "_added_losses", "_arguments", "_build_shape"}
)
# Structures that are searched.
STRUCTURES = (list, tuple, set, frozenset, dict)
# Types of values that hold nothing.
PLAIN = frozenset({type(None), bool, int, float, str, FunctionType})
# How deep nested structures are searched. Plain lists and dicts of layers are never deeper.
DEEPEST = 16


def holds(value: Any, kind: Any) -> bool:
    """Whether a value is, or contains, an instance of `kind`."""
    return next(_found([value], kind), None) is not None


def held_metrics(layer: Any, kind: Any) -> list[Any]:
    """The metrics, instances of `kind`, that a layer holds itself.

    A layer of this library notes in an attribute when it is given something that may hold one: the search would take a
    twentieth of a first fit.
    """
    if not (layer.holds_layers or layer.is_model or "_may_hold_metrics" in layer.__dict__):
        return []
    return holds_of(_attributes(layer), kind)


def holds_of(values: Iterable[Any], kind: Any) -> list[Any]:
    """The instances of `kind` among values and in structures among them."""
    return list(_found(values, kind))


def _found(values: Iterable[Any], kind: Any, depth: int = 0) -> Iterator[Any]:
    for value in values:
        if isinstance(value, kind):
            yield value
        elif isinstance(value, STRUCTURES) and value and depth < DEEPEST:
            yield from _found(list(value.values()) if isinstance(value, dict) else value, kind, depth + 1)


def _attributes(layer: Any) -> list[Any]:
    # Another thread may be setting attributes. Most of them are plain values.
    attributes = list(layer.__dict__.items())
    return [value for name, value in attributes if type(value) not in PLAIN and name not in KEPT]


def sublayers(layer: Any) -> list[Any]:
    """The layers that a layer holds, in the order in which they were first found, as in Keras."""
    if layer.is_model:
        return list(layer.layers)
    if not layer.holds_layers:
        return []
    found = dict.fromkeys(each for each in _found(_attributes(layer), layer.kind_of_layers) if each is not layer)
    known = [each for each in layer.__dict__.get("_sublayers", ()) if each in found]
    ordered = list(dict.fromkeys([*known, *found]))
    layer.__dict__["_sublayers"] = ordered
    return ordered


def layers_within(layer: Any) -> list[Any]:
    """All layers within a layer at any depth, each once."""
    direct = sublayers(layer)
    if not any(inner.holds_layers or inner.is_model for inner in direct):
        return [inner for inner in dict.fromkeys(direct) if inner is not layer]
    met: dict[Any, None] = {}
    pending = [iter(direct)]
    while pending:
        inner = next(pending[-1], None)
        if inner is None:
            pending.pop()
        elif inner not in met and inner is not layer:
            met[inner] = None
            pending.append(iter(sublayers(inner)))
    return list(met)


def own_variables(layer: Any) -> list[Variable]:
    """A layer's own weights in the order of Keras: in layers of users, trainable weights come first."""
    made = layer.__dict__.get("_variables", [])
    if not layer.holds_layers:
        return list(made)
    # By identity: two weights with the same values are still two weights.
    own = list(dict.fromkeys([*made, *_found(_attributes(layer), Variable)]))
    if type(layer).__module__.startswith("cbackprop."):
        return own
    return [v for v in own if v.trainable] + [v for v in own if not v.trainable]


def variables_of(layer: Any) -> list[Variable]:
    """A layer's weights, including those of the layers within it."""
    if not (layer.holds_layers or layer.is_model):
        return own_variables(layer)
    return list(dict.fromkeys(_all_variables(layer, {layer})))


def _all_variables(layer: Any, met: set[Any]) -> Iterator[Variable]:
    yield from own_variables(layer)
    for inner in sublayers(layer):
        if inner in met:
            continue
        met.add(inner)
        if inner.has_own_variables:
            yield from inner.variables
        else:
            yield from _all_variables(inner, met)
