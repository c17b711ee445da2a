"""Let ONNX infer the shapes and types of a graph's values from its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cbackprop.export.onnx_reader.input_axes import is_open
from cbackprop.export.onnx_reader.open_sizes import Size, simplest

__all__ = [
    "BATCH",
    "LARGEST_SHAPE",
    "Shape",
    "inferred",
    "inferred_of_loop",
    "inferred_of_node",
    "numbers_for",
]

# The size of the batch in a shape, if the graph does not fix it.
BATCH = "the batch"
# The size of an axis is a number, the batch, the name of another size that is open, a product, or unknown.
Shape = tuple[Size | None, ...]
# Constants with more numbers than this cannot be shapes; inference needs only their size.
LARGEST_SHAPE = 1024


def inferred(
    package: Any, proto: Any, batch_axes: dict[str, int] | None = None
) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes of values, and ONNX's numbers of their types, where they can be inferred.

    `batch_axes` are the axes of the batch in inputs where it is not the first. Shapes that the file gives for
    intermediate values and outputs are not used, because they may be wrong.

    Raises
    ------
    ValueError
        If shapes or types contradict each other.
    """
    skeleton, names = _skeleton(package, proto, batch_axes or {})
    try:
        shapes, types = _values(package, skeleton, names)
    except Exception as error:  # ONNX raises its own errors
        raise ValueError(f"it is damaged: {str(error).strip()}") from error
    for constant in proto.graph.initializer:
        types[constant.name] = constant.data_type
    return shapes, types


def _values(package: Any, skeleton: Any, names: set[str]) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes and types of the values of a graph. `names` are those of open sizes."""
    graph = package.shape_inference.infer_shapes(skeleton, data_prop=True).graph
    shapes: dict[str, Shape] = {}
    types: dict[str, int] = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        if not value.type.HasField("tensor_type"):
            continue
        tensor = value.type.tensor_type
        types[value.name] = tensor.elem_type
        if tensor.HasField("shape"):
            shapes[value.name] = tuple(_size(dim, names) for dim in tensor.shape.dim)
    return shapes, types


def numbers_for(names: Iterable[str]) -> list[dict[str, int]]:
    """Two numbers for each open size. All are different primes, so a product shows its factors."""
    found = [candidate for candidate in range(251, 20_000) if all(candidate % by for by in range(2, 142))]
    return [dict(zip(names, found[run::2], strict=False)) for run in (0, 1)]


def inferred_of_node(
    package: Any, node: Any, opset: int, types: Mapping[str, int], values: Sequence[Any], numbers: Sequence[Any]
) -> dict[str, Shape]:
    """Shapes of one node's outputs, found by inference with two numbers for each open size; empty if that fails.

    ONNX cannot infer a shape from symbols behind operators that compute with sizes, such as Reshape to (-1, 6, 8). With
    numbers it can.

    Parameters
    ----------
    package : module
    node : NodeProto
    opset : int
    types : dict of str to int
        Of the inputs.
    values : sequence of two dict
        The inputs: small constants as arrays, and the shapes of other values.
    numbers : sequence of two dict
        What stands for the open sizes, as `numbers_for` returns it.
    """
    if node.domain not in ("", "ai.onnx") or not package.defs.has(node.op_type, opset, ""):
        return {}
    try:
        first, second = (_outputs(package, node, opset, types, known) for known in values)
    except Exception:  # the node is invalid for these numbers
        return {}
    return {
        name: tuple(_of_two(pair, numbers) for pair in zip(shape, second[name], strict=True))
        for name, shape in first.items()
        if len(second.get(name, ())) == len(shape) > 0
    }


def inferred_of_loop(node: Any, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Shapes of the outputs of a Scan over axis 1, as its own graph says that those of a step are.

    Empty for other loops, and where that is not known.
    """
    known = {attribute.name: attribute for attribute in node.attribute}
    count = known["num_scan_inputs"].i
    sequence = shapes.get(node.input[-count], ()) if 1 <= count <= len(node.input) else ()
    if len(sequence) < 2 or None in sequence[:2]:
        return {}
    states, found = len(node.input) - count, {}
    for number, (name, value) in enumerate(zip(node.output, known["body"].g.output, strict=False)):
        sizes = [dim.dim_value or None for dim in value.type.tensor_type.shape.dim][1:]
        found[name] = (*sequence[: 1 if number < states else 2], *sizes)
    return {name: shape for name, shape in found.items() if name}


