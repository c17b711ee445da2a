"""Arguments that are set on a layer: checked as the constructor does; models plan again if the layer is built."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from cbackprop.layers.tracking import layers_within
from cbackprop.variable import Variable

__all__ = ["adjust", "check_fixed", "check_set", "note_plan", "note_set"]

# For each layer, the models whose plans include it: they must plan again when the layer changes. It is one table,
# because a ``WeakSet`` for each layer would be several more objects, which the garbage collector visits every time.
_planned: weakref.WeakKeyDictionary[Any, tuple[weakref.ref[Any], ...]] = weakref.WeakKeyDictionary()


def note_plan(model: Any, graph: Any) -> None:
    """Remember that a model's plan includes the layers of a graph."""
    own = weakref.ref(model)
    for layer in _layers_of(graph):
        others = [other for other in _planned.get(layer, ()) if other() not in (None, model)]
        _planned[layer] = (*others, own)


def _layers_of(graph: Any) -> Iterator[Any]:
    """The layers that a graph calls, and those within its models and layers. Each inner graph is visited once."""
    pending, seen = [graph], {graph}
    while pending:
        for node in pending.pop().nodes:
            yield node.layer
            if node.layer.holds_layers:
                yield from layers_within(node.layer)
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
    models = [model for reference in _planned.get(layer, ()) if (model := reference()) is not None]
    running = next((model for model in models if model._runs), None)
    if running is not None:
        raise RuntimeError(
            f"fit is running on model {running.name!r}: {name} of its layer {layer.name!r} cannot change before it "
            "ends."
        )
    tried = _tried(layer, **{name: value})
    before = {key: layer.__dict__.get(key) for key in (name, "activation") if key in layer.__dict__}
    layer.__dict__.update({key: tried.__dict__[key] for key in before})
    try:
        _check_shapes(layer)
        for model in models:
            model._forget_plans()
            if not layer.nodes:  # it is within another layer, whose shapes may depend on it
                _check_plan(layer, model)
    except BaseException:
        layer.__dict__.update(before)
        for model in models:
            model._forget_plans()
        raise


def check_fixed(layer: Any, name: str, value: Any) -> None:
    """Refuse to change what cannot change once a layer is built.

    Raises
    ------
    AttributeError
        If the attribute is such an argument, a weight, ``built``, or the ``dtype`` of a model.
    """
    if name == "built" and not value and not layer.is_model:
        raise AttributeError(f"{layer._title()} is built: its weights cannot be made again. Make another layer.")
    if name == "dtype" and layer.is_model and value != layer.dtype:
        raise AttributeError(f"{layer._title()} computes in {layer.dtype}, as its layers do: its dtype cannot change.")
    compiled = not (layer.is_model or layer.is_python)
    if compiled and name in layer.argument_names() and name not in ("name", "trainable"):
        raise AttributeError(f"{layer._title()} is built: its {name} cannot change any more. Make another layer.")
    held = layer.__dict__.get(name)
    if isinstance(held, Variable) and value is not held and any(held is weight for weight in layer._variables):
        raise AttributeError(
            f"{name} of {layer._title()} is a weight, which keeps its place in the model: "
            f"give it other numbers by {name}.assign(values), or all weights by set_weights."
        )


def note_set(layer: Any, name: str) -> None:
    """Remember that an argument has been set on a layer that has it already, and that is not built."""
    if name in layer.argument_names() and name not in ("name", "trainable", "dtype"):
        layer.__dict__.setdefault("_set_arguments", set()).add(name)


def check_set(layer: Any) -> None:
    """Check the arguments that were set before a layer is used, all of them together.

    Raises
    ------
    TypeError, ValueError
        If the constructor would refuse them.
    """
    names = layer.__dict__.get("_set_arguments")
    if names and not layer.is_python:
        tried = _tried(layer).__dict__
        layer.__dict__.update({name: tried[name] for name in names if name in tried})
    layer.__dict__.pop("_set_arguments", None)


def _tried(layer: Any, **others: Any) -> Any:
    """A new layer with the same arguments, except for these."""
    base: Any = next(cls for cls in type(layer).__mro__ if cls.__module__.startswith("cbackprop."))
    given = layer._arguments_of(base)
    if "seed" in given:
        given["seed"] = 0  # otherwise one would be drawn, which changes later random numbers
    return base(**(given | others))


def _check_plan(layer: Any, model: Any) -> None:
    """Refuse a change after which a model could not be planned."""
    try:
        _ = model.plans
    except ValueError as error:
        raise ValueError(
            f"Model {model.name!r} uses layer {layer.name!r}, and does not fit it after this change: {error}"
        ) from error


def _check_shapes(layer: Any) -> None:
    """Refuse a change of the shape of an output that is already in use."""
    for node in layer.nodes:
        if len(node.data) != 1:  # what can change in layers of several inputs leaves shapes alone
            continue
        shape = layer.compute_output_shape(node.data[0].shape)
        if tuple(shape[1:]) != node.outputs[0].shape[1:]:
            raise ValueError(
                f"Layer {layer.name!r} is in use with outputs of shape {node.outputs[0].shape}, which would become "
                f"{shape}. Make a new layer instead."
            )
