"""Replace the operators of scikit-learn's converter (domain ai.onnx.ml) by ONNX's own.

The converter gives a classifier two outputs: the label of each sample, which no layer computes, and the probabilities
as a list of dicts. The model that is read predicts the probabilities as an array, and stores the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["Labels", "with_plain_operators"]

# The labels of classes: strings or integers.
Labels = list[str] | list[int]
DOMAIN = "ai.onnx.ml"
# Operators that pass labels on.
KEEP_LABELS = ("Identity", "Cast", "Reshape")
# Operators whose first output is a label, if no other operator reads it.
MAKE_LABELS = ("ArrayFeatureExtractor", "LinearClassifier", "Binarizer")
# What follows the scores of a linear classifier.
FUNCTIONS = {"SOFTMAX": "Softmax", "LOGISTIC": "Sigmoid"}


def with_plain_operators(package: Any, proto: Any, outputs: Sequence[str] | None) -> Labels | None:
    """Replace the operators of a classifier or a regression in a graph.

    Returns
    -------
    list of str or int, optional
        The labels of the classes, in the order of the probabilities.
    """
    nodes = list(proto.graph.node)
    if not any(node.domain == DOMAIN for node in nodes):
        return None
    labels = next((found for node in nodes if (found := labels_of(package, proto.graph, node))), None)
    if outputs is None:
        drop_labels(proto)
    wanted = [value.name for value in proto.graph.output] if outputs is None else outputs
    rewriting = _Rewriting(package, proto.graph, wanted)
    for node in needed_for(nodes, wanted):
        rewriting.add(node)
    del proto.graph.node[:]
    proto.graph.node.extend(rewriting.nodes)
    return labels


def needed_for(nodes: Sequence[Any], wanted: Sequence[str]) -> list[Any]:
    """The nodes on which these values depend; all nodes if one of the values does not exist."""
    if not set(wanted) <= {name for node in nodes for name in node.output}:
        return list(nodes)
    read, found = set(wanted), []
    for node in reversed(nodes):
        if read.intersection(node.output):
            read.update(node.input)
            found.append(node)
    return found[::-1]


def drop_labels(proto: Any) -> None:
    """Remove labels from the outputs, if other outputs remain."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    labels = [place for place, value in enumerate(proto.graph.output) if is_label(makers, value.name)]
    if len(labels) < len(proto.graph.output):
        for place in reversed(labels):
            del proto.graph.output[place]


def is_label(makers: dict[str, Any], name: str) -> bool:
    """Whether a value is the label of each sample."""
    node = makers.get(name)
    while node is not None and node.op_type in KEEP_LABELS:
        name = node.input[0]
        node = makers.get(name)
    return node is not None and node.domain == DOMAIN and node.op_type in MAKE_LABELS and node.output[0] == name


def labels_of(package: Any, graph: Any, node: Any) -> Labels | None:
    """The labels that a node stores."""
    if node.domain != DOMAIN:
        return None
    if node.op_type == "ArrayFeatureExtractor":
        constant = next((one for one in graph.initializer if one.name == node.input[0]), None)
        found = [] if constant is None else package.numpy_helper.to_array(constant).ravel().tolist()
    else:
        names = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
        attributes = attributes_of(package, node)
        found = next((list(attributes[name]) for name in names if attributes.get(name)), [])
    return [one.decode(errors="replace") if isinstance(one, bytes) else one for one in found] or None


def attributes_of(package: Any, node: Any) -> dict[str, Any]:
    """The attributes of a node by name."""
    return {one.name: package.helper.get_attribute_value(one) for one in node.attribute}


