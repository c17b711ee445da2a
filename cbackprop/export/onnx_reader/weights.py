"""Read matrix products, embeddings and PReLU as layers with weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop import config, layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_reader.builder import (
    Builder,
    UnreadableError,
    fitting,
    is_data,
    reads,
    recognizes,
    sample_shape,
)
from cbackprop.export.onnx_reader.graph import Array, Node
from cbackprop.layers.equation import Contraction, Equation
from cbackprop.tensor import KerasTensor, Shape

# Products


def _dense(
    builder: Builder, node: Node, x: KerasTensor, kernel: Array, bias: Array | None, *constants: Array
) -> KerasTensor:
    """A Dense layer. It is shared with an earlier call that has the same constants of the graph."""
    if bias is None and kernel.ndim == 1:  # sums along the last axis, which is removed
        summed = _dense(builder, node, x, kernel[:, np.newaxis], None)
        return builder.apply(node, layers.Reshape, summed, sample_shape(x)[:-1])
    if kernel.ndim != 2 or x.ndim < 2 or kernel.shape[0] != x.shape[-1] or kernel.size == 0:
        raise UnreadableError(f"a matrix of shape {kernel.shape} does not fit values of shape {x.shape}")
    key = tuple(map(id, constants))
    if key in builder.shared:
        again: KerasTensor = builder.shared[key](x)
        return again
    weights = [kernel] if bias is None else [kernel, bias]
    made: KerasTensor = builder.apply(
        node, layers.Dense, x, kernel.shape[1], use_bias=bias is not None, weights=weights
    )
    if constants and made.node is not None:
        builder.shared[key] = made.node.layer
    return made


@recognizes(
    *LAYERS["dense"],
    accept=lambda bound: (
        bound["kernel"].ndim == 2
        and bound["rank"] is not None
        and 1 <= bound["bias"].ndim <= bound["rank"]
        and bound["bias"].size == bound["kernel"].shape[1] == bound["bias"].shape[-1]
    ),
)
def dense(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A product with a matrix, plus a bias."""
    kernel, bias = bound["kernel"], bound["bias"]
    return _dense(builder, node, builder.tensor(bound["x"]), kernel, bias.ravel(), kernel, bias)


@reads("MatMul")
def matmul(builder: Builder, node: Node) -> KerasTensor:
    """A product with a matrix of weights, or of two values."""
    a, b = node.inputs
    if builder.graph.is_constant(b):
        kernel = builder.graph.constants[b]
        return _dense(builder, node, builder.tensor(a), kernel, None, kernel)
    if builder.graph.is_constant(a):
        raise UnreadableError("its left operand is a constant")
    tensors = [builder.tensor(a), builder.tensor(b)]
    if any(tensor.ndim != 3 for tensor in tensors):
        raise UnreadableError(
            f"it multiplies values of shapes {[tensor.shape for tensor in tensors]}, which are not matrices per sample"
        )
    return builder.apply(node, layers.Dot, tensors, (2, 1))


@reads("Gemm")
def gemm(builder: Builder, node: Node) -> KerasTensor:
    """A product with a matrix, plus a bias. Both may have a factor."""
    x, kernel = builder.tensor(node.inputs[0]), builder.constant(node, 1)
    if node.attribute("transA") or kernel.ndim != 2 or x.ndim != 2:
        raise UnreadableError("it mixes the samples of a batch")
    kernel = kernel.T if node.attribute("transB") else kernel
    if (alpha := node.attribute("alpha")) != 1:
        kernel = kernel * np.asarray(alpha, kernel.dtype)
    third = node.inputs[2] if len(node.inputs) > 2 else ""
    if third and not builder.graph.is_constant(third):
        if node.attribute("beta") != 1 or builder.tensor(third).ndim != 2:
            raise UnreadableError(f"its input {third!r} is not constant")
        return builder.apply(node, layers.Add, [_dense(builder, node, x, kernel, None), builder.tensor(third)])
    bias = builder.optional(node, 2)
    if bias is not None:
        shape = (1,) * (2 - bias.ndim) + bias.shape
        if bias.ndim > 2 or shape[0] != 1 or shape[1] not in (1, kernel.shape[1]):
            raise UnreadableError(f"a bias of shape {bias.shape} does not fit {kernel.shape[1]} units")
        bias = np.broadcast_to(bias.ravel() * np.asarray(node.attribute("beta"), bias.dtype), kernel.shape[1:])
    return _dense(builder, node, x, kernel, bias)


def _text(equation: bytes) -> str:
    """An equation from the file, without spaces."""
    return equation.decode(errors="replace").replace(" ", "")


