"""Write layers that merge several inputs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_writer.graph import Call, Graph, translates
from cbackprop.export.onnx_writer.masks import any_of

OPERATORS = {
    layers.Add: "Add",
    layers.Subtract: "Sub",
    layers.Multiply: "Mul",
    layers.Maximum: "Max",
    layers.Minimum: "Min",
    layers.TrueDivide: "Div",
}


def aligned(graph: Graph, call: Call) -> list[str]:
    """The inputs, all with as many axes as the output. ONNX would add missing axes in front of the batch."""
    rank = len(call.output_shape)
    return [
        name if len(shape) == rank else graph.reshape(name, [1] * (rank - len(shape)) + list(shape))
        for name, shape in zip(call.inputs, call.input_shapes, strict=True)
    ]


@translates(*OPERATORS, any_sizes=True)
def merge(graph: Graph, call: Call) -> str:
    """Apply the operator to one input after the other."""
    if call.layer.hidden_as is not None and any(call.masks):
        return merge_shown(graph, call)
    return merged(graph, call)


def merged(graph: Graph, call: Call) -> str:
    """The merged inputs, without their masks."""
    operator = next(OPERATORS[cls] for cls in type(call.layer).__mro__ if cls in OPERATORS)
    return functools.reduce(lambda a, b: graph.add(operator, a, b), aligned(graph, call))


def merge_shown(graph: Graph, call: Call) -> str:
    """The inputs merged without rows that their masks hide.

    Where all are hidden, a product is 0, and a largest or smallest number the first of them.
    """
    limit, number = float(np.finfo(graph.dtype).max), call.layer.hidden_as
    shown = tuple(
        value if mask is None else chosen(graph, mask.name, value, min(max(number, -limit), limit))
        for value, mask in zip(call.inputs, call.masks, strict=True)
    )
    output = merged(graph, dataclasses.replace(call, inputs=shown))
    if None in call.masks:
        return output
    return chosen(
        graph, any_of(graph, call.masks, len(call.output_shape) - 1), output, call.inputs[0] if number != 1 else 0.0
    )


def chosen(graph: Graph, mask: str | None, value: str, other: str | float) -> str:
    """The rows of a value where the mask is true; other rows are a number, or rows of another value."""
    if mask is None:
        return value
    return graph.add("Where", graph.add("Unsqueeze", mask, np.array([-1])), value, other)


@translates(layers.Power, any_sizes=True)
def power(graph: Graph, call: Call) -> str:
    """Pow."""
    if call.layer.exponent is None:
        return graph.add("Pow", *aligned(graph, call))
    return graph.add("Pow", call.inputs[0], call.layer.exponent)


@translates(layers.Average, any_sizes=True)
def average(graph: Graph, call: Call) -> str:
    """The sum of the inputs divided by their number."""
    total = functools.reduce(lambda a, b: graph.add("Add", a, b), aligned(graph, call))
    return graph.add("Div", total, float(len(call.inputs)))


@translates(layers.Concatenate, any_sizes=True)
def concatenate(graph: Graph, call: Call) -> str:
    """Concat."""
    return graph.add("Concat", *call.inputs, axis=call.layer.positive_axis(len(call.output_shape) + 1))


@translates(layers.Dot)
def dot(graph: Graph, call: Call) -> str:
    """A product of matrices whose rows are the vectors along the axes."""
    axes = call.layer.positive_axes([(None, *shape) for shape in call.input_shapes])
    a, b = (
        rows_of(graph, name, shape, axis)
        for name, shape, axis in zip(call.inputs, call.input_shapes, axes, strict=True)
    )
    if call.layer.normalize:
        values = {"axes": np.array([-1]), "limit": 1 / call.layer.epsilon, "perm": [0, 2, 1]}
        product = graph.formula(LAYERS["cosine"][0], a, b, **values)
    else:
        product = graph.add("MatMul", a, graph.transpose(b, (0, 2, 1)))
    return graph.reshape(product, call.output_shape)


def rows_of(graph: Graph, name: str, shape: Sequence[int], axis: int) -> str:
    """Samples of this shape as matrices (all other axes, axis)."""
    order = [*(other for other in range(len(shape) + 1) if other != axis), axis]
    size = shape[axis - 1]
    others = int(np.prod(shape)) // size
    moved = graph.transpose(name, order)
    return moved if (others, size) == tuple(shape[i - 1] for i in order[1:]) else graph.reshape(moved, (others, size))
