"""Write pooling layers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_writer.graph import Call, Graph, translates


@translates(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)
def max_pooling(graph: Graph, call: Call) -> str:
    """MaxPool, between Transposes if the channels are last."""
    return pooled(graph, call, "MaxPool")


@translates(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)
def average_pooling(graph: Graph, call: Call) -> str:
    """AveragePool; for float64 window by window, because ONNX Runtime lacks the operator."""
    if graph.dtype == np.float64:
        return window_by_window(graph, call, "ReduceMean")
    return pooled(graph, call, "AveragePool")


def pooled(graph: Graph, call: Call, operator: str) -> str:
    """Add a pooling operator, with Transposes around it if the channels are last."""
    layer, (x,) = call.layer, call.inputs
    sizes = call.input_shapes[0][1:] if layer.data_format == "channels_first" else call.input_shapes[0][:-1]
    both = list(zip(*layer.paddings(sizes), strict=True))
    options = {"kernel_shape": layer.pool_size, "strides": layer.strides, "pads": [*both[0], *both[1]]}
    if layer.data_format == "channels_first":
        return graph.add(operator, x, **options)
    last = layer.rank + 1
    first = graph.transpose(x, (0, last, *range(1, last)))
    return graph.transpose(graph.add(operator, first, **options), (0, *range(2, last + 1), 1))


@translates(
    layers.AdaptiveMaxPooling1D,
    layers.AdaptiveMaxPooling2D,
    layers.AdaptiveMaxPooling3D,
)
def adaptive_max_pooling(graph: Graph, call: Call) -> str:
    """ReduceMax for each window, one axis after the other: in ONNX all windows have one size."""
    return window_by_window(graph, call, "ReduceMax")


@translates(
    layers.AdaptiveAveragePooling1D,
    layers.AdaptiveAveragePooling2D,
    layers.AdaptiveAveragePooling3D,
)
def adaptive_average_pooling(graph: Graph, call: Call) -> str:
    """ReduceMean for each window, as for maxima."""
    return window_by_window(graph, call, "ReduceMean")


# An axis with more windows than this is refused: the graph would become too large.
MOST_WINDOWS = 1024


def window_by_window(graph: Graph, call: Call, operator: str) -> str:
    """Reduce the windows of each axis one by one, and concatenate the results."""
    layer, (x,), (shape,) = call.layer, call.inputs, call.input_shapes
    first = 2 if layer.data_format == "channels_first" else 1
    tables = layer.windows(shape[first - 1 : first - 1 + layer.rank])
    if sum(len(begin) for begin, _ in tables) > MOST_WINDOWS:
        raise ValueError(
            f"Layer {layer.name!r} has {math.prod(len(begin) for begin, _ in tables)} windows that must be written one "
            "by one. The graph would become too large."
        )
    for axis, (begin, end) in enumerate(tables, first):
        if np.array_equal(begin, np.arange(shape[axis - 1])) and np.array_equal(end, begin + 1):
            continue
        along = np.array([axis])
        parts = [
            graph.add(operator, graph.add("Slice", x, np.array([a]), np.array([b]), along), along, keepdims=1)
            for a, b in zip(begin, end, strict=True)
        ]
        x = graph.add("Concat", *parts, axis=axis) if len(parts) > 1 else parts[0]
    return x


@translates(
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    any_sizes=True,
)
def global_max_pooling(graph: Graph, call: Call) -> str:
    """ReduceMax."""
    return reduced(graph, call, "ReduceMax")


@translates(
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    any_sizes=True,
)
def global_average_pooling(graph: Graph, call: Call) -> str:
    """ReduceMean; behind a mask, the sum of the steps that count, divided by their number."""
    mask = call.mask.name if call.mask is not None and call.layer.supports_masking else None
    if mask is None:
        return reduced(graph, call, "ReduceMean")
    channels = 1 if call.layer.data_format == "channels_first" else 2
    shown = graph.add("Unsqueeze", mask, np.array([channels]))
    text, keepdims = LAYERS["masked_mean"][0], int(call.layer.keepdims)
    return graph.formula(text, call.inputs[0], w=shown, axes=reduced_axes(call), keepdims=keepdims)


def reduced(graph: Graph, call: Call, operator: str) -> str:
    """Reduce all axes other than batch and channels."""
    return graph.add(operator, call.inputs[0], reduced_axes(call), keepdims=int(call.layer.keepdims))


def reduced_axes(call: Call) -> NDArray[np.int64]:
    """All axes other than batch and channels."""
    first = 2 if call.layer.data_format == "channels_first" else 1
    return np.arange(first, first + call.layer.rank)