class _Rewriting:
    """Nodes of a graph, in which known operators are replaced."""

    def __init__(self, package: Any, graph: Any, wanted: Sequence[str]) -> None:
        self.package, self.graph = package, graph
        self.nodes: list[Any] = []
        self.made_by: dict[str, str] = {}
        self.read = {name for node in needed_for(graph.node, wanted) for name in node.input}.union(wanted)
        self.rules: dict[str, Callable[[Any, dict[str, Any]], bool]] = {
            "ZipMap": self.zip_map,
            "LinearClassifier": self.classifier,
            "LinearRegressor": self.regressor,
            "Normalizer": self.normalizer,
        }

    def add(self, node: Any) -> None:
        """Add a node, or the nodes that replace it."""
        rule = self.rules.get(node.op_type) if node.domain == DOMAIN else None
        if rule is None or not rule(node, attributes_of(self.package, node)):
            self.nodes.append(node)
        for name in node.output:
            self.made_by.setdefault(name, node.op_type)

    def make(self, operator: str, inputs: Sequence[str], output: str, like: Any, **attributes: Any) -> str:
        """Add an operator, and return the name of its output."""
        made = self.package.helper.make_node(operator, inputs, [output], name=like.name, **attributes)
        self.nodes.append(made)
        self.made_by[output] = operator
        return output

    def constant(self, name: str, array: Any) -> str:
        """Add a constant, and return its name."""
        self.graph.initializer.append(self.package.numpy_helper.from_array(np.asarray(array), name))
        return name

    def zip_map(self, node: Any, attributes: dict[str, Any]) -> bool:
        """ZipMap makes dicts of an array: use the array."""
        for value in self.graph.output:
            if value.name == node.output[0]:
                value.CopyFrom(self.package.helper.make_tensor_value_info(value.name, 1, [None, None]))
        self.make("Identity", node.input[:1], node.output[0], node)
        return True

    def linear(self, node: Any, attributes: dict[str, Any], rows: int, output: str) -> bool:
        """Multiply by the coefficients, and add the intercepts."""
        kernel = np.asarray(attributes.get("coefficients", ()), np.float32)
        if rows < 1 or kernel.size == 0 or kernel.size % rows:
            return False
        bias = np.asarray(attributes.get("intercepts") or [0.0] * rows, np.float32)
        if bias.size != rows:
            return False
        weights = self.constant(f"{output}/coefficients", kernel.reshape(rows, -1).T)
        floats = self.make("Cast", node.input[:1], f"{output}/floats", node, to=self.package.TensorProto.FLOAT)
        products = self.make("MatMul", [floats, weights], f"{output}/products", node)
        self.make("Add", [products, self.constant(f"{output}/intercepts", bias)], output, node)
        return True

    def classifier(self, node: Any, attributes: dict[str, Any]) -> bool:
        """A linear classifier with coefficients for each class: its scores, and a function of them."""
        count = len(labels_of(self.package, self.graph, node) or [])
        transform = attributes.get("post_transform", b"NONE").decode(errors="replace")
        if node.output[0] in self.read or len(node.output) < 2 or transform not in (*FUNCTIONS, "NONE"):
            return False
        scores = node.output[1] if transform == "NONE" else f"{node.output[1]}/scores"
        if not self.linear(node, attributes, count, scores):
            return False
        if transform != "NONE":
            more = {"axis": 1} if transform == "SOFTMAX" else {}
            self.make(FUNCTIONS[transform], [scores], node.output[1], node, **more)
        return True

    def regressor(self, node: Any, attributes: dict[str, Any]) -> bool:
        """A linear regression."""
        plain = attributes.get("post_transform", b"NONE") == b"NONE"
        return plain and self.linear(node, attributes, attributes.get("targets", 1), node.output[0])

    def normalizer(self, node: Any, attributes: dict[str, Any]) -> bool:
        """Division of probabilities by their sum. After Softmax the sum is 1."""
        before = self.made_by.get(node.input[0])
        if attributes.get("norm") != b"L1" or before not in ("Softmax", "Sigmoid"):
            return False
        if before == "Softmax":
            self.make("Identity", node.input[:1], node.output[0], node)
            return True
        axes = self.constant(f"{node.output[0]}/axes", np.array([1]))
        total = self.make("ReduceSum", [node.input[0], axes], f"{node.output[0]}/sum", node, keepdims=1)
        self.make("Div", [node.input[0], total], node.output[0], node)
        return True
