"""Layers in Python on symbolic tensors: the shapes of their outputs, and what is refused before training.

A shape is what the layer says itself, or what a call on zeros shows. Nothing here imports `Layer`, which imports this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cbackprop.layers.call_arguments import CallArguments, is_array, is_shape, map_shapes, select
from cbackprop.layers.call_context import CallContext, calling
from cbackprop.layers.tracking import layers_within
from cbackprop.layers.unknown_sizes import LARGE, SMALL, common_of_all, filled
from cbackprop.tensor import KerasTensor, Node, Shape, flatten, map_structure
from cbackprop.validation import ArgumentTypeError, check_memory, type_name

__all__ = ["check_masks", "check_used", "connect_python", "forget_losses", "observed_shape", "sample_shape", "sized"]

# A layer is called on this many samples of zeros to find the shape of its output. With one sample, an output that has
# lost its batch axis could go unnoticed.
ROWS = 2


def sample_shape(shape: Shape) -> tuple[int, ...]:
    """The shape of one sample."""
    return tuple(int(size) for size in shape[1:] if size is not None)


def connect_python(layer: Any, call: CallArguments) -> Any:
    """The outputs of a layer written in Python for symbolic tensors, in the structure that its `call` returns.

    Raises
    ------
    TypeError
        If the layer uses weights that would not be trained.
    ValueError
        If the output does not have a row for each sample.
    """
    layer.check_float_types(call.tensors())
    shapes = {name: map_structure(_shape_of, value) for name, value in call.values.items()}
    if not layer.built:
        layer.build(**select(layer, layer.build, shapes))
    unknown = [size for tensor in call.tensors() for size in tensor.shape[1:]].count(None)
    if unknown:
        found, context = _found_for_examples(layer, call, LARGE if unknown == 1 else SMALL)
    else:
        found, context = _found(layer, call)
    _check_types(layer)
    _check_trainable(layer, context)
    outputs: list[KerasTensor] = []

    def tensor(shape: Any) -> KerasTensor:
        check_memory(f"the output of layer {layer.name!r}", shape)
        outputs.append(KerasTensor(shape, layer.dtype, layer.name))
        return outputs[-1]

    structure = map_shapes(tensor, found)
    node = Node(layer, call.tensors(), outputs, call.training, arguments=call, structure=structure)
    node.adds_losses = context is not None and any(each._added_losses for each in (layer, *layers_within(layer)))
    code = getattr(type(layer).call, "__code__", None)
    node.adds_losses = node.adds_losses or (code is not None and "add_loss" in code.co_names)
    forget_losses(layer)
    layer.nodes.append(node)
    layer._locked = True
    return structure


def observed_shape(layer: Any, input_shape: Any) -> Any:
    """The output shapes for an input shape, or a structure of them, found by a call with zeros."""
    tensors = map_shapes(lambda shape: KerasTensor(shape, layer.dtype, "input"), input_shape)
    call = CallArguments(layer, [tensors], {})
    if not layer.built:
        layer.build(input_shape)
    found, _ = _observed(layer, call)
    forget_losses(layer)
    return found


def _found(layer: Any, call: CallArguments) -> tuple[Any, CallContext | None]:
    """The output shapes, as the layer states them or found by a call with zeros, and the context of that call."""
    shapes = {name: map_structure(_shape_of, value) for name, value in call.values.items()}
    found, context = None, None
    if not all(inner.built for inner in layers_within(layer)):
        found, context = _observed(layer, call)  # builds them
    stated = _specified(layer, call)
    if stated is None and layer._states_output_shape:
        stated = layer.compute_output_shape(**select(layer, layer.compute_output_shape, shapes))
        if not _is_shape_or_several(stated):
            raise TypeError(
                f"compute_output_shape of {type(layer).__name__} {layer.name!r} must return a tuple of whole numbers "
                f"and None, or a structure of such tuples, but returned {stated!r}."
            )
    if stated is None and context is None:
        found, context = _observed(layer, call)
    return (found if stated is None else stated), context


def _is_shape_or_several(stated: Any) -> bool:
    """Whether this is a shape, a structure of shapes, or ``None`` (then a call with zeros finds the shape)."""
    if isinstance(stated, dict):
        return all(_is_shape_or_several(shape) and shape is not None for shape in stated.values())
    if not isinstance(stated, (list, tuple)):
        return stated is None
    if is_shape(stated):
        return all(size is None or size >= 0 for size in stated)
    return all(isinstance(shape, (list, tuple, dict)) and _is_shape_or_several(shape) for shape in stated)


def _specified(layer: Any, call: CallArguments) -> Any:
    """The output shapes from the layer's own `compute_output_spec`, which returns symbolic tensors as in Keras.

    ``None`` if the layer does not define it, or it raises ``NotImplementedError``.
    """
    if not hasattr(layer, "compute_output_spec"):
        return None
    try:
        returned = call.call(layer.compute_output_spec, call.values)
    except NotImplementedError:
        return None

    def shape_of(leaf: Any) -> Shape:
        if not isinstance(leaf, KerasTensor):
            raise TypeError(
                f"compute_output_spec of {type(layer).__name__} {layer.name!r} must return symbolic tensors, "
                f"KerasTensor(shape, dtype), but returned {type_name(leaf)}."
            )
        return tuple(leaf.shape)

    return map_structure(shape_of, returned)


def _found_for_examples(layer: Any, call: CallArguments, sizes: tuple[int, int]) -> tuple[Any, CallContext | None]:
    """`_found` for inputs with unknown sizes: output sizes that differ between two examples are unknown."""

    def example(size: int) -> CallArguments:
        return call.replaced(lambda leaf: KerasTensor(filled(leaf.shape, size), leaf.dtype, leaf.name))

    (first, context), (second, _) = (_found(layer, example(size)) for size in sizes)
    return common_of_all(first, second), context


def forget_losses(layer: Any) -> None:
    """Forget what the layer and the layers within it have added to the loss."""
    for each in (layer, *layers_within(layer)):
        each._added_losses.clear()


def _shape_of(leaf: Any) -> Any:
    return tuple(leaf.shape) if hasattr(leaf, "shape") else np.shape(leaf) if is_array(leaf) else None


def _observed(layer: Any, call: CallArguments) -> tuple[Any, CallContext]:
    """The output shapes, found by a call with zeros, and the context of that call.

    Raises
    ------
    ValueError
        If an output does not have a row for each sample. Errors of `call` are passed on with a note.
    """
    rows = next((tensor.shape[0] for tensor in call.tensors() if tensor.shape[0]), None)
    count = rows or ROWS
    values = call.filled(np.zeros((count, *sample_shape(tensor.shape)), layer.dtype) for tensor in call.tensors())
    try:
        with np.errstate(all="ignore"), _unchanged(layer), calling(layer, False) as context:
            returned = call.call(layer.call, values, False)
    except Exception as error:
        explained = layer._failed_on_zeros(error, count)
        if explained is error:
            raise
        raise explained from error
    return map_structure(lambda leaf: sized(layer, np.shape(leaf), count, rows), returned), context


@contextmanager
def _unchanged(layer: Any) -> Iterator[None]:
    """Undo changes that the layer's call makes to its weights and metrics, such as counting."""
    kept = [(variable, np.array(variable)) for variable in (*layer.variables, *layer.metrics_variables)]
    try:
        yield
    finally:
        for variable, value in kept:
            if not np.array_equal(np.asarray(variable), value, equal_nan=True):
                variable.assign(value)


