"""Decide which models are of one kind, so that one engine can serve them in turn."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any

from cbackprop import optimizers
from cbackprop.activations import registry as activations
from cbackprop.config_writing import to_config
from cbackprop.engine import Objective
from cbackprop.layers.layer import Layer
from cbackprop.losses.loss_sum import LossSum
from cbackprop.models.model import Model
from cbackprop.models.sequential import Sequential
from cbackprop.spec import Kept

__all__ = ["kind_of"]

# Arguments that compiled layers do not depend on: they decide initial weights, or belong to the weights.
OF_WEIGHTS = ("_initializer", "_regularizer", "_constraint")
# The implementation of losses in Python.
PYTHON_LOSS = "losses.python_loss.PythonLoss"
# Types of values that can be compared as they are.
PLAIN = frozenset({type(None), bool, int, float, str})
OTHERS = ("name", "trainable", "input_shape", "input_dim", "seed")


class UnlikeError(Exception):
    """A model has something that an engine for other models cannot handle."""


def kind_of(model: Any) -> Hashable | None:
    """A key that is equal for models that can share an engine; ``None`` for a model that needs its own.

    Models of one kind may differ in the values of weights, in the settings of their optimizers, and in the regularizers
    and constraints of weights. Everything else that compiled code depends on is part of the key.
    """
    try:
        return _kind(model)
    except UnlikeError:
        return None


def _kind(model: Any) -> Hashable:
    graph = model._graph
    if type(model) not in (Sequential, Model) or graph is None or model.has_open_inputs:
        raise UnlikeError
    if not _is_own(model.optimizer) or isinstance(model.optimizer, optimizers.FullBatchOptimizer):
        raise UnlikeError
    numbers: dict[int, int] = {id(tensor): number for number, tensor in enumerate(graph.inputs)}
    layers: dict[Any, int] = {}
    calls = []
    for node in graph.nodes:
        if not node.inputs:  # an input
            continue
        if node.graph is not None:
            raise UnlikeError
        layer = layers.setdefault(node.layer, len(layers))
        read = tuple([numbers.setdefault(id(tensor), len(numbers)) for tensor in node.inputs])
        made = tuple([numbers.setdefault(id(tensor), len(numbers)) for tensor in node.outputs])
        calls.append((layer, read, len(node.data), made, node.training, tuple(node.outputs[0].shape)))
    chosen = model._trainable_when_compiled
    trained = set(model.trainable_variables if chosen is None else chosen)
    return (
        model.dtype,
        tuple((tensor.shape, tensor.dtype) for tensor in graph.inputs),
        tuple(numbers[id(tensor)] for tensor in graph.outputs),
        tuple(calls),
        tuple(_kind_of_layer(layer, trained) for layer in layers),
        _kind_of_objectives(model),
        type(model.optimizer),
    )


def _is_own(thing: Any) -> bool:
    """Whether the class of an object belongs to this library."""
    return type(thing).__module__.startswith("cbackprop.")


def _kind_of_layer(layer: Layer, trained: set[Any]) -> Hashable:
    cls: Any = type(layer)  # which mypy does not take for hashable
    arguments = _compared_arguments(cls)
    if arguments is None or layer.activity_regularizer is not None:
        raise UnlikeError
    values = tuple([_plain(getattr(layer, name)) for name in arguments])
    weights = tuple([(variable.shape, variable in trained) for variable in layer.variables])
    return cls, values, weights, layer.couples_samples, layer.__dict__.get("stream")


@functools.lru_cache(maxsize=1024)
def _compared_arguments(cls: type[Layer]) -> list[str] | None:
    """The arguments that the compiled layers of a class depend on; ``None`` if its models need their own engines."""
    unlike = cls.is_python or cls.is_model or cls.holds_layers or cls.reads_rows or hasattr(cls, "adapt")
    if unlike or not cls.__module__.startswith("cbackprop."):
        return None
    return [name for name in cls.argument_names() if name not in OTHERS and not name.endswith(OF_WEIGHTS)]


def _plain(value: Any) -> Hashable:
    """A value in a form that can be compared."""
    if type(value) in PLAIN:
        return type(value), value
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    if _is_own(value) and activations.name_of(value) is not None:
        return Kept(value)
    raise UnlikeError


def _kind_of_objectives(model: Any) -> Hashable:
    objectives: list[Objective] | None = model._objectives
    settings = model._settings
    if objectives is None or settings.get("engine") != "compiled":
        raise UnlikeError
    for objective in objectives:
        loss: Any = objective.loss
        if loss is not None and (not _is_own(loss) or isinstance(loss, LossSum) or loss.implementation == PYTHON_LOSS):
            raise UnlikeError
        if not all(_is_own(metric) and metric.runs_in_c() for metric, _ in objective.metrics):
            raise UnlikeError
    compared = {name: value for name, value in settings.items() if name != "steps_per_execution"}
    if PLAIN.issuperset(map(type, compared.values())):
        return tuple(compared.values())
    try:
        return repr(to_config(compared))
    except (TypeError, ValueError):
        raise UnlikeError from None
