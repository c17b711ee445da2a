"""Write preprocessing layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_writer.graph import Call, Graph, translates


@translates(layers.Rescaling, any_sizes=True)
def rescaling(graph: Graph, call: Call) -> str:
    """Mul and Add."""
    scale, offset = (np.asarray(value, np.float64) for value in (call.layer.scale, call.layer.offset))
    return graph.formula(LAYERS["rescaling"][0], call.inputs[0], scale=scale, offset=offset)


@translates(layers.Normalization)
def normalization(graph: Graph, call: Call) -> str:
    """Sub and Div; if inverted, Mul and Add."""
    layer, (x,) = call.layer, call.inputs
    places = layer.places(call.output_shape)
    mean, deviation = (np.ravel(value)[places] for value in (layer.mean, np.sqrt(layer.variance)))
    deviation = np.maximum(deviation, 1e-7)
    if layer.invert:
        return graph.add("Add", graph.add("Mul", x, deviation), mean)
    return graph.add("Div", graph.add("Sub", x, mean), deviation)


@translates(layers.CategoryEncoding)
def category_encoding(graph: Graph, call: Call) -> str:
    """Compare with all classes, and take the maximum or the sum of the results, times weights if there are any."""
    if len(call.inputs) == 2:
        classes = np.arange(float(call.layer.num_tokens))
        text, (x, weights) = LAYERS["weighted_count"][0], call.inputs
        return graph.formula(text, x, weights, last=np.array([-1]), classes=classes, axes=np.array([-2]))
    return _indicators(graph, call, call.inputs[0], call.layer.num_tokens)


def _indicators(graph: Graph, call: Call, x: str, classes: int) -> str:
    """Encode class numbers in the layer's output mode."""
    mode = call.layer.output_mode
    values: dict[str, Any] = {"last": np.array([-1]), "classes": np.arange(float(classes))}
    if mode != "one_hot":
        return graph.formula(LAYERS[mode][0], x, axes=np.array([-2]), **values)
    indicators = graph.formula(LAYERS["one_hot"][0], x, **values)
    return graph.reshape(indicators, call.output_shape) if call.input_shapes[0][-1:] == (1,) else indicators


@translates(layers.Discretization)
def discretization(graph: Graph, call: Call) -> str:
    """Count the boundaries that are not above each number, and encode the count in the output mode."""
    layer, (x,) = call.layer, call.inputs
    bins = graph.formula(LAYERS["discretization"][0], x, last=np.array([-1]), limits=layer.limits)
    return bins if layer.output_mode == "int" else _indicators(graph, call, bins, layer.bins)


@translates(layers.Masking, any_sizes=True)
def masking(graph: Graph, call: Call) -> str:
    """The input where any feature differs from the mask value, else 0."""
    values = {"mask_value": call.layer.mask_value, "last": np.array([-1])}
    return graph.formula(LAYERS["masking"][0], call.inputs[0], **values)
