"""An ONNX graph as it is read: who makes which value, and which values are constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Node", "ReadGraph"]

Array = NDArray[Any]


@dataclass(eq=False)
class Node:
    """An operator: its name, the names of its inputs (``""`` where one is left out) and outputs, its attributes.

    Attributes that are not in the file have their defaults.
    """

    operator: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)

    def attribute(self, name: str) -> Any:
        """An attribute's value; ``None`` if it has none."""
        return self.attributes.get(name, self.defaults.get(name))

    @property
    def label(self) -> str:
        """How a message calls the node."""
        return f"{self.operator} {self.name!r}"


class ReadGraph:
    """The nodes and constants of a graph.

    Parameters
    ----------
    package : module
        The package onnx.
    proto : ModelProto
        Checked by ONNX.

    Attributes
    ----------
    nodes : list of Node
        In an order in which they can be computed.
    makers : dict of str to Node
        By the names of their outputs.
    constants : dict of str to ndarray
    """

    def __init__(self, package: Any, proto: Any) -> None:
        self.package = package
        self._shapes, types = _inferred(package, proto)
        # Constants that come from shapes, in which 0 stands for the size of the batch, as it does for Reshape.
        self._from_shapes: set[str] = set()
        self.opset = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
        self.constants: dict[str, Array] = {}
        for tensor in proto.graph.initializer:
            self.constants[tensor.name] = self._array(tensor)
        self.nodes = [self._node(index, node) for index, node in enumerate(proto.graph.node)]
        self._skip_copies(types)
        self.makers = {name: node for node in self.nodes for name in node.outputs if name}
        for node in self.nodes:
            self._fold(node)

    def _array(self, tensor: Any) -> Array:
        try:
            array = self.package.numpy_helper.to_array(tensor)
        except Exception as error:  # whatever NumPy says to sizes that do not fit
            raise ValueError(f"constant {tensor.name!r} is damaged: {error}") from error
        if array.dtype.kind not in "fiub":
            raise ValueError(f"constant {tensor.name!r} holds {array.dtype}, but only real numbers are read.")
        return array

    def _node(self, index: int, proto: Any) -> Node:
        helper = self.package.helper
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in proto.attribute}
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        operator = f"{domain}::{proto.op_type}" if domain else proto.op_type
        defaults: dict[str, Any] = {}
        if not domain and self.package.defs.has(proto.op_type, self.opset, ""):
            schema = self.package.defs.get_schema(proto.op_type, self.opset, "")
            for name, entry in schema.attributes.items():
                if entry.default_value.type:
                    defaults[name] = helper.get_attribute_value(entry.default_value)
        name = proto.name or next(filter(None, proto.output), f"{proto.op_type}_{index}")
        inputs = list(proto.input)
        while inputs and not inputs[-1]:  # left out
            inputs.pop()
        if operator.startswith("Reduce") or operator in ("Squeeze", "Unsqueeze"):
            axes = attributes.pop("axes", None)  # of older operator sets, which have no such input
            if axes is not None:
                inputs.append(f"{name}/axes/{index}")
                self.constants[inputs[-1]] = np.asarray(axes, np.int64)
        return Node(operator, name, inputs, list(proto.output), attributes, defaults)

    def _skip_copies(self, types: dict[str, int]) -> None:
        """Let nodes read what is copied, or cast to the type that it has, instead of the copy.

        Converters leave such nodes between those that are one layer together, such as a product and its bias.
        """
        sources: dict[str, str] = {}
        for node in self.nodes:
            node.inputs = [sources.get(name, name) for name in node.inputs]
            if node.inputs and (
                node.operator == "Identity"
                or (node.operator == "Cast" and types.get(node.inputs[0]) == node.attribute("to"))
            ):
                sources[node.outputs[0]] = node.inputs[0]

    # Constants

    def is_constant(self, name: str) -> bool:
        """Whether a value does not depend on the inputs."""
        return name in self.constants

    def scalar(self, name: str) -> float | None:
        """The number that a constant holds, if it is one; of float32 the shortest decimal that is stored so."""
        array = self.constants.get(name)
        if array is None or array.size != 1:
            return None
        return float(str(array.reshape(())[()])) if array.dtype == np.float32 else float(array.reshape(()))

    def _fold(self, node: Node) -> None:
        """Compute a node of constants, if that takes no more than moving them."""
        if node.operator == "Constant":
            self.constants[node.outputs[0]] = self._constant(node)
            return
        whole = not node.attribute("start") and node.attribute("end") is None
        if node.operator == "Shape" and whole and node.inputs[0] in self._shapes:
            self.constants[node.outputs[0]] = self._shapes[node.inputs[0]]
            self._from_shapes.add(node.outputs[0])
            return
        compute = FOLDED.get(node.operator)
        if compute is None or not node.inputs or not all(name in self.constants for name in node.inputs if name):
            return
        inputs = [self.constants[name] for name in node.inputs if name]
        if self._from_shapes.intersection(node.inputs):
            if node.operator not in MOVES:
                return
            self._from_shapes.add(node.outputs[0])
        try:
            with np.errstate(all="ignore"):
                self.constants[node.outputs[0]] = np.asarray(compute(node, *inputs))
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise ValueError(f"{node.label} cannot be computed: {error}") from error

    def _constant(self, node: Node) -> Array:
        for name, value in node.attributes.items():
            if name == "value":
                return self._array(value)
            if name in ("value_float", "value_floats"):
                return np.asarray(value, np.float32)
            if name in ("value_int", "value_ints"):
                return np.asarray(value, np.int64)
        raise ValueError(f"{node.label} holds no numbers.")


