"""Arguments of built layers that may change: they are checked as by the constructor, and models learn of it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

__all__ = ["adjust", "note_plan"]

# Models that have planned what a layer computes; they forget that when the layer changes.
_planned: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()


def note_plan(model: Any, graph: Any) -> None:
    """Remember that a model has planned the layers of a graph."""
    for layer in _layers_of(graph):
        _planned.setdefault(layer, weakref.WeakSet()).add(model)


def _layers_of(graph: Any) -> Iterator[Any]:
    """The layers that a graph calls, those in its models included; a model that is called again and again once."""
    pending, seen = [graph], {graph}
    while pending:
        for node in pending.pop().nodes:
            yield node.layer
            if node.graph is not None and node.graph not in seen:
                seen.add(node.graph)
                pending.append(node.graph)


def adjust(layer: Any, name: str, value: Any) -> None:
    """Give a built layer another value of an argument.

    Raises
    ------
    RuntimeError
        If a model with the layer is being trained.
    TypeError, ValueError
        If the constructor would not take the value, or the layer could not compute with it.
    """
    models = list(_planned.get(layer, ()))
    running = next((model for model in models if model._runs), None)
    if running is not None:
        raise RuntimeError(
            f"fit is running on model {running.name!r}: {name} of its layer {layer.name!r} cannot change before it "
            "ends."
        )
    tried = _tried(layer, name, value)
    before = {key: layer.__dict__.get(key) for key in (name, "activation") if key in layer.__dict__}
    layer.__dict__.update({key: tried.__dict__[key] for key in before})
    try:
        _check_shapes(layer)
    except BaseException:
        layer.__dict__.update(before)
        raise
    for model in models:
        model._forget_plans()


def _tried(layer: Any, name: str, value: Any) -> Any:
    """A layer of the same arguments but this one."""
    base: Any = next(cls for cls in type(layer).__mro__ if cls.__module__.startswith("cbackprop."))
    given = {argument: getattr(layer, argument) for argument in base.argument_names() if hasattr(layer, argument)}
    given.pop("input_shape", None)
    if "seed" in given:
        given["seed"] = 0  # without one, it would be drawn
    return base(**(given | {name: value}))


def _check_shapes(layer: Any) -> None:
    """Refuse what would change the shapes of outputs that others rely on."""
    for node in layer.nodes:
        for tensor in node.data[:1]:
            shape = layer.compute_output_shape(tensor.shape)
            if len(node.data) == 1 and tuple(shape[1:]) != node.outputs[0].shape[1:]:
                raise ValueError(
                    f"Layer {layer.name!r} is in use with outputs of shape {node.outputs[0].shape}, which would become "
                    f"{shape}. Make another layer."
                )
