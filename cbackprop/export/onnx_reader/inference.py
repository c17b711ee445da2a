"""Infer shapes and types of a graph's values from those of its inputs, by ONNX."""

from __future__ import annotations

from typing import Any

from cbackprop.export.onnx_reader.input_axes import is_open

__all__ = ["BATCH", "Shape", "inferred"]

# Stands for the size of the batch in a shape, if the graph does not fix it.
BATCH = "the batch"
# The size of an axis is a number, the batch, the name of another size that the graph leaves open, or unknown.
Shape = tuple[int | str | None, ...]
# Constants with more numbers than this are not shapes; inference needs only their size.
LARGEST_SHAPE = 1024
# Sizes of batches for which shapes are inferred if the symbol for it gets lost.
BATCH_SIZES = (251, 257)


def inferred(
    package: Any, proto: Any, batch_axes: dict[str, int] | None = None
) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes of values, and ONNX's numbers of their types, if they can be inferred.

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
    outputs = [name for node in skeleton.graph.node for name in node.output if name]
    if any(_is_lost(shapes.get(name)) for name in outputs):
        shapes |= _followed(package, skeleton, shapes, names)
    for constant in proto.graph.initializer:
        types[constant.name] = constant.data_type
    return shapes, types


def _is_lost(shape: Shape | None) -> bool:
    """Whether it is not known which axis of a value is that of the batch."""
    return shape is None or (None in shape and BATCH not in shape)


def _values(package: Any, skeleton: Any, names: set[str]) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes and types of the values of a graph in which open sizes have these names."""
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


def _followed(package: Any, skeleton: Any, shapes: dict[str, Shape], names: set[str]) -> dict[str, Shape]:
    """Shapes of values of which the axis of the batch is lost, from those for batches of two sizes.

    A symbol does not pass an operator that computes with sizes, such as Reshape to (-1, 6, 8). Numbers do.
    """
    found = []
    for size in BATCH_SIZES:
        fixed = package.ModelProto()
        fixed.CopyFrom(skeleton)
        for value in fixed.graph.input:
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param == BATCH:
                    dim.dim_value = size
        try:
            found.append(_values(package, fixed, names)[0])
        except Exception:  # for a batch of this size it is no graph
            return {}
    return {
        name: tuple(_of_two(a, b) for a, b in zip(first, found[1][name], strict=True))
        for name, first in found[0].items()
        if _is_lost(shapes.get(name)) and len(found[1].get(name, ())) == len(first) > 0
    }


def _of_two(first: Any, second: Any) -> int | str | None:
    """A size of which these are known for both batches."""
    if (first, second) == BATCH_SIZES:
        return BATCH
    return first if first == second else None


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
