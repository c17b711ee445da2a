"""Call layers and models on arrays. Layers in Python are called; other layers run in a model of one layer."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers import Input, Layer
from cbackprop.layers.call_arguments import CallArguments, is_array, select
from cbackprop.layers.call_context import calling, current_call
from cbackprop.layers.connecting import forget_losses
from cbackprop.layers.mask_array import mask_of, with_mask
from cbackprop.layers.tracking import holds
from cbackprop.losses.target import as_array
from cbackprop.models.model import Model
from cbackprop.plan.step import implementation_of
from cbackprop.tensor import flatten, is_symbolic, map_structure
from cbackprop.validation import ArgumentTypeError, a_type

__all__ = ["run_built_in", "run_layer"]

Array = NDArray[Any]

# The most models that a layer keeps for calls on arrays; each is for one shape.
MOST_CACHED = 8


def run_layer(layer: Layer, call: CallArguments) -> Any:
    """The outputs of a layer for arrays, with their masks."""
    if current_call() is None:
        forget_losses(layer)
    return _run_python(layer, call) if layer.is_python else _run_compiled(layer, call)


def resolve_training(layer: Layer, call: CallArguments) -> bool | None:
    """Whether a call trains: its own argument decides, else the surrounding call, else the default of `call`."""
    if call.training is not None:
        return call.training
    context = current_call()
    if context is not None and context.training is not None:
        return context.training
    default = call.signature.parameters.get("training")
    return default.default if default is not None and isinstance(default.default, bool) else None


# Layers in Python


def _run_python(layer: Layer, call: CallArguments) -> Any:
    """Call a layer in Python on arrays, which are converted to the layer's float type."""
    call.values = call.mapped(lambda leaf: _converted(layer, leaf))
    if not layer.built:
        shapes = call.mapped(lambda leaf: tuple(leaf.shape) if isinstance(leaf, np.ndarray) else None)
        if type(layer).build is not Layer.build:
            layer.build(**select(layer, layer.build, shapes))
    first, values = call.first, dict(call.values)
    for taker, name in call.masks_wanted(lambda leaf: isinstance(leaf, np.ndarray)).items():
        masks = map_structure(mask_of, values[name])
        if any(mask is not None for mask in _leaves(masks)):
            values[taker] = masks
    previous = call.mask if call.mask is not None else map_structure(mask_of, first)
    training = resolve_training(layer, call)
    with calling(layer, training):
        outputs = call.call(layer.call, values, training)
        outputs = map_structure(lambda leaf: _returned(layer, leaf), outputs)
        layer.built = True
        layer._locked = True
        if layer.activity_regularizer is not None:
            _add_penalties(layer, outputs)
    return _masked(layer, first, previous, outputs)


def _converted(layer: Layer, leaf: Any) -> Any:
    """A leaf with numbers as an array. Floats get the layer's type, integers stay."""
    if not is_array(leaf):
        return leaf
    array = as_array("inputs", leaf)
    if array.dtype.kind == "f" or not hasattr(leaf, "dtype"):
        array = np.asarray(array, layer.dtype)
    return with_mask(array, mask_of(leaf))


def _returned(layer: Layer, leaf: Any) -> Any:
    """A leaf returned by `call`, checked: an array of floats in the layer's type."""
    if leaf is None or isinstance(leaf, (bool, int, float, np.generic)):
        return leaf
    if type(leaf).__module__.partition(".")[0] in ("torch", "tensorflow", "jax", "jaxlib", "keras"):
        raise TypeError(
            f"The output of layer {layer.name!r} is {a_type(leaf)}, but must be a NumPy array. Write the "
            "layer with NumPy, and its gradient as a method backward(inputs, outputs, delta)."
        )
    array = as_array(f"The output of layer {layer.name!r}", leaf)
    return with_mask(np.asarray(array, layer.dtype) if array.dtype.kind == "f" else array, mask_of(leaf))


def _add_penalties(layer: Layer, outputs: Any) -> None:
    """Add the activity regularizer's loss of the outputs, divided by the number of samples."""
    for output in flatten(outputs):
        rows = np.shape(output)[0] if np.ndim(output) else 1
        value = float(layer.activity_regularizer(np.asarray(output))) / rows if rows else 0.0
        layer.add_loss(value)


def _masked(layer: Layer, inputs: Any, previous: Any, outputs: Any) -> Any:
    """The outputs with masks that are computed from the masks of the inputs."""
    has_mask = any(isinstance(mask, np.ndarray) or hasattr(mask, "__array__") for mask in _leaves(previous))
    if not layer.supports_masking:
        if has_mask:
            _warn_of_lost_mask(layer)
        return outputs
    if not has_mask and type(layer).compute_mask is Layer.compute_mask:
        return outputs
    masks = layer.compute_mask(inputs, previous)
    if masks is None:
        return outputs
    leaves = flatten(outputs)
    found = iter(flatten(masks) if len(leaves) > 1 or isinstance(masks, (list, tuple)) else [masks])
    return map_structure(
        lambda leaf: with_mask(leaf, next(found, None)) if isinstance(leaf, np.ndarray) else leaf, outputs
    )


def _leaves(structure: Any) -> list[Any]:
    """The leaves of lists, tuples and dicts, even if all of them are ``None``."""
    if isinstance(structure, dict):
        return [leaf for item in structure.values() for leaf in _leaves(item)]
    if isinstance(structure, (list, tuple)):
        return [leaf for item in structure for leaf in _leaves(item)]
    return [structure]


