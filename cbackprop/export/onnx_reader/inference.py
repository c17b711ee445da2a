"""Shapes and types of a graph's values, as ONNX infers them from those of the inputs."""

from __future__ import annotations

from typing import Any

__all__ = ["BATCH", "Shape", "inferred"]

# What stands in a shape for the size of the batch, where the graph leaves it open.
BATCH = "the batch"
# An axis is a number, the batch, or unknown.
Shape = tuple[int | str | None, ...]
# Constants of more numbers are no shapes: of them only the size is of interest.
LARGEST_SHAPE = 1024


def inferred(package: Any, proto: Any) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes of values, and ONNX's numbers of their types. What cannot be inferred is left out.

    What a file says of values on the way and of its outputs is not believed.

    Raises
    ------
    ValueError
        If values do not fit each other.
    """
    try:
        graph = package.shape_inference.infer_shapes(_skeleton(package, proto), data_prop=True).graph
    except Exception as error:  # ONNX's own
        raise ValueError(f"it is damaged: {str(error).strip()}") from error
    shapes: dict[str, Shape] = {}
    types: dict[str, int] = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        if not value.type.HasField("tensor_type"):
            continue
        tensor = value.type.tensor_type
        types[value.name] = tensor.elem_type
        if tensor.HasField("shape"):
            shapes[value.name] = tuple(_size(dim) for dim in tensor.shape.dim)
    for constant in proto.graph.initializer:
        types[constant.name] = constant.data_type
    return shapes, types


def _size(dim: Any) -> int | str | None:
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return BATCH if dim.dim_param == BATCH else None


def _skeleton(package: Any, proto: Any) -> Any:
    """The graph without large constants, and with one name for the first axis of all inputs that leave it open."""
    skeleton = package.ModelProto(ir_version=max(proto.ir_version, 4), opset_import=proto.opset_import)
    graph, whole = skeleton.graph, proto.graph
    graph.name = "skeleton"
    graph.node.extend(_known(package, node) for node in whole.node)
    constants = {tensor.name for tensor in whole.initializer}
    for value in whole.input:
        if value.name in constants:
            continue
        graph.input.append(value)
        for axis, dim in enumerate(graph.input[-1].type.tensor_type.shape.dim):
            if axis == 0 and dim.dim_value < 1:
                dim.dim_param = BATCH
            elif not dim.HasField("dim_value"):
                dim.ClearField("dim_param")
    for tensor in whole.initializer:
        if _count(tensor.dims) <= LARGEST_SHAPE:
            graph.initializer.append(tensor)
        else:
            graph.input.append(package.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for value in whole.output:
        graph.output.append(value)
        graph.output[-1].type.tensor_type.ClearField("shape")
    return skeleton


def _known(package: Any, node: Any) -> Any:
    """The node, or one with a result of the same shape and type, where ONNX does not say what they are."""
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
