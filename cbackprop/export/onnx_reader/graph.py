"""Read an ONNX graph: which node makes each value, and which values are constants."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.export.onnx_reader.folding import FOLDED, FoldingError
from cbackprop.export.onnx_reader.inference import (
    BATCH,
    LARGEST_SHAPE,
    inferred,
    inferred_of_loop,
    inferred_of_node,
    numbers_for,
)
from cbackprop.export.onnx_reader.input_axes import batch_axes
from cbackprop.export.onnx_reader.open_sizes import terms
from cbackprop.export.onnx_reader.sizes import Sizes, computed, of_shape

__all__ = ["Node", "ReadGraph"]

Array = NDArray[Any]
# Operators that can make a constant of any size.
FILL = ("Expand", "ConstantOfShape")


@dataclass(eq=False)
class Node:
    """An operator with its inputs and outputs (names; ``""`` for inputs that are left out) and its attributes.

    Attributes that are not in the file have their default values. If `copies`, the output is the same as the input.
    """

    package: Any
    operator: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    copies: bool = False
    problem: str = ""  # why it cannot be read
    written: str = ""  # the file's operator, if this one replaces it

    def attribute(self, name: str) -> Any:
        """The value of an attribute; ``None`` if it has none."""
        return self.attributes.get(name, self.defaults.get(name))

    @property
    def label(self) -> str:
        """The node's name in messages."""
        return f"{self.written or self.operator} {self.name!r}"