def _warn_of_lost_mask(layer: Layer) -> None:
    warnings.warn(
        f"Layer {layer.name!r} of class {type(layer).__name__} does not support masking: the mask of its input ends "
        "there.",
        stacklevel=6,
    )


# Compiled layers


def _run_compiled(layer: Layer, call: CallArguments) -> Any:
    """Run a layer in a model of its own, which is kept for arrays of the same shapes."""
    given = call.input_leaves() if layer.n_inputs != 1 else [call.inputs]
    if any(array is None for array in given):
        raise ArgumentTypeError(f"Inputs of layer {layer.name!r} must be arrays or symbolic tensors, but got None.")
    arrays = [as_array("inputs", array) for array in given]
    if any(array.ndim == 0 for array in arrays):
        raise TypeError(f"Layer {layer.name!r} takes arrays of numbers with a batch axis, or symbolic tensors.")
    if arrays and arrays[0].ndim == layer.axes_of_one_sample:
        call.values = {"inputs": arrays[0][np.newaxis]}
        return _run_compiled(layer, call)[0]
    masks = _masks_for(layer, call, given, arrays)
    more = {name: map_structure(functools.partial(_array_or_none, name), v) for name, v in call.more.items()}
    arrays += [leaf for value in more.values() for leaf in flatten(value) if leaf is not None]
    masks += [None] * (len(arrays) - len(masks))
    training = bool(resolve_training(layer, call))
    if any(mask is not None for mask in masks) and not layer.supports_masking:
        _warn_of_lost_mask(layer)
    model, structure = _model_for(layer, arrays, more, call)
    found = model.run_shown(arrays, masks, training, layer)
    if not isinstance(structure, (list, tuple)):
        return found
    outputs = iter(found)
    return map_structure(lambda _: next(outputs), structure)


def _model_for(layer: Layer, arrays: list[Array], more: dict[str, Any], call: CallArguments) -> tuple[Model, Any]:
    """A model of one layer for arrays of these shapes, and the structure of its symbolic outputs.

    The masks of the inputs are those given to the call, or else the inputs' own.
    """
    rows = len(arrays[0]) if layer.fixes_batch_size else None
    shapes = tuple(array.shape[1:] for array in arrays)
    settings = tuple((name, _hashable(value)) for name, value in call.settings.items())
    # `trainable` is part of the key because frozen batch normalization computes something else.
    key = shapes, tuple(more), settings, rows, call.mask_given, layer.trainable
    cache: dict[Any, tuple[Model, Any]] = layer.__dict__.setdefault("_models", {})
    if key not in cache:
        if len(cache) == MOST_CACHED:
            del cache[next(iter(cache))]
        tensors = [Input(shape, rows, layer.dtype) for shape in shapes]
        count = len(arrays) - sum(leaf is not None for value in more.values() for leaf in flatten(value))
        remaining = iter(tensors[count:])
        given = {
            name: map_structure(lambda leaf: None if leaf is None else next(remaining), value)
            for name, value in more.items()
        }
        first: list[Any] = tensors[:count]
        if len(layer.input_arguments) == 1:
            first = [first if layer.n_inputs != 1 else first[0]]
        again = CallArguments(layer, first, given | call.settings)
        again.mask_given = call.mask_given
        outputs = layer.connect(again)
        layer.nodes.pop()
        several = isinstance(outputs, (list, tuple))
        cache[key] = Model(tensors, flatten(outputs) if several else outputs), outputs
    return cache[key]


def _hashable(setting: Any) -> Any:
    """A setting of a call as a part of a key."""
    return (setting.shape, setting.tobytes()) if isinstance(setting, np.ndarray) else setting


def _array_or_none(name: str, leaf: Any) -> Any:
    return None if leaf is None else as_array(name, leaf)


def _masks_for(layer: Layer, call: CallArguments, given: list[Any], arrays: list[Array]) -> list[Any]:
    """The mask of each input: the call's or else the array's; ``None`` if there is none."""
    if call.mask is None:
        return [mask_of(array) for array in given]
    masks = flatten(call.mask) if layer.n_inputs != 1 else [call.mask]
    if len(masks) != len(arrays):
        raise ValueError(f"mask of layer {layer.name!r} must have a part for each of {len(arrays)} inputs.")
    return [None if mask is None else as_array("mask", mask) for mask in masks]


def run_built_in(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run the computation of a layer's built-in base class on the layer's weights and arguments.

    Raises
    ------
    NotImplementedError
        If no base class computes anything.
    """
    cls = next(cls for cls in type(layer).__mro__ if issubclass(cls, Layer) and not cls.is_python)
    implementation_of(cls)
    twin = layer if cls is type(layer) else _seen_as(cls, layer, args)
    call = CallArguments(twin, args, kwargs)
    if is_symbolic(call.first):
        return twin.connect(call)
    return _run_compiled(twin, call)


def _seen_as(cls: type[Layer], layer: Layer, args: tuple[Any, ...]) -> Layer:
    """A layer as an object of its base class, without what the subclass adds."""
    if not layer.built:
        layer.build(tuple(np.shape(args[0])))
    added = {*layer.variables} - {*layer._base_variables}
    twin = object.__new__(cls)
    for name, value in layer.__dict__.items():
        if not holds(value, Layer) and not any(value is variable for variable in added):
            twin.__dict__[name] = value
    twin.__dict__ |= {"_variables": layer._base_variables, "_sublayers": [], "nodes": []}
    twin.__dict__["_models"] = layer.__dict__.setdefault("_models", {})
    return twin
