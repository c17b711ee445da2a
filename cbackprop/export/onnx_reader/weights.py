"""Operators with weights, as layers that can be trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop import config, layers
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
from cbackprop.tensor import KerasTensor

# A file may spell a weight of many equal numbers as one. Up to so many that is believed.
LARGEST_GROWTH = 2**20

# Products


def _dense(builder: Builder, node: Node, x: KerasTensor, kernel: Array, bias: Array | None) -> KerasTensor:
    if kernel.ndim != 2 or x.ndim < 2 or kernel.shape[0] != x.shape[-1] or kernel.size == 0:
        raise UnreadableError(f"a matrix of shape {kernel.shape} does not fit values of shape {x.shape}")
    weights = [kernel] if bias is None else [kernel, bias]
    return builder.apply(node, layers.Dense, x, kernel.shape[1], use_bias=bias is not None, weights=weights)


@recognizes(
    *LAYERS["dense"],
    accept=lambda bound: (
        bound["kernel"].ndim == 2 and bound["bias"].size == bound["kernel"].shape[1] == (*bound["bias"].shape, 1)[-2]
    ),
)
def dense(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A matrix and a bias."""
    return _dense(builder, node, builder.tensor(bound["x"]), bound["kernel"], bound["bias"].ravel())


@reads("MatMul")
def matmul(builder: Builder, node: Node) -> KerasTensor:
    """A matrix of weights, or the matrices of two values."""
    a, b = node.inputs
    if builder.graph.is_constant(b):
        return _dense(builder, node, builder.tensor(a), builder.graph.constants[b], None)
    if builder.graph.is_constant(a):
        raise UnreadableError("a constant stands on the left")
    tensors = [builder.tensor(a), builder.tensor(b)]
    if any(tensor.ndim != 3 for tensor in tensors):
        raise UnreadableError(
            f"values of shapes {[tensor.shape for tensor in tensors]} are no matrices for each sample"
        )
    return builder.apply(node, layers.Dot, tensors, (2, 1))


@reads("Gemm")
def gemm(builder: Builder, node: Node) -> KerasTensor:
    """A matrix and a bias, with factors."""
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
        raise UnreadableError("its inputs are no matrices for each sample")
    return builder.apply(node, layers.Dot, tensors, (2, 2), normalize=True)