def _contraction(equation: str, shape: Shape, kernel: Array) -> Contraction:
    """Parse an equation for a value (batch, ...) and a constant.

    Raises
    ------
    ValueError
        If no EinsumDense can compute it.
    """
    parts = Equation(equation, None)
    if len(parts.kernel) != kernel.ndim or kernel.size == 0:
        raise ValueError(f"a constant of shape {kernel.shape} does not fit equation {equation!r}")
    sizes = dict(zip(parts.kernel, kernel.shape, strict=True))
    named = parts.output if parts.elides_left and len(shape) > len(parts.input) else parts.output[1:]
    found = parts.contraction(shape, tuple(sizes.get(letter) for letter in named))
    if found.kernel_shape != kernel.shape:
        raise ValueError(f"a constant of shape {kernel.shape} does not fit values of shape {shape}")
    return found


def _einsum(
    builder: Builder, node: Node, x: KerasTensor, kernel: Array, equation: str, bias: Array | None = None
) -> KerasTensor:
    """An EinsumDense."""
    try:
        found = _contraction(equation, x.shape, kernel)
    except ValueError as error:
        raise UnreadableError(str(error)) from None
    weights, bias_axes = [kernel], None
    if bias is not None:
        letters = found.output[-bias.ndim :]
        bias_axes = "".join(a for a, size in zip(letters, bias.shape, strict=True) if size > 1) or letters[-1]
        weights.append(bias[(0,) * letters.index(bias_axes[0])])
    shape = found.output_shape[1:]
    return builder.apply(node, layers.EinsumDense, x, found.text, shape, bias_axes=bias_axes, weights=weights)


def _adds_to_letters(bound: dict[str, Any]) -> bool:
    """Whether a bias has the size of the output, or 1, along each of the output's last axes."""
    if bound["sample"] is None:
        return False
    try:
        found = _contraction(_text(bound["equation"]), (None, *bound["sample"]), bound["kernel"])
    except ValueError:
        return False
    bias, shape = bound["bias"], found.output_shape[1:]
    ends = shape[len(shape) - bias.ndim :]
    if not 1 <= bias.ndim <= len(shape) or any(a not in (1, b) for a, b in zip(bias.shape, ends, strict=True)):
        return False
    return bias.size > 1 or ends[-1] == 1


@recognizes(*LAYERS["einsum"], accept=_adds_to_letters)
def einsum_and_bias(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Sums of products with weights, plus a bias."""
    return _einsum(builder, node, builder.tensor(bound["x"]), bound["kernel"], _text(bound["equation"]), bound["bias"])


@reads("Einsum")
def einsum(builder: Builder, node: Node) -> KerasTensor:
    """Sums of products with weights."""
    if len(node.inputs) != 2:
        raise UnreadableError(f"it has {len(node.inputs)} inputs")
    equation = _text(node.attribute("equation"))
    if builder.graph.is_constant(node.inputs[0]) and equation.count(",") == 1:
        left, right = equation.partition("->")[0].split(",")
        text = f"{right},{left}->{equation.partition('->')[2]}"
        return _einsum(builder, node, builder.tensor(node.inputs[1]), builder.constant(node, 0), text)
    return _einsum(builder, node, builder.tensor(node.inputs[0]), builder.constant(node, 1), equation)


def _is_cosine(bound: dict[str, Any]) -> bool:
    return (
        bound["axes"].tolist() in ([-1], [2])
        and bound["perm"] == [0, 2, 1]
        and math.isclose(bound["limit"], 1 / config.epsilon(), rel_tol=1e-5)
    )


@recognizes(*LAYERS["cosine"], accept=_is_cosine)
def cosine(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Cosines of the angles between vectors."""
    tensors = [builder.tensor(bound[name]) for name in ("x", "y")]
    if any(tensor.ndim != 3 for tensor in tensors):
        raise UnreadableError("its inputs are not matrices per sample")
    return builder.apply(node, layers.Dot, tensors, (2, 2), normalize=True)


@recognizes(
    *LAYERS["embedding"],
    accept=lambda bound: (
        bound["table"].ndim == 2
        and bound.get("last", len(bound["table"]) - 1) == len(bound["table"]) - 1
        and bound.get("rows", len(bound["table"])) == len(bound["table"])
    ),
)
def embedding(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """An embedding: looks up rows of a table."""
    table = bound["table"]
    x = builder.tensor(bound["x"])
    if "last" not in bound and not is_data(x):
        raise UnreadableError("it looks up computed numbers, which may be negative: ONNX counts these from the end")
    return builder.apply(node, layers.Embedding, x, *table.shape, weights=[table])


@recognizes(*LAYERS["prelu"])
def prelu(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """PReLU. Slopes are shared along axes of length 1."""
    x = builder.tensor(bound["x"])
    slope = fitting(bound["slope"], x)
    shape = sample_shape(x)
    slope = slope.reshape((1,) * (len(shape) - slope.ndim) + slope.shape)
    shared = [axis for axis, size in enumerate(slope.shape, 1) if size == 1]
    return builder.apply(node, layers.PReLU, x, shared_axes=shared or None, weights=[slope])
