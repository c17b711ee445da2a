"""Copies of models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from cbackprop import shared_objects
from cbackprop.config import copying_to
from cbackprop.config_reading import from_config
from cbackprop.config_writing import to_config
from cbackprop.layers import Input, InputLayer
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.random_layer import RandomLayer
from cbackprop.models.configs import call_arguments, layer_configs, replaced, takes_a_graph
from cbackprop.models.lasting_states import all_layers, copy_states
from cbackprop.own_objects import own_objects
from cbackprop.tensor import KerasTensor, flatten, map_structure
from cbackprop.validation import ArgumentTypeError, check_boolean

__all__ = ["clone_model", "float64_copy"]


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A new model with copies of all layers and new weights, compiled like the old one.

    Parameters
    ----------
    model : Model
    input_tensors : KerasTensor, or a structure of them like ``model.input``, optional
        The inputs of the new model; new ones by default.
    clone_function : callable, optional
        Called as ``clone_function(layer)`` for each layer except inputs. It returns the layer for the new model, which
        may be the same one. By default a new layer is made from the config of the old one.
    call_function : callable, optional
        Called as ``call_function(layer, *args, **kwargs)`` for each call, with the new layer. It returns the outputs,
        and may insert other layers. Not for a `Sequential`.
    recursive : bool, default False
        Whether to clone the layers of nested models with the same functions. By default nested models are cloned like
        other layers.

    Returns
    -------
    Model

    Raises
    ------
    TypeError
        If `model` is no model, or a layer holds something that cannot be copied.
    ValueError
        If `input_tensors` has another structure than the model's input, if a `call_function` is given for a
        `Sequential`, or if a function is given for a user's class with arguments of its own.

    Notes
    -----
    If two layers hold the same layer, as an argument of their constructors, then their copies hold the same copy of it.
    With a `clone_function` they may not.

    References
    ----------
    Arguments are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> cb.models.clone_model(model).count_params()
    3
    >>> def wider(layer):
    ...     return cb.layers.Dense(5) if isinstance(layer, cb.layers.Dense) else layer
    >>> cb.models.clone_model(model, clone_function=wider).count_params()
    15
    """
    if not getattr(model, "is_model", False):
        raise ArgumentTypeError(f"clone_model takes a model, but got {type(model).__name__}.")
    for name, function in (("clone_function", clone_function), ("call_function", call_function)):
        if function is not None and not callable(function):
            raise ArgumentTypeError(f"{name} must be a function, but got {function!r}.")
    if call_function is not None and hasattr(model, "add"):
        raise ValueError("call_function is not for a Sequential, whose layers are listed, not called.")
    recursive = check_boolean("recursive", recursive)
    with own_objects.copying():
        if input_tensors is None and clone_function is None and call_function is None:
            copy = type(model).from_config(model.get_config())
        else:
            copy = Cloning(clone_function, call_function, recursive).model(model, input_tensors)
        _compile_like(model, copy)
    return copy


def _compile_like(model: Any, copy: Any) -> None:
    """Compile the copy with copies of the optimizer, losses and metrics."""
    if not model.compiled:
        return
    try:
        settings = to_config({"optimizer": model.optimizer} | model.compile_settings())
    except (TypeError, ValueError) as error:
        warnings.warn(f"The copy of model {model.name!r} is not compiled: {error}", stacklevel=4)
        return
    copy.compile(**from_config(settings))