def _outputs(package: Any, node: Any, opset: int, types: Mapping[str, int], known: Mapping[str, Any]) -> Any:
    """The shapes of the outputs of a node."""
    helper = package.helper
    arrays = {name: package.numpy_helper.from_array(v, name) for name, v in known.items() if not isinstance(v, tuple)}
    shapes = {name: v if isinstance(v, tuple) else v.shape for name, v in known.items()}
    kinds = {name: helper.make_tensor_type_proto(types[name], shape) for name, shape in shapes.items()}
    opsets = [helper.make_opsetid("", opset)]
    schema = package.defs.get_schema(node.op_type, opset, "")
    made = package.shape_inference.infer_node_outputs(schema, node, kinds, arrays, opset_imports=opsets)
    found = {name: kind.tensor_type.shape for name, kind in made.items() if kind.tensor_type.HasField("shape")}
    return {
        name: [dim.dim_value if dim.HasField("dim_value") else None for dim in shape.dim]
        for name, shape in found.items()
    }


def _of_two(pair: Sequence[Any], numbers: Sequence[Mapping[str, int]]) -> Size | None:
    """The size that has these values for the two numbers of each open size."""
    if None in pair:
        return None
    if pair[0] == pair[1]:
        return int(pair[0])
    factors = [_taken_apart(int(size), known) for size, known in zip(pair, numbers, strict=True)]
    return simplest(*factors[0]) if factors[0] == factors[1] else None


def _taken_apart(size: int, numbers: Mapping[str, int]) -> tuple[int, list[str]]:
    """Factor a size into the numbers of open sizes: the rest, and their names."""
    names = []
    for name, number in numbers.items():
        while size and size % number == 0:
            size //= number
            names.append(name)
    return size, names


def _size(dim: Any, names: set[str]) -> int | str | None:
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return str(dim.dim_param) if dim.dim_param in names else None


def _skeleton(package: Any, proto: Any, batch_axes: dict[str, int]) -> tuple[Any, set[str]]:
    """The graph without large constants, and with the same name for the batch axis of all inputs.

    Returns
    -------
    skeleton : ModelProto
    names : set of str
        Those of sizes that the inputs leave open.
    """
    skeleton = package.ModelProto(ir_version=max(proto.ir_version, 4), opset_import=proto.opset_import)
    graph, whole = skeleton.graph, proto.graph
    graph.name = "skeleton"
    graph.node.extend(_known(package, node) for node in whole.node)
    constants = {tensor.name for tensor in whole.initializer}
    names = {BATCH}
    for value in whole.input:
        if value.name in constants:
            continue
        graph.input.append(value)
        batch = batch_axes.get(value.name, 0)
        for axis, dim in enumerate(graph.input[-1].type.tensor_type.shape.dim):
            if axis == batch and dim.dim_value < 1:
                dim.dim_param = BATCH
            elif is_open(dim):
                dim.dim_param = f"size {dim.dim_param or (value.name, axis)}"
                names.add(dim.dim_param)
    for tensor in whole.initializer:
        if _count(tensor.dims) <= LARGEST_SHAPE:
            graph.initializer.append(tensor)
        else:
            graph.input.append(package.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for value in whole.output:
        graph.output.append(value)
        graph.output[-1].type.tensor_type.ClearField("shape")
    return skeleton, names


def _known(package: Any, node: Any) -> Any:
    """The node, or an equivalent one for shape inference if ONNX cannot infer this operator."""
    if (node.domain, node.op_type) == ("ai.onnx.ml", "Scaler"):
        return package.helper.make_node("Cast", node.input, node.output, to=package.TensorProto.FLOAT)
    if node.op_type == "GroupNormalization" and node.input:
        return package.helper.make_node("Identity", node.input[:1], node.output[:1])
    return node


def _count(dims: Any) -> int:
    count = 1
    for size in dims:
        count *= size
    return count
