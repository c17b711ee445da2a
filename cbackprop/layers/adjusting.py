"""Change an argument of a built layer: check it as the constructor does, and make models plan again."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

__all__ = ["adjust", "note_plan"]

# For each layer, the models whose plans include it. They must plan again when the layer changes.
_planned: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()


def note_plan(model: Any, graph: Any) -> None:
    """Remember that a model's plan includes the layers of a graph."""
    for layer in _layers_of(graph):
        _planned.setdefault(layer, weakref.WeakSet()).add(model)


def _layers_of(graph: Any) -> Iterator[Any]:
    """The layers that a graph calls, including those within its models. Each inner graph is visited once."""
    pending, seen = [graph], {graph}
    while pending:
        for node in pending.pop().nodes:
            yield node.layer
            if node.graph is not None and node.graph not in seen:
                seen.add(node.graph)
                pending.append(node.graph)


def adjust(layer: Any, name: str, value: Any) -> None:
    """Change an argument of a built layer.

    Raises
    ------
    RuntimeError
        If a model with the layer is being trained.
    TypeError, ValueError
        If the constructor would refuse the value, or it would change the shape of an output that is in use.
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
    """A new layer with the same arguments, except for this one."""
    base: Any = next(cls for cls in type(layer).__mro__ if cls.__module__.startswith("cbackprop."))
    given = {argument: getattr(layer, argument) for argument in base.argument_names() if hasattr(layer, argument)}
    given.pop("input_shape", None)
    if "seed" in given:
        given["seed"] = 0  # otherwise one would be drawn, which changes later random numbers
    return base(**(given | {name: value}))


def _check_shapes(layer: Any) -> None:
    """Refuse a change of the shape of an output that is already in use."""
    for node in layer.nodes:
        for tensor in node.data[:1]:
            shape = layer.compute_output_shape(tensor.shape)
            if len(node.data) == 1 and tuple(shape[1:]) != node.outputs[0].shape[1:]:
                raise ValueError(
                    f"Layer {layer.name!r} is in use with outputs of shape {node.outputs[0].shape}, which would become "
                    f"{shape}. Make a new layer instead."
                )
