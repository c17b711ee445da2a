"""Find the batch axis of each input of a graph."""

from __future__ import annotations

from typing import Any

__all__ = ["DATA_AT", "RECURRENT", "batch_axes", "is_open"]

# The batch axis of the inputs of recurrent operators, by their attribute `layout`.
DATA_AT = {False: (1, None, None, None, 0, 1, 1), True: (0, None, None, None, 0, 0, 0)}
RECURRENT = ("RNN", "GRU", "LSTM")
# Operators whose output has the axes of their first input.
KEEP_AXES = """
    Identity Cast Dropout Relu Tanh Sigmoid LeakyRelu Elu Selu Gelu Softplus Clip Erf Neg Add Sub Mul Div Where
    MatMul LayerNormalization Softmax Slice Concat Split
    """.split()  # noqa: SIM905


def batch_axes(proto: Any) -> dict[str, int]:
    """The batch axis of each input of a graph.

    If an input leads to a recurrent operator, that operator decides. Else it is the first axis of open size, or the
    first axis if all sizes are fixed.
    """
    graph = proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    makers = {name: node for node in graph.node if node.op_type != "Constant" for name in node.output}
    found: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in RECURRENT:
            layout = any(attribute.name == "layout" and attribute.i for attribute in node.attribute)
            for name, axis in zip(node.input, DATA_AT[layout], strict=False):
                start, at = (name, None) if axis is None else _start(makers, inputs, name, axis)
                if at is not None and start in inputs:
                    found.setdefault(start, at)
    return {name: found.get(name, _first_open(value)) for name, value in inputs.items()}


def _first_open(value: Any) -> int:
    """The first axis of open size; 0 if there is none."""
    open_axes = [axis for axis, dim in enumerate(value.type.tensor_type.shape.dim) if is_open(dim)]
    return open_axes[0] if open_axes else 0


def is_open(dim: Any) -> bool:
    """Whether a file leaves a size open."""
    return not dim.HasField("dim_value") or dim.dim_value < 0


def _start(makers: Any, inputs: Any, name: str, axis: int) -> tuple[str, int | None]:
    """Follow a value and one of its axes back to where it comes from; the axis is ``None`` if it gets lost."""
    while name in makers:
        node = makers[name]
        data = [source for source in node.input if source in makers or source in inputs]
        if not data:
            return name, None
        if node.op_type == "Transpose":
            order = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), [])
            if axis >= len(order):
                return name, None
            axis = order[axis]
        elif node.op_type not in KEEP_AXES and not (node.op_type == "Gather" and data[0] == node.input[1]):
            return name, None
        name = data[0]
    return name, axis