def sized(layer: Any, found: tuple[int, ...], count: int, rows: int | None = None) -> Any:
    """The shape `found` for `count` samples, with `rows` in place of that number: by default any number."""
    if found[:1] != (count,):
        kind = type(layer).__name__
        raise ValueError(
            f"{kind} {layer.name!r} must return a row for each sample, but returned shape {found} for {count} samples."
        )
    return (rows, *found[1:])


def _check_types(layer: Any) -> None:
    """Refuse weights of another float type: all weights of a model are in one vector."""
    for variable in layer.variables:
        if variable.dtype != layer.dtype:
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} computes in {layer.dtype}, but holds weight {variable.path!r} "
                f"in {variable.dtype}. Give the layers within the same dtype, or set config.set_floatx before making "
                "them."
            )


def check_used(layer: Any, context: CallContext) -> None:
    """Refuse a layer whose call uses trainable weights of layers that are not its attributes."""
    own = set(layer.variables)
    strangers = [used for used in context.used if not own.issuperset(used.trainable_variables)]
    if strangers:
        names = ", ".join(f"{type(used).__name__} {used.name!r}" for used in strangers)
        raise TypeError(
            f"{type(layer).__name__} {layer.name!r} calls {names}, which it does not hold: these weights would be "
            "neither trained nor saved. Make layers in __init__ or build, and keep them as attributes; or set their "
            "trainable to False, if they are not to be trained."
        )


def _check_trainable(layer: Any, context: CallContext | None) -> None:
    """Refuse a layer whose call uses trainable weights of other layers but which has no `backward`."""
    kind = f"{type(layer).__name__} {layer.name!r}"
    if context is not None:
        check_used(layer, context)
    inner = [each for each in layers_within(layer) if each.trainable_variables]
    if inner and layer.trainable and getattr(layer, "backward", None) is None:
        names = ", ".join(f"{type(each).__name__} {each.name!r}" for each in inner)
        raise TypeError(
            f"{kind} computes in Python with {names}: their weights would not be trained, because there is no "
            "automatic differentiation. Use a model of these layers instead, which can be called like a layer "
            "(cbackprop.Sequential([...]) or cbackprop.Model(inputs, outputs)); or define expand in place of call, if "
            "it only combines them (see cbackprop.layers.Layer.expand); or define a method backward(inputs, "
            "outputs, delta) that returns the input delta and the gradients of all trainable_weights; or set "
            f"{layer.name}.trainable = False, if they are not to be trained."
        )


def check_masks(layer: Any, call: CallArguments) -> None:
    """Refuse masks that do not go with the tensors that a layer was called on."""
    if call.mask is None:
        return
    tensors, masks = call.input_leaves(), flatten(call.mask)
    symbolic = [mask for mask in masks if mask is not None]
    if len(masks) != len(tensors) or any(not isinstance(mask, KerasTensor) for mask in symbolic):
        raise ArgumentTypeError(
            f"mask of layer {layer.name!r} must be a symbolic tensor, or None, for each of its {len(tensors)} symbolic "
            f"input(s), but got {call.mask!r}."
        )
    for tensor, mask in zip(tensors, masks, strict=True):
        wanted = layer._mask_shape(tensor.shape)
        if mask is not None and mask.shape[1:] != wanted[1:]:
            raise ValueError(
                f"mask of layer {layer.name!r} must have a value for each row of its input, shape "
                f"{wanted}, but has shape {mask.shape}."
            )