def _inferred(package: Any, proto: Any) -> tuple[dict[str, Array], dict[str, int]]:
    """Shapes of values, with 0 for the batch, and ONNX's numbers of their types, for graphs that compute with them."""
    if not any(node.op_type in ("Shape", "Cast") for node in proto.graph.node):
        return {}, {}
    try:
        graph = package.shape_inference.infer_shapes(proto).graph
    except Exception as error:  # ONNX's own
        raise ValueError(f"it is damaged: {str(error).strip()}") from error
    shapes: dict[str, Array] = {}
    types: dict[str, int] = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        types[value.name] = value.type.tensor_type.elem_type
        sizes = [int(dim.dim_value) for dim in value.type.tensor_type.shape.dim]
        if sizes and all(size > 0 for size in sizes[1:]):
            shapes[value.name] = np.array([0, *sizes[1:]])
    return shapes, types


def _axes(rest: tuple[Array, ...]) -> tuple[int, ...] | None:
    """Axes that are an input which may be left out."""
    return tuple(int(axis) for axis in rest[0].ravel()) if rest else None


def _reshaped(node: Node, array: Array, shape: Array) -> Array:
    sizes = [int(size) for size in shape.ravel()]
    if not node.attribute("allowzero"):
        sizes = [array.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return array.reshape(sizes)


def _small(function: Callable[..., Any]) -> Callable[..., Any]:
    """Elementwise arithmetic, whose result is not larger than an operand."""

    def compute(node: Node, *arrays: Array) -> Any:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        if np.prod(shape, dtype=object) > max(array.size for array in arrays):
            raise ValueError(f"constants of shapes {[array.shape for array in arrays]} would grow.")
        return function(*arrays).astype(arrays[0].dtype)

    return compute


# Operators that may be applied to shapes.
MOVES = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Concat", "Gather", "Slice")
# What may be computed of constants: nothing whose result is larger than what the file holds.
FOLDED: dict[str, Callable[..., Any]] = {
    "Identity": lambda node, array: array,
    "Cast": lambda node, array: array if array.dtype.kind == "f" else array.astype(np.int64),
    "Transpose": lambda node, array: array.transpose(node.attribute("perm")),
    "Reshape": _reshaped,
    "Flatten": lambda node, array: array.reshape(int(np.prod(array.shape[: node.attribute("axis")])), -1),
    "Squeeze": lambda node, array, *rest: np.squeeze(array, _axes(rest)),
    "Unsqueeze": lambda node, array, *rest: np.expand_dims(array, _axes(rest) or ()),
    "Concat": lambda node, *arrays: np.concatenate(arrays, node.attribute("axis")),
    "Gather": lambda node, array, indices: _taken(node, array, indices),
    "Slice": lambda node, array, *rest: _sliced(array, *rest),
    "Neg": _small(np.negative),
    "Sqrt": _small(np.sqrt),
    "Add": _small(np.add),
    "Sub": _small(np.subtract),
    "Mul": _small(np.multiply),
    "Div": _small(np.divide),
}


def _taken(node: Node, array: Array, indices: Array) -> Array:
    if indices.size > array.size:
        raise ValueError("more numbers would be taken than there are.")
    return np.take(array, indices, node.attribute("axis"))


def _sliced(array: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None) -> Array:
    if array.ndim != 1 or any(part is not None and part.size != 1 for part in (starts, ends, axes, steps)):
        raise ValueError("only vectors of constants are cut.")
    return array[int(starts.item()) : int(ends.item()) : 1 if steps is None else int(steps.item())]
