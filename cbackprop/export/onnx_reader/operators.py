"""Read operators that rearrange or combine values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop import activations, layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_reader.builder import (
    Builder,
    UnreadableError,
    fitting,
    positive,
    reads,
    recognizes,
    sample_shape,
)
from cbackprop.export.onnx_reader.graph import Array, Node
from cbackprop.export.onnx_reader.parts import stretched
from cbackprop.tensor import KerasTensor, output_dtype

MERGES = {
    "Add": layers.Add,
    "Sub": layers.Subtract,
    "Mul": layers.Multiply,
    "Div": layers.TrueDivide,
    "Pow": layers.Power,
    "Max": layers.Maximum,
    "Min": layers.Minimum,
    "Sum": layers.Add,
    "Mean": layers.Average,
}


@reads("Identity")
def identity(builder: Builder, node: Node) -> KerasTensor:
    """The value itself."""
    return builder.tensor(node.inputs[0])


@reads("Cast")
def cast(builder: Builder, node: Node) -> KerasTensor:
    """The value in the model's float type. A cast to integers is read only if the numbers are whole."""
    kinds, (source,) = builder.graph.package.TensorProto, node.inputs
    x, target, given = builder.tensor(source), node.attribute("to"), builder.graph.types.get(source)
    if given is None or target not in (kinds.FLOAT, kinds.DOUBLE, kinds.INT32, kinds.INT64):
        raise UnreadableError(f"it rounds numbers to {kinds.DataType.Name(target)}")
    if target in (kinds.INT32, kinds.INT64):
        if builder.graph.is_float(source) and output_dtype(x) is None:
            raise UnreadableError("it casts fractional numbers to integers")
        return x
    return x if x.dtype == builder.dtype else builder.apply(node, layers.Identity, x)


@reads("Dropout")
def dropout(builder: Builder, node: Node) -> KerasTensor:
    """Dropout; refused in training mode."""
    ratio, training = builder.optional(node, 1), builder.optional(node, 2)
    if training is not None and training.any():
        raise UnreadableError("it is in training mode")
    rate = 0.5 if ratio is None else float(ratio.reshape(()))
    return builder.apply(node, layers.Dropout, builder.tensor(node.inputs[0]), float(str(np.float32(rate))))


# Shapes


@reads("Flatten")
def flatten(builder: Builder, node: Node) -> KerasTensor:
    """Flatten samples to rows."""
    x = builder.tensor(node.inputs[0])
    axis = node.attribute("axis")
    if (axis + x.ndim if axis < 0 else axis) != 1:
        raise UnreadableError(f"it flattens from axis {axis}, but only samples can be flattened")
    return builder.apply(node, layers.Flatten, x)


@reads("Reshape")
def reshape(builder: Builder, node: Node) -> KerasTensor:
    """Reshape samples. The first axis must remain the batch."""
    x = builder.tensor(node.inputs[0])
    sizes = [int(size) for size in builder.constant(node, 1).ravel()]
    if node.attribute("allowzero") and 0 in sizes:
        raise UnreadableError("its result would have no elements")
    if not sizes or sizes[0] not in (0, -1, builder.batch):
        raise UnreadableError(f"the shape {sizes} does not keep the batch as the first axis")
    old = x.shape[1:]
    if any(size == 0 and axis > len(old) for axis, size in enumerate(sizes)):
        raise UnreadableError(f"the shape {sizes} copies axes that do not exist")
    shape = [old[axis - 1] if size == 0 else size for axis, size in enumerate(sizes) if axis > 0]
    if sizes[0] == -1 and (None in shape or math.prod(size or 0 for size in shape) != math.prod(sample_shape(x))):
        raise UnreadableError(f"the shape {sizes} does not keep the batch as the first axis")
    return builder.reshaped(node, x, shape)


