"""Rules for operators that combine elements at the same position."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cbackprop.export.onnx_reader.open_sizes import Size
from cbackprop.export.onnx_reader.places import Place, place_of
from cbackprop.export.onnx_reader.rearranging.rule import (
    Array,
    Places,
    RearrangingError,
    Result,
    broadcast,
    changed,
    length,
    rearranges,
    with_shape,
)

ELEMENTWISE = (
    *("Abs", "Add", "And", "Cast", "Ceil", "Celu", "Clip", "Cos", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp"),
    *("Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN"),
    *("LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu"),
    *("Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt"),
    *("Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Where", "Xor"),
)


@rearranges(*ELEMENTWISE)
def elementwise(graph: Any, node: Any, places: Places) -> Result:
    """Combine elements at the same position."""
    known = [place for place in places if place is not None]
    first = known[0]
    if any(
        (place.from_end, place.before, place.behind) != (first.from_end, first.before, first.behind) for place in known
    ):
        raise RearrangingError("it combines values that have the batch in different axes")
    constants = [graph.constants[name].ndim - first.from_end for name in node.inputs if name in graph.constants]
    lead = max(*constants, *(place.axis for place in known), 0)
    made, inputs, shapes = [], [], []
    for name, place in zip(node.inputs, places, strict=True):
        if place is None:
            array = graph.constants.get(name) if name else None
            if name and array is None and not graph.is_computed(name):
                raise RearrangingError(graph.why_unknown(name))
            inputs.append(name if array is None else _constant(graph, name, first))
            shapes.append(() if array is None else _ones_at(array, first))
            continue
        wide = place.wider(lead - place.axis)
        shapes.append(place.ones)
        inputs.append(name)
        if wide.sample != place.sample:
            inputs[-1] = f"{node.outputs[0]}/{len(inputs)}"
            widened = with_shape(graph, changed(node, name), place, wide)
            made.append(dataclasses.replace(widened, outputs=[inputs[-1]], copies=False))
    shape = broadcast(shapes)
    to = place_of(shape, len(shape) - first.from_end, first.before, first.behind)
    return [*made, changed(node, *inputs)], [to]


def _ones_at(array: Array, place: Place) -> tuple[Size, ...]:
    """The shape of a constant, with 1 where the batch is."""
    shape = list(array.shape)
    if len(shape) >= place.from_end:
        shape[-place.from_end] = 1
    return tuple(shape)


def _constant(graph: Any, name: str, place: Place) -> str:
    """Reorder a constant that is combined with values of this place, so that the batch is first; return its name.

    Raises
    ------
    RearrangingError
        If it differs between samples.
    """
    array = graph.constants[name]
    axis = array.ndim - place.from_end
    if graph.repeated.get(name, axis) != axis:
        raise RearrangingError(f"the constant {name!r} is repeated along an axis that is not the batch")
    if axis < 0:
        return name
    shape, size = array.shape, array.shape[axis]
    before, behind = place.before, place.behind
    if size == 1:
        factors: tuple[int, ...] = (1,) * len(place.factors)
        own = array.reshape((*shape[:axis], *factors, *shape[axis + 1 :]))
    elif graph.batch is not None and size == place.shape(graph.batch)[place.axis]:
        parts = length(before), graph.batch, length(behind)
        whole = array.reshape((*shape[:axis], *parts, *shape[axis + 1 :]))
        one = np.take(whole, 0, axis + 1)
        if not np.array_equal(np.broadcast_to(np.expand_dims(one, axis + 1), whole.shape), whole):
            raise RearrangingError(f"the constant {name!r} differs between samples")
        factors = tuple(length(factor) for factor in (before, behind) if factor != 1)
        own = one.reshape((*shape[:axis], *factors, *shape[axis + 1 :]))
    else:
        raise RearrangingError(f"the constant {name!r} of shape {shape} differs between samples")
    return str(graph.new_constant(f"{name}/sample", own))