class ReadGraph:
    """The nodes and constants of a graph.

    Parameters
    ----------
    package : module
        The package onnx.
    proto : ModelProto
        The file's content, checked by ONNX.

    Attributes
    ----------
    inputs, outputs : list of str
    batch : int or None
        The size of the batch if the graph fixes it.
    open_sizes : list of str
        The names of sizes that the inputs leave open, that of the batch first.
    nodes : list of Node
        In an order in which they can be computed.
    makers : dict of str to Node
        The nodes by the names of their outputs.
    constants : dict of str to ndarray
    repeated : dict of str to int
        Constants that the file repeats for each sample. They have an axis of length 1 for that; its number.
    sizes : dict of str to Sizes
        Values computed from shapes that depend on the size of the batch, or on another open size.
    batch_axes : dict of str to int
        The axis of the batch in each input.
    shapes : dict of str to tuple
        The shapes of values, if they can be inferred.
    types : dict of str to int
        The types of values, as ONNX's numbers.
    """

    def __init__(self, package: Any, proto: Any) -> None:
        self.package = package
        self.outputs = [value.name for value in proto.graph.output]
        self.batch_axes = batch_axes(proto)
        self.shapes, self.types = inferred(package, proto, self.batch_axes)
        self.sizes: dict[str, Sizes] = {}
        self.repeated: dict[str, int] = {}
        self._unfolded: dict[str, str] = {}  # why an operator on constants was not computed
        self.opset = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
        self.constants: dict[str, Array] = {}
        for tensor in proto.graph.initializer:
            if tensor.data_type == package.TensorProto.STRING:
                self._unfolded[tensor.name] = "it holds texts"
            else:
                self.constants[tensor.name] = self._array(tensor)
        known = {tensor.name for tensor in proto.graph.initializer}
        self.inputs = [value.name for value in proto.graph.input if value.name not in known]
        self.batch = next((size for size in map(self._batch_of, self.inputs) if size is not None), None)
        found = [size for name in self.inputs for size in self.shapes.get(name, ()) if isinstance(size, str)]
        self.open_sizes = list(dict.fromkeys([BATCH, *found]))
        self._numbers = numbers_for(self.open_sizes)
        self.nodes = [self._node(index, node) for index, node in enumerate(proto.graph.node)]
        self.bypass_copies()
        self.makers = {name: node for node in self.nodes for name in node.outputs if name}
        for node, written in zip(self.nodes, proto.graph.node, strict=True):
            self._complete(written)
            self._fold(node)

    def _batch_of(self, name: str) -> int | None:
        """The size of the batch in an input; ``None`` if it is open."""
        shape, axis = self.shapes.get(name, ()), self.batch_axes[name]
        size = shape[axis] if axis < len(shape) else None
        return size if isinstance(size, int) else None

    def _complete(self, written: Any) -> None:
        """Infer the shapes of a node's outputs from its inputs, if inference over the whole graph could not."""
        if all(None not in self.shapes.get(name, (None,)) for name in written.output if name):
            return
        if written.op_type == "Scan":
            self.shapes |= inferred_of_loop(written, self.shapes)
            return
        known: list[dict[str, Any]] = [{}, {}]
        for name in filter(None, written.input):
            for values, numbers in zip(known, self._numbers, strict=True):
                value = self._for_inference(name, numbers)
                if value is None or name not in self.types:
                    return
                values[name] = value
        types = {name: self.types[name] for name in known[0]}
        self.shapes |= inferred_of_node(self.package, written, self.opset, types, known, self._numbers)

    def _for_inference(self, name: str, numbers: dict[str, int]) -> Any:
        """A small constant, or a value's shape with these numbers for open sizes; ``None`` if unknown."""
        if name in self.sizes:
            return self.sizes[name].for_sizes(numbers)
        if name in self.repeated:
            shape = list(self.constants[name].shape)
            shape[self.repeated[name]] *= numbers[BATCH]
            return tuple(shape)
        if name in self.constants:
            array = self.constants[name]
            return array if array.size <= LARGEST_SHAPE else array.shape
        known = self.shapes.get(name, (None,))
        if None in known:
            return None
        parts = [terms(size) for size in known if size is not None]
        return tuple(part.factor * math.prod(numbers[one] for one in part.names) for part in parts)

    def _array(self, tensor: Any) -> Array:
        try:
            array = self.package.numpy_helper.to_array(tensor)
        except Exception as error:  # NumPy can raise anything if sizes are wrong
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
            axes = attributes.pop("axes", None)  # an attribute in older operator sets, now an input
            if axes is not None:
                inputs.append(f"{name}/axes/{index}")
                self.constants[inputs[-1]] = np.asarray(axes, np.int64)
        return Node(self.package, operator, name, inputs, list(proto.output), attributes, defaults)

    def bypass_copies(self) -> None:
        """Remove nodes that only copy a value, or cast it to its own type or to longer integers.

        Converters leave such nodes between operators that form one layer, such as a product and its bias.
        """
        sources: dict[str, str] = {}
        kinds = self.package.TensorProto
        copies = {(kind, kind) for kind in kinds.DataType.values()} | {(kinds.INT32, kinds.INT64)}
        for node in self.nodes:
            node.inputs = [sources.get(name, name) for name in node.inputs]
            if node.inputs and (
                node.copies
                or node.operator == "Identity"
                or (node.operator == "Cast" and (self.types.get(node.inputs[0]), node.attribute("to")) in copies)
            ):
                sources[node.outputs[0]] = node.inputs[0]

    # Constants

    def new_constant(self, name: str, array: Array) -> str:
        """Add a constant under a unique name that begins with `name`; return the name."""
        number = 0
        while (found := f"{name}/{number}") in self.constants:
            number += 1
        self.constants[found] = array
        self.types[found] = self.package.helper.np_dtype_to_tensor_dtype(array.dtype)
        return found

    def constant_input(self, node: Node, position: int) -> Array:
        """A constant input of a node.

        Raises
        ------
        ValueError
            If it is not constant.
        """
        name = node.inputs[position]
        if name not in self.constants:
            raise ValueError(f"its input {name!r} is not constant")
        return self.constants[name]

    def is_constant(self, name: str) -> bool:
        """Whether a value does not depend on the inputs."""
        return name in self.constants

    def scalar(self, name: str) -> float | None:
        """The value of a constant with one number, else ``None``. For float32, the shortest decimal that rounds to it.

        The number may be repeated in the shape of samples.
        """
        array = self.constants.get(name)
        if array is not None and name in self.repeated and (array == array.ravel()[:1]).all():
            array = array.ravel()[:1]
        if array is None or array.size != 1:
            return None
        return float(str(array.reshape(())[()])) if array.dtype == np.float32 else float(array.reshape(()))

    def rank(self, name: str) -> int | None:
        """The number of axes of a value, if it is known."""
        return len(self.shapes[name]) if name in self.shapes else None

    def sample(self, name: str) -> tuple[int, ...] | None:
        """The shape of a sample of a value, if it is known."""
        shape = self.shapes.get(name, (None, None))[1:]
        sizes = tuple(size for size in shape if isinstance(size, int))
        return sizes if len(sizes) == len(shape) else None

    def is_float(self, name: str) -> bool:
        """Whether a value is known to be of a float type."""
        kinds = self.package.TensorProto
        return self.types.get(name) in (kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.BFLOAT16)

    def is_computed(self, name: str) -> bool:
        """Whether a value is computed from constants and shapes but is not a constant."""
        return name in self.sizes or name in self._unfolded

    def why_unknown(self, name: str) -> str:
        """Text for a message: why a value is neither a constant nor dependent on the data."""
        if name in self.sizes:
            return f"its input {name!r} depends on the size of the batch"
        if name in self._unfolded:
            return f"its input {name!r} cannot be computed: {self._unfolded[name]}"
        return f"its input {name!r} does not depend on the inputs of the graph"

    def _fold(self, node: Node) -> None:
        """Compute a node whose inputs are constants or shapes."""
        if node.operator == "Constant":
            self.constants[node.outputs[0]] = self._constant(node)
            return
        if node.operator == "Shape" and node.inputs:
            shape = self.shapes.get(node.inputs[0], (None,))
            found = of_shape(shape, node.attribute("start") or 0, node.attribute("end"))
            if found is None:
                self._unfolded[node.outputs[0]] = f"{node.label}: the shape of {node.inputs[0]!r} is not known"
            self._keep(node, found)
            return
        if node.operator == "Where":
            self._choose(node)
        names = node.inputs
        if not any(names) or not all(not name or self.is_constant(name) or self.is_computed(name) for name in names):
            return
        if (unknown := next((name for name in names if name in self._unfolded), "")) and node.operator in FOLDED:
            self._unfolded |= dict.fromkeys(node.outputs, self._unfolded[unknown])
            return
        try:
            self._keep(node, self._computed(node, names))
        except (ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
            self._unfolded[node.outputs[0]] = f"{node.label}: {error}"

    def _computed(self, node: Node, names: list[str]) -> Sizes | Array | list[Array] | None:
        with np.errstate(all="ignore"):
            if any(name in self.repeated for name in names):
                return self._repeated(node, names)
            if any(name in self.sizes for name in names):
                values = [self.sizes[name] if name in self.sizes else self.constants.get(name) for name in names]
                try:
                    return computed(node, [value for value in values if value is not None])
                except FoldingError:
                    if node.operator not in FILL:
                        raise
                    return self._repeated(node, names)
            compute = FOLDED.get(node.operator)
            if compute is None:
                return None
            made = compute(node, *(self.constants[name] if name else None for name in names))
            return made if isinstance(made, list) else np.asarray(made)

    def _repeated(self, node: Node, names: list[str]) -> Array | None:
        """Compute a node for batches of 1 and 2 samples. If both samples have the same numbers, keep those of one.

        Raises
        ------
        FoldingError
            If samples differ.
        """
        compute = FOLDED.get(node.operator)
        if compute is None:
            return None
        one, two = (
            np.asarray(compute(node, *(self._for_batch(name, size) if name else None for name in names)))
            for size in (1, 2)
        )
        if one.shape == two.shape and np.array_equal(one, two):
            return one
        longer = [axis for axis, (a, b) in enumerate(zip(one.shape, two.shape, strict=False)) if a != b]
        if one.ndim != two.ndim or len(longer) != 1 or not np.allclose(two, one, rtol=1e-6, atol=0):
            raise FoldingError("it computes with the size of the batch")
        self.repeated[node.outputs[0]] = longer[0]
        return one

    def _for_batch(self, name: str, size: int) -> Array:
        """A constant, or sizes, for batches of this size."""
        if name in self.repeated:
            return np.repeat(self.constants[name], size, self.repeated[name])
        found = self.sizes[name].for_batch(size) if name in self.sizes else self.constants[name]
        if found is None:
            raise FoldingError("it computes with sizes that the graph leaves open")
        return found

    def _choose(self, node: Node) -> None:
        """Turn a Where whose condition is the same for all elements into a copy."""
        condition = self.constants.get(node.inputs[0])
        if condition is None or condition.size != 1:
            return
        value = node.inputs[1 if condition.all() else 2]
        shape = self.shapes.get(value)
        if shape is not None and None not in shape and shape == self.shapes.get(node.outputs[0]):
            node.operator, node.inputs = "Identity", [value]

    def for_sizes(self, name: str, numbers: dict[str, int]) -> Array:
        """A value computed from constants and shapes, for these sizes of the open axes.

        Raises
        ------
        FoldingError
            If it cannot be computed.
        """
        if name in self.sizes:
            return self.sizes[name].for_sizes(numbers)
        if name in self.constants and name not in self.repeated:
            return self.constants[name]
        node = self.makers.get(name)
        compute = None if node is None else FOLDED.get(node.operator)
        if node is None or compute is None or len(node.outputs) > 1:
            raise FoldingError(self.why_unknown(name))
        with np.errstate(all="ignore"):
            return np.asarray(compute(node, *(self.for_sizes(one, numbers) if one else None for one in node.inputs)))

    def _keep(self, node: Node, value: Sizes | Array | list[Array] | None) -> None:
        if isinstance(value, list):  # of a node with several outputs
            self.constants |= zip(node.outputs, value, strict=True)
        elif isinstance(value, Sizes):
            self.sizes[node.outputs[0]] = value
        elif value is not None:
            self.constants[node.outputs[0]] = value

    def without_batch(self, node: Node) -> None:
        """Replace open sizes in the shapes given to Reshape and Expand by ONNX's codes for "keep" and "infer"."""
        if node.operator not in ("Reshape", "Expand"):
            return
        sizes = self.sizes.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if sizes is None or sizes.constant.ndim != 1 or (node.attribute("allowzero") and 0 in sizes.as_list()):
            return
        # Reshape: 0 keeps an axis, -1 is inferred. Expand: 1 keeps an axis as it is.
        shape = sizes.as_shape(*((0, -1) if node.operator == "Reshape" else (1, 1)))
        if shape is not None:
            name = f"{node.inputs[1]}/{node.operator}"
            self.constants[name] = shape
            node.inputs = [node.inputs[0], name]
            node.attributes.pop("allowzero", None)

    def _constant(self, node: Node) -> Array:
        for name, value in node.attributes.items():
            if name == "value":
                return self._array(value)
            if name in ("value_float", "value_floats"):
                return np.asarray(value, np.float32)
            if name in ("value_int", "value_ints"):
                return np.asarray(value, np.int64)
        raise ValueError(f"{node.label} holds no numbers.")
