"""Write convolutions. ONNX's operators have the channels first; if a layer has them last, Transposes go around."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.contract.convolution import Geometry
from cbackprop.export.onnx_writer.graph import Call, Graph, translates


@translates(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def convolution(graph: Graph, call: Call) -> str:
    """Conv. Its kernel is (filters, channels of a group, ...)."""
    return between_transposes(graph, call, "Conv", pads_of(call, call.layer.geometry(channels_last(call))), {})


def pads_of(call: Call, geometry: Geometry) -> list[int]:
    """The number of zeros at the front of each axis, then at the end."""
    ends = [
        max((maps - 1) * stride + (kernel - 1) * dilation + 1 - before - size, 0)
        for maps, stride, kernel, dilation, before, size in zip(
            geometry.maps, geometry.stride, geometry.kernel, geometry.dilation, geometry.before, geometry.image,
            strict=True,
        )
    ]  # fmt: skip
    return [*geometry.before[-call.layer.rank :], *ends[-call.layer.rank :]]


@translates(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def depthwise_convolution(graph: Graph, call: Call) -> str:
    """Conv with a group for each channel."""
    layer, (x,) = call.layer, call.inputs
    bias = [] if layer.bias is None else [graph.variable(layer.bias)]
    y = depthwise(graph, call, to_first(graph, layer, x), layer.kernel.numpy(), bias)
    return to_last(graph, layer, y)


@translates(layers.SeparableConv1D, layers.SeparableConv2D)
def separable_convolution(graph: Graph, call: Call) -> str:
    """Two Convs: a depthwise one, and one with a kernel of size 1."""
    layer, (x,) = call.layer, call.inputs
    between = depthwise(graph, call, to_first(graph, layer, x), layer.depthwise_kernel.numpy(), [])
    rank = layer.rank
    weights = [graph.variable(layer.pointwise_kernel, (rank + 1, rank, *range(rank)))]
    weights += [] if layer.bias is None else [graph.variable(layer.bias)]
    return to_last(graph, layer, graph.add("Conv", between, *weights, kernel_shape=(1,) * rank))


def depthwise(graph: Graph, call: Call, x: str, kernel: NDArray[Any], bias: list[str]) -> str:
    """A Conv whose kernel is (channels * depth_multiplier, 1, ...)."""
    layer, rank = call.layer, call.layer.rank
    channels = kernel.shape[rank]
    filters = kernel.transpose(rank, rank + 1, *range(rank)).reshape(-1, 1, *layer.kernel_size)
    return graph.add(
        "Conv",
        x,
        filters,
        *bias,
        kernel_shape=layer.kernel_size,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        group=channels,
        pads=pads_of(call, layer.depthwise_geometry(channels_last(call))),
    )


def to_first(graph: Graph, layer: Any, x: str) -> str:
    """The value with its channels first."""
    rank = layer.rank
    return x if layer.data_format == "channels_first" else graph.transpose(x, (0, rank + 1, *range(1, rank + 1)))


def to_last(graph: Graph, layer: Any, y: str) -> str:
    """The reverse of `to_first`."""
    return y if layer.data_format == "channels_first" else graph.transpose(y, (0, *range(2, layer.rank + 2), 1))


@translates(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def transposed_convolution(graph: Graph, call: Call) -> str:
    """ConvTranspose. Its kernel is (channels, filters, ...)."""
    layer = call.layer
    geometry = layer.geometry(channels_last(call))
    # How many elements are computed at the end of each axis but dropped. If negative, zeros are added.
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
    """Add the operator of a layer, with Transposes around it if needed."""
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
