"""Rules for matrix products and recurrent layers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cbackprop.export.onnx_reader.input_axes import DATA_AT, RECURRENT
from cbackprop.export.onnx_reader.places import Place
from cbackprop.export.onnx_reader.rearranging.rule import (
    Places,
    RearrangingError,
    Result,
    place_known,
    rearranges,
    shown,
)


@rearranges("MatMul")
def multiplied(graph: Any, node: Any, places: Places) -> Result:
    """Multiply the matrices of each sample, or multiply by weights."""
    a, b = places
    if a is None:
        raise RearrangingError("its left operand is a constant")
    if b is None:
        kernel = graph.constants.get(node.inputs[1])
        if kernel is None or kernel.ndim != 2 or a.from_end == 1:
            raise RearrangingError("it mixes the samples of a batch")
        return [node], [Place(a.lead, a.before, a.behind, (*a.tail[:-1], kernel.shape[1]))]
    if min(a.from_end, b.from_end) < 3 or (a.from_end, a.before, a.behind) != (b.from_end, b.before, b.behind):
        raise RearrangingError("it multiplies values that have the batch in different axes, or mixes samples")
    if a.sample[:-2] != b.sample[:-2]:
        raise RearrangingError(
            f"matrix products of shapes {shown(a.sample)} and {shown(b.sample)} per sample are not supported"
        )
    return [node], [Place(a.lead, a.before, a.behind, (*a.tail[:-1], b.tail[-1]))]


@rearranges("Gemm")
def gemm(graph: Any, node: Any, places: Places) -> Result:
    """Multiply rows with weights."""
    place = place_known(places[0])
    if node.attribute("transA") or place.from_end != 2 or any(other is not None for other in places[1:]):
        raise RearrangingError("it mixes the samples of a batch")
    kernel = graph.constant_input(node, 1)
    kernel = kernel.T if node.attribute("transB") else kernel
    kernel = kernel * np.asarray(node.attribute("alpha"), kernel.dtype)
    to = Place(place.lead, place.before, place.behind, (kernel.shape[1],))
    output = node.outputs[0]
    with_bias = len(node.inputs) > 2 and bool(node.inputs[2])
    product = dataclasses.replace(
        node,
        operator="MatMul",
        inputs=[node.inputs[0], graph.new_constant(f"{node.name}/kernel", kernel)],
        outputs=[f"{output}/product" if with_bias else output],
        written=node.operator,
        attributes={},
        defaults={},
    )
    if not with_bias:
        return [product], [to]
    bias = graph.constant_input(node, 2)
    if bias.ndim > 2 or bias.size not in (1, kernel.shape[1]):
        raise RearrangingError("its bias differs between samples")
    bias = np.broadcast_to(bias.ravel() * np.asarray(node.attribute("beta"), bias.dtype), kernel.shape[1:])
    name = graph.new_constant(f"{node.name}/bias", bias)
    added = dataclasses.replace(product, operator="Add", inputs=[product.outputs[0], name], outputs=[output])
    return [product, added], [to]


@rearranges(*RECURRENT)
def recurrent(graph: Any, node: Any, places: Places) -> Result:
    """Recurrent operators: the batch is behind the steps and directions, or first."""
    layout = bool(node.attribute("layout"))
    for name, place, axis in zip(node.inputs, places, DATA_AT[layout], strict=False):
        if place is not None and axis is not None and (place.axis != axis or not place.is_plain):
            raise RearrangingError(f"axis {axis} of its input {name!r} should be the batch, but is not")
    x, weights = place_known(places[0]), graph.constant_input(node, 2)
    steps = x.sample[0]
    directions, units = weights.shape[0], weights.shape[-1]
    if layout:
        return [node], [Place((), 1, 1, (steps, directions, units)), *[Place((), 1, 1, (directions, units))] * 2]
    return [node], [Place((steps, directions), 1, 1, (units,)), *[Place((directions,), 1, 1, (units,))] * 2]