@reads("Squeeze")
def squeeze(builder: Builder, node: Node) -> KerasTensor:
    """Remove axes of length 1."""
    x = builder.tensor(node.inputs[0])
    given = builder.optional(node, 1)
    if given is None:
        raise UnreadableError("it removes every axis of length 1, which could be the batch's")
    axes = {positive(int(axis), x.ndim) for axis in given.ravel()}
    if any(x.shape[axis] != 1 for axis in axes):
        raise UnreadableError(f"axes {sorted(axes)} of a value of shape {x.shape} are not all of length 1")
    return builder.reshaped(node, x, [size for axis, size in enumerate(x.shape) if axis not in axes | {0}])


@reads("Unsqueeze")
def unsqueeze(builder: Builder, node: Node) -> KerasTensor:
    """Add axes of length 1."""
    x = builder.tensor(node.inputs[0])
    given = builder.constant(node, 1).ravel()
    if len(given) > 32:
        raise UnreadableError(f"it adds {len(given)} axes, which is too many")
    rank = x.ndim + len(given)
    axes = {positive(int(axis), rank) for axis in given}
    remaining = iter(x.shape[1:])
    return builder.reshaped(node, x, [1 if axis in axes else next(remaining) for axis in range(1, rank)])


@reads("Transpose")
def transpose(builder: Builder, node: Node) -> KerasTensor:
    """Reorder the axes of samples."""
    x = builder.tensor(node.inputs[0])
    order = node.attribute("perm") or list(range(x.ndim))[::-1]
    if order[0] != 0:
        raise UnreadableError(f"the order {order} moves the batch axis")
    return builder.permuted(node, x, tuple(order[1:])) if len(order) > 1 else x


