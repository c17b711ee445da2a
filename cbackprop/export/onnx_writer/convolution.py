"""Write convolutions: operators with the channels first, between Transposes if the channels are last."""

from __future__ import annotations

from typing import Any

from cbackprop import layers
from cbackprop.export.onnx_writer.graph import Call, Graph, translates


@translates(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def convolution(graph: Graph, call: Call) -> str:
    """Conv. Its kernel is (filters, channels of a group, ...)."""
    layer = call.layer
    geometry = layer.geometry(channels_last(call))
    ends = [
        max((maps - 1) * stride + (kernel - 1) * dilation + 1 - before - size, 0)
        for maps, stride, kernel, dilation, before, size in zip(
            geometry.maps, geometry.stride, geometry.kernel, geometry.dilation, geometry.before, geometry.image,
            strict=True,
        )
    ]  # fmt: skip
    return between_transposes(graph, call, "Conv", [*geometry.before[-layer.rank :], *ends[-layer.rank :]], {})


@translates(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def transposed_convolution(graph: Graph, call: Call) -> str:
    """ConvTranspose. Its kernel is (channels, filters, ...)."""
    layer = call.layer
    geometry = layer.geometry(channels_last(call))
    # Numbers that the taps reach, but that are dropped behind; fewer than 0 if zeros are added.
    dropped = [
        (maps - 1) * stride + (kernel - 1) * dilation + 1 - before - size
        for maps, stride, kernel, dilation, before, size in zip(
            geometry.maps, geometry.stride, geometry.kernel, geometry.dilation, geometry.before, geometry.image,
            strict=True,
        )
    ][-layer.rank :]  # fmt: skip
    pads = [*geometry.before[-layer.rank :], *(max(count, 0) for count in dropped)]
    return between_transposes(
        graph, call, "ConvTranspose", pads, {"output_padding": [max(-count, 0) for count in dropped]}
    )


def channels_last(call: Call) -> tuple[int, ...]:
    """The shape of a sample of the input, channels last."""
    (shape,) = call.input_shapes
    return (*shape[1:], shape[0]) if call.layer.data_format == "channels_first" else shape


def between_transposes(graph: Graph, call: Call, operator: str, pads: list[int], options: dict[str, Any]) -> str:
    """The operator of the layer."""
    layer, (x,) = call.layer, call.inputs
    rank = layer.rank
    weights = [graph.variable(layer.kernel, (rank + 1, rank, *range(rank)))]
    weights += [] if layer.bias is None else [graph.variable(layer.bias)]
    options |= {
        "kernel_shape": layer.kernel_size,
        "strides": layer.strides,
        "dilations": layer.dilation_rate,
        "group": getattr(layer, "groups", 1),
        "pads": pads,
    }
    if layer.data_format == "channels_first":
        return graph.add(operator, x, *weights, **options)
    y = graph.add(operator, graph.transpose(x, (0, rank + 1, *range(1, rank + 1))), *weights, **options)
    return graph.transpose(y, (0, *range(2, rank + 2), 1))