@recognizes(
    *LAYERS["embedding"],
    accept=lambda bound: (
        bound["table"].ndim == 2 and bound.get("last", len(bound["table"]) - 1) == len(bound["table"]) - 1
    ),
)
def embedding(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A table of which rows are read."""
    table = bound["table"]
    return builder.apply(node, layers.Embedding, builder.tensor(bound["x"]), *table.shape, weights=[table])


@recognizes(*LAYERS["prelu"])
def prelu(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A slope for each element, shared along axes of length 1."""
    x = builder.tensor(bound["x"])
    slope = fitting(bound["slope"], x)
    shape = sample_shape(x)
    slope = slope.reshape((1,) * (len(shape) - slope.ndim) + slope.shape)
    shared = [axis for axis, size in enumerate(slope.shape, 1) if size == 1]
    return builder.apply(node, layers.PReLU, x, shared_axes=shared or None, weights=[slope])


# Normalizations


def _vector(builder: Builder, node: Node, position: int, size: int) -> Array:
    array = builder.constant(node, position)
    if array.shape != (size,):
        raise UnreadableError(f"its input {position} has shape {array.shape} instead of {(size,)}")
    return array


def _epsilon(node: Node) -> float:
    return float(str(np.float32(node.attribute("epsilon"))))


@reads("BatchNormalization")
def batch_normalization(builder: Builder, node: Node) -> KerasTensor:
    """With the averages of the file, which go on moving in training."""
    x = builder.tensor(node.inputs[0])
    if node.attribute("training_mode") or x.ndim < 2:
        raise UnreadableError("it takes statistics of a batch")
    weights = [_vector(builder, node, position, sample_shape(x)[0]) for position in (1, 2, 3, 4)]
    options = {"axis": 1, "epsilon": _epsilon(node), "momentum": float(str(np.float32(node.attribute("momentum"))))}
    return builder.apply(node, layers.BatchNormalization, x, weights=weights, **options)


@reads("LayerNormalization")
def layer_normalization(builder: Builder, node: Node) -> KerasTensor:
    """Along the last axes."""
    x = builder.tensor(node.inputs[0])
    first = positive(node.attribute("axis"), x.ndim)
    axes, shape = list(range(first, x.ndim)), sample_shape(x)[first - 1 :]
    gamma, beta = builder.constant(node, 1), builder.optional(node, 2)
    weights = [_broadcast(array, shape) for array in (gamma, beta) if array is not None]
    options = {"axis": axes, "epsilon": _epsilon(node), "center": beta is not None}
    return builder.apply(node, layers.LayerNormalization, x, weights=weights, **options)


def _broadcast(array: Array, shape: Sequence[int]) -> Array:
    """A weight that has these axes, but no more than `LARGEST_GROWTH` numbers made of fewer."""
    grows = array.size < math.prod(shape) > LARGEST_GROWTH
    try:
        if not grows:
            return np.broadcast_to(array, shape)
    except ValueError:
        pass
    raise UnreadableError(f"a weight of shape {array.shape} does not fit axes of sizes {tuple(shape)}")


@reads("RMSNormalization")
def rms_normalization(builder: Builder, node: Node) -> KerasTensor:
    """Along the last axes."""
    x = builder.tensor(node.inputs[0])
    first = positive(node.attribute("axis"), x.ndim)
    weights = [_broadcast(builder.constant(node, 1), sample_shape(x)[first - 1 :])]
    options = {"axis": list(range(first, x.ndim)), "epsilon": _epsilon(node)}
    return builder.apply(node, layers.RMSNormalization, x, weights=weights, **options)


@reads("GroupNormalization", "InstanceNormalization")
def group_normalization(builder: Builder, node: Node) -> KerasTensor:
    """Of groups of channels, or of each channel."""
    x = builder.tensor(node.inputs[0])
    if x.ndim < 2:
        raise UnreadableError("it needs channels")
    channels = sample_shape(x)[0]
    groups = node.attribute("num_groups") if node.operator == "GroupNormalization" else channels
    if groups < 1 or channels % groups:
        raise UnreadableError(f"{channels} channels cannot be divided into {groups} groups")
    weights = [_vector(builder, node, position, channels) for position in (1, 2)]
    options = {"axis": 1, "epsilon": _epsilon(node)}
    return builder.apply(node, layers.GroupNormalization, x, groups, weights=weights, **options)


def _is_group_normalization(bound: dict[str, Any]) -> bool:
    groups = bound["groups"].tolist()
    return len(groups) == 3 and groups[0] in (0, -1) and (bound["ones"] == 1).all() and not bound["zeros"].any()


@recognizes(*LAYERS["group_normalization"], accept=_is_group_normalization)
def decomposed_group_normalization(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Of groups of channels, as PyTorch writes it."""
    x, groups = builder.tensor(bound["x"]), int(bound["groups"][1])
    shape = sample_shape(x)
    if len(shape) < 1 or groups < 1 or shape[0] % groups or bound["shape"].tolist()[1:] != list(shape):
        raise UnreadableError(f"values of shape {x.shape} cannot be divided into {groups} groups of channels")
    weights = [_along(bound[name], x, [1]) for name in ("scale", "offset")]
    options = {"axis": 1, "epsilon": bound["epsilon"]}
    return builder.apply(node, layers.GroupNormalization, x, groups, weights=weights, **options)


def _axes_of(bound: dict[str, Any], x: KerasTensor) -> list[int]:
    axes = [positive(int(axis), x.ndim) for axis in bound["axes"].ravel()]
    if sorted(set(axes)) != axes:
        raise UnreadableError(f"its axes {axes} are not in order")
    return axes


def _along(array: Array, x: KerasTensor, axes: Sequence[int]) -> Array:
    """A constant as a weight that has these axes only."""
    own = fitting(array, x)
    shape = [size if axis in axes else 1 for axis, size in enumerate(sample_shape(x), 1)]
    own = own.reshape((1,) * (len(shape) - own.ndim) + own.shape)
    return _broadcast(own, shape).reshape([shape[axis - 1] for axis in axes])


@recognizes(*LAYERS["layer_normalization"])
def decomposed_layer_normalization(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Along any axes."""
    x = builder.tensor(bound["x"])
    axes = _axes_of(bound, x)
    weights = [_along(bound[name], x, axes) for name in ("scale", "offset")]
    return builder.apply(node, layers.LayerNormalization, x, axes, bound["epsilon"], weights=weights)


@recognizes(*LAYERS["standardized"])
def standardized(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Layer normalization without weights."""
    x = builder.tensor(bound["x"])
    options = {"center": False, "scale": False}
    return builder.apply(node, layers.LayerNormalization, x, _axes_of(bound, x), bound["epsilon"], **options)


@recognizes(*LAYERS["over_deviation"])
def over_deviation(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Division by the standard deviation."""
    x = builder.tensor(bound["x"])
    axes = _axes_of(bound, x)
    weights = [_along(bound["scale"], x, axes)]
    options = {"rms_scaling": True, "weights": weights}
    return builder.apply(node, layers.LayerNormalization, x, axes, bound["epsilon"], **options)


@recognizes(*LAYERS["root_mean_square"])
def root_mean_square(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Division by the root mean square."""
    x = builder.tensor(bound["x"])
    axes = _axes_of(bound, x)
    weights = [_along(bound["scale"], x, axes)]
    return builder.apply(node, layers.RMSNormalization, x, axes, bound["epsilon"], weights=weights)


@recognizes(
    *LAYERS["unit"],
    accept=lambda bound: math.isclose(bound["limit"], layers.UnitNormalization.limit, rel_tol=1e-5),
)
def unit(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Division by the norm."""
    x = builder.tensor(bound["x"])
    return builder.apply(node, layers.UnitNormalization, x, _axes_of(bound, x))


# Preparing data


@recognizes(*LAYERS["masking"], accept=lambda bound: bound["last"].tolist() == [-1])
def masking(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Zeros in place of some steps."""
    return builder.apply(node, layers.Masking, builder.tensor(bound["x"]), bound["mask_value"])


def _counts_classes(bound: dict[str, Any]) -> bool:
    classes = bound["classes"]
    return (
        classes.ndim == 1
        and np.array_equal(classes, np.arange(len(classes)))
        and bound["last"].tolist() == [-1]
        and ("axes" not in bound or bound["axes"].tolist() == [-2])
    )


@recognizes(*LAYERS["multi_hot"], accept=_counts_classes)
def multi_hot(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Which classes there are."""
    return builder.apply(node, layers.CategoryEncoding, builder.tensor(bound["x"]), len(bound["classes"]))


@recognizes(*LAYERS["count"], accept=_counts_classes)
def count(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """How often each class is there."""
    return builder.apply(node, layers.CategoryEncoding, builder.tensor(bound["x"]), len(bound["classes"]), "count")


@recognizes(*LAYERS["one_hot"], accept=_counts_classes)
def one_hot(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """An indicator for each number."""
    x, n = builder.tensor(bound["x"]), len(bound["classes"])
    made = builder.apply(node, layers.CategoryEncoding, x, n, "one_hot")
    shape = *sample_shape(x), n
    return made if sample_shape(made) == shape else builder.apply(node, layers.Reshape, made, shape)