class Cloning:
    """Makes one copy of a model, with its nested models. A layer that is used twice is cloned once."""

    def __init__(self, clone: Callable[[Any], Any] | None, call: Callable[..., Any] | None, recursive: bool) -> None:
        self._clone = clone
        self._call = call
        self._recursive = recursive
        self._clones: dict[Any, Any] = {}

    def model(self, model: Any, input_tensors: Any = None) -> Any:
        """The copy of a model."""
        if not takes_a_graph(type(model)):
            raise ValueError(
                f"The constructor of {type(model).__name__} takes arguments of its own: input_tensors, clone_function "
                "and call_function are for Sequential and functional models."
            )
        self._clone_by_configs(model.layers)
        if hasattr(model, "add"):
            return self._sequential(model, input_tensors)
        return self._functional(model, input_tensors)

    def _clone_by_configs(self, layers: Iterable[Any]) -> None:
        """Copy all layers together, so that the copies share what the layers share."""
        wanted = [layer for layer in layers if not isinstance(layer, InputLayer) and layer not in self._clones]
        wanted = [layer for layer in wanted if not (self._recursive and layer.is_model)]
        if self._clone is not None:
            return
        with shared_objects.reading():
            for layer, config in zip(wanted, layer_configs(wanted), strict=True):
                self._clones[layer] = registry.deserialize(config)

    def layer(self, layer: Any) -> Any:
        """The copy of a layer."""
        if layer not in self._clones:
            if self._recursive and layer.is_model:
                self._clones[layer] = self.model(layer)
            else:
                assert self._clone is not None
                self._clones[layer] = self._clone(layer)
        if not isinstance(self._clones[layer], Layer):
            raise ArgumentTypeError(f"clone_function must return a layer, but returned {self._clones[layer]!r}.")
        return self._clones[layer]

    def _sequential(self, model: Any, input_tensors: Any) -> Any:
        layers = [self.layer(layer) for layer in model.layers]
        if input_tensors is not None:
            layers.insert(0, _single_input(input_tensors))
        elif model.built:
            layers.insert(0, _like(model.inputs[0]))
        copy = type(model)(layers, name=model.name)
        copy._trainable = model.trainable  # each layer has its own flag
        return copy

    def _functional(self, model: Any, input_tensors: Any) -> Any:
        if input_tensors is None:
            input_tensors = map_structure(_like, model.input)
        else:
            _check_structure(input_tensors, model.input)
        made = dict(zip(map(id, model.inputs), flatten(input_tensors), strict=True))

        def new(leaf: Any) -> Any:
            return made.get(id(leaf), leaf)

        for node in model.graph.nodes:
            if not node.inputs:
                continue
            args, kwargs = call_arguments(node)
            layer = self.layer(node.layer)
            args, kwargs = replaced((args, kwargs), new)
            outputs = layer(*args, **kwargs) if self._call is None else self._call(layer, *args, **kwargs)
            made.update((id(old), output) for old, output in zip(node.outputs, flatten(outputs), strict=True))
        outputs = map_structure(new, model.output)
        copy = type(model)(inputs=input_tensors, outputs=outputs, name=model.name)
        copy._trainable = model.trainable
        return copy


def _like(tensor: KerasTensor) -> KerasTensor:
    """A new input with the shape and type of another tensor."""
    layer = tensor.node.layer if tensor.node is not None else None
    if isinstance(layer, InputLayer):
        copy: KerasTensor = InputLayer.from_config(layer.get_config()).output
        return copy
    return Input(tensor.shape[1:], dtype=tensor.dtype)  # type: ignore[arg-type]


def _single_input(tensors: Any) -> KerasTensor:
    found = flatten(tensors)
    if len(found) != 1 or not isinstance(found[0], KerasTensor):
        raise ArgumentTypeError(f"input_tensors must be one KerasTensor for a Sequential, but got {tensors!r}.")
    tensor = found[0]
    return tensor if tensor.node is not None and isinstance(tensor.node.layer, InputLayer) else _like(tensor)


def _check_structure(tensors: Any, expected: Any) -> None:
    if not all(isinstance(tensor, KerasTensor) for tensor in flatten(tensors)):
        raise ArgumentTypeError(f"All entries in input_tensors must be KerasTensors, but got {tensors!r}.")
    if not _same_structure(tensors, expected):
        raise ValueError(
            f"`input_tensors` must have the same structure as model.input, {expected!r}, but got {tensors!r}."
        )


def _same_structure(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_structure(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        same = isinstance(one, tuple) == isinstance(other, tuple) and len(one) == len(other)
        return same and all(map(_same_structure, one, other))
    return isinstance(one, KerasTensor) and isinstance(other, KerasTensor)


def float64_copy(model: Any) -> Any:
    """A copy of a model in float64, with the same weights and states."""
    with own_objects.copying(), copying_to("float64"):
        config = registry.serialize(model)
        _set_dtype(config)
        copy = registry.deserialize(config)
    for one, other in zip(all_layers(model), all_layers(copy), strict=True):
        if isinstance(one, RandomLayer) and isinstance(other, RandomLayer):
            other.stream = one.stream
    copy.set_weights(model.get_weights())
    copy_states(model, copy)
    return copy


def _set_dtype(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "dtype" and item == "float32":
                value[key] = "float64"
            _set_dtype(item)
    elif isinstance(value, list):
        for item in value:
            _set_dtype(item)