@recognizes(
    *LAYERS["repeat"],
    accept=lambda bound: (
        bound["axes"].tolist() == [1] and bound["shape"].size == 3 and bound["shape"][[0, 2]].tolist() == [1, 1]
    ),
)
def repeat(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Repeat a vector."""
    return builder.apply(node, layers.RepeatVector, builder.tensor(bound["x"]), int(bound["shape"][1]))


@reads("Concat")
def concat(builder: Builder, node: Node) -> KerasTensor:
    """Concatenate values."""
    tensors = [builder.tensor(name) for name in node.inputs]
    axis = positive(node.attribute("axis"), tensors[0].ndim)
    return tensors[0] if len(tensors) == 1 else builder.apply(node, layers.Concatenate, tensors, axis)


# Arithmetic


@reads("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean")
def merge(builder: Builder, node: Node) -> KerasTensor:
    """Arithmetic on several values, or on a value and constants that scale, shift or bound it."""
    tensors = [builder.tensor(name) for name in node.inputs if not builder.graph.is_constant(name)]
    constants = [builder.graph.constants[name] for name in node.inputs if builder.graph.is_constant(name)]
    if not constants:
        return _merged(builder, node, tensors)
    if len(tensors) != 1 or len(constants) != 1 or node.operator == "Mean":
        raise UnreadableError("it combines several values and also constants")
    first = builder.graph.is_constant(node.inputs[0])
    return _with_constant(builder, node, tensors[0], constants[0], first)


def _merged(builder: Builder, node: Node, tensors: list[KerasTensor]) -> KerasTensor:
    if len({tensor.ndim for tensor in tensors}) > 1:
        raise UnreadableError("it combines values with different numbers of axes, which would mix samples")
    if node.operator in ("Mul", "Max", "Min"):  # which would leave out what masks hide
        tensors = [builder.unmasked(node, tensor) for tensor in tensors]
    return tensors[0] if len(tensors) == 1 else builder.apply(node, MERGES[node.operator], tensors)


def _with_constant(builder: Builder, node: Node, x: KerasTensor, array: Array, first: bool) -> KerasTensor:
    x = stretched(builder, node, x, array.shape)
    value = fitting(array, x).astype(np.float64)
    operator = node.operator
    if operator in ("Add", "Sum"):
        return builder.apply(node, layers.Rescaling, x, 1.0, value)
    if operator == "Sub":
        return builder.apply(node, layers.Rescaling, x, *((-1.0, value) if first else (1.0, -value)))
    if operator == "Mul":
        return builder.apply(node, layers.Rescaling, x, value)
    if operator in ("Max", "Min"):
        other = builder.apply(node, layers.Rescaling, x, 0.0, value)
        return builder.apply(node, MERGES[operator], [x, other])
    if first:
        return builder.apply(node, layers.Rescaling, builder.apply(node, layers.Power, x, -1.0), value)
    with np.errstate(divide="ignore"):
        return builder.apply(node, layers.Rescaling, x, 1 / value)


@recognizes(*LAYERS["rescaling"])
def rescaling(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Multiplication and addition of constants."""
    x = builder.tensor(bound["x"])
    scale, offset = (fitting(bound[name], x).astype(np.float64) for name in ("scale", "offset"))
    return builder.apply(node, layers.Rescaling, x, scale, offset)


@reads("ai.onnx.ml::Scaler")
def scaler(builder: Builder, node: Node) -> KerasTensor:
    """The operator of scikit-learn's scalers: ``(x - offset) * scale``."""
    x = builder.tensor(node.inputs[0])
    offset, scale = (fitting(np.asarray(node.attributes.get(n, d)), x) for n, d in (("offset", 0.0), ("scale", 1.0)))
    return builder.apply(node, layers.Rescaling, x, scale, -offset * scale)


@reads("Neg")
def negative(builder: Builder, node: Node) -> KerasTensor:
    """Multiplication by -1."""
    return builder.apply(node, layers.Rescaling, builder.tensor(node.inputs[0]), -1.0)


@reads("Abs")
def absolute(builder: Builder, node: Node) -> KerasTensor:
    """The absolute value."""
    return builder.apply(node, layers.Absolute, builder.tensor(node.inputs[0]))


@reads("Sqrt", "Reciprocal")
def root(builder: Builder, node: Node) -> KerasTensor:
    """Square root and reciprocal."""
    return builder.apply(node, layers.Power, builder.tensor(node.inputs[0]), 0.5 if node.operator == "Sqrt" else -1.0)


@reads("Pow")
def power(builder: Builder, node: Node) -> KerasTensor:
    """A power with a constant exponent, or with another value as the exponent."""
    x = builder.tensor(node.inputs[0])
    if not builder.graph.is_constant(node.inputs[1]):
        return _merged(builder, node, [x, builder.tensor(node.inputs[1])])
    exponents = builder.constant(node, 1)
    if exponents.size != 1:
        raise UnreadableError(f"it has exponents of shape {exponents.shape}, but only a single one is supported")
    exponent = float(exponents.reshape(()))
    return x if exponent == 1 else builder.apply(node, layers.Power, x, exponent)


@reads("HardSigmoid")
def hard_sigmoid(builder: Builder, node: Node) -> KerasTensor:
    """A line clipped to 0 and 1, of any slope. If an activation has this slope, that is used."""
    alpha, beta = float(node.attribute("alpha")), float(node.attribute("beta"))
    x = builder.apply(node, layers.Rescaling, builder.tensor(node.inputs[0]), alpha, beta)
    return builder.apply(node, layers.Activation, x, activations.relu.bind(max_value=1.0))


@reads("Clip")
def clip(builder: Builder, node: Node) -> KerasTensor:
    """Clip to two bounds. One may be missing."""
    x = builder.tensor(node.inputs[0])
    low, high = (builder.optional(node, position) for position in (1, 2))
    bottom, top = (None if bound is None else float(bound.reshape(())) for bound in (low, high))
    if bottom == 0 and top is not None and top >= 0:
        return builder.apply(node, layers.Activation, x, activations.relu.bind(max_value=top))
    for bound, layer in ((bottom, layers.Maximum), (top, layers.Minimum)):
        if bound is not None:
            x = builder.apply(node, layer, [x, builder.apply(node, layers.Rescaling, x, 0.0, bound)])
    return x
