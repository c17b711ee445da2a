"""ONNX Runtime on images: a session over Conv, MaxPool and Gemm, channels first as ONNX has them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from convnets import Average, Conv, ConvPrediction, Dense, Flatten, Pool, Residual, folded
from onnx import TensorProto, helper, numpy_helper

from peers import UnsupportedError
from peers import onnxruntime as dense

TITLE = "ONNX Runtime"
PACKAGES = dense.PACKAGES
set_threads = dense.set_threads


class Graph:
    """Nodes and constants, added layer by layer; values are called v0, v1, ..."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.counter = itertools.count()

    def constant(self, array: Any) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"v{next(self.counter)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def add(self, layers: tuple[Any, ...], weights: Iterator[Any], x: str, shape: tuple[int, ...]) -> str:
        """The value that layers make of another, whose shape is channels last and without the batch."""
        flat = None
        for layer in layers:
            y = self.layer(layer, weights, x, shape, flat)
            x = self.node("Relu", y) if getattr(layer, "relu", False) else y
            flat = shape if isinstance(layer, Flatten) else None
            shape = layer.output(shape)
        return x

    def layer(self, layer: Any, weights: Iterator[Any], x: str, shape: tuple[int, ...], flat: Any) -> str:
        match layer:
            case Conv():
                return self.convolution(layer, weights, x, shape)
            case Residual():
                return self.node("Relu", self.node("Add", x, self.add(layer.layers, weights, x, shape)))
            case Dense():
                kernel, bias = next(weights), next(weights)
                if flat is not None:  # rows in the order of (channels, positions)
                    kernel = np.moveaxis(kernel.reshape(*flat, -1), len(flat) - 1, 0).reshape(kernel.shape)
                return self.node("Gemm", x, self.constant(kernel), self.constant(bias))
            case Average():
                return self.node("Flatten", self.node("GlobalAveragePool", x))
            case Flatten():
                return self.node("Flatten", x)
            case Pool():
                sizes = [layer.size] * (len(shape) - 1)
                return self.node("MaxPool", x, kernel_shape=sizes, strides=sizes)
        raise UnsupportedError(f"no node is written for {type(layer).__name__}")

    def convolution(self, layer: Conv, weights: Iterator[Any], x: str, shape: tuple[int, ...]) -> str:
        kernel = next(weights)
        axes = kernel.ndim - 2
        inputs = [self.constant(kernel.transpose(axes + 1, axes, *range(axes)))]
        if layer.bias:
            inputs.append(self.constant(next(weights)))
        pads = layer.pads(shape)
        ends = [before for before, _ in pads] + [after for _, after in pads]
        return self.node(
            "Conv", x, *inputs, strides=[layer.strides] * axes, dilations=[layer.dilation] * axes, pads=ends
        )


def graph(network: Any) -> bytes:
    """The network as ONNX has it, from input "x" to output "y"."""
    layers, weights = folded(network)
    made = Graph()
    *positions, channels = network.widths
    made.nodes.append(helper.make_node("Softmax", [made.add(layers, iter(weights), "x", network.widths)], ["y"]))
    shapes = {"x": ["rows", channels, *positions], "y": ["rows", *network.output_shape]}
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name, shape in shapes.items()]
    return dense.serialized(helper.make_graph(made.nodes, "network", *ends, made.constants))


class Inference(dense.Inference):
    def source(self, prediction: ConvPrediction) -> bytes:
        return graph(prediction.network)

    def inputs(self, prediction: ConvPrediction) -> Any:
        return np.ascontiguousarray(np.moveaxis(prediction.network.inputs(prediction.rows), -1, 1))
