"""ONNX Runtime: inference by a session over a graph of Gemm and activations."""

from __future__ import annotations

from typing import Any

import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from workloads import Network, Prediction

TITLE = "ONNX Runtime"
PACKAGES = ("onnxruntime", "onnx")
ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "gelu": "Gelu"}
OPSET, IR_VERSION = 20, 10  # the first opset with Gelu

_threads = 1


def set_threads(n: int) -> None:
    global _threads
    _threads = n


def graph(network: Network) -> bytes:
    """The network as ONNX has it, from input "x" to output "y"."""
    weights = network.weights()
    constants = [numpy_helper.from_array(array, f"w{i}") for i, array in enumerate(weights)]
    functions = [ACTIVATIONS[network.activation]] * (len(network.products) - 1)
    functions.append("Softmax" if network.loss == "ce" else "Identity")
    nodes, value = [], "x"
    for i, function in enumerate(functions):
        nodes.append(helper.make_node("Gemm", [value, f"w{2 * i}", f"w{2 * i + 1}"], [f"z{i}"]))
        value = "y" if i == len(functions) - 1 else f"a{i}"
        nodes.append(helper.make_node(function, [f"z{i}"], [value]))
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])]
        for name, width in (("x", network.widths[0]), ("y", network.widths[-1]))
    ]
    return serialized(helper.make_graph(nodes, "network", *ends, constants))


def serialized(graph: Any) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return model.SerializeToString()


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        source = self.source(prediction)
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self.feed = {"x": self.inputs(prediction)}

    def source(self, prediction: Prediction) -> bytes:
        return graph(prediction.network)

    def inputs(self, prediction: Prediction) -> Any:
        return prediction.network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        for _ in range(calls):
            (y,) = self.session.run(["y"], self.feed)
        return y
