"""Read normalizations, as single operators or formulas of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_reader.builder import (
    Builder,
    UnreadableError,
    fitting,
    length_of,
    positive,
    reads,
    recognizes,
    sample_shape,
)
from cbackprop.export.onnx_reader.graph import Array, Node
from cbackprop.export.onnx_reader.parts import mean_along
from cbackprop.tensor import KerasTensor

# A file may store a weight of equal numbers as one number. It is expanded to at most this many numbers.
LARGEST_GROWTH = 2**20


def _vector(builder: Builder, node: Node, position: int, size: int) -> Array:
    array = builder.constant(node, position)
    if array.shape != (size,):
        raise UnreadableError(f"its input {position} has shape {array.shape} instead of {(size,)}")
    return array


def _epsilon(node: Node) -> float:
    return float(str(np.float32(node.attribute("epsilon"))))


@reads("BatchNormalization")
def batch_normalization(builder: Builder, node: Node) -> KerasTensor:
    """Batch normalization with the moving averages of the file, which training updates."""
    x = builder.tensor(node.inputs[0])
    if node.attribute("training_mode") or x.ndim < 2:
        raise UnreadableError("it normalizes by the statistics of the batch (training mode)")
    weights = [_vector(builder, node, position, length_of(x, 1)) for position in (1, 2, 3, 4)]
    options = {"axis": 1, "epsilon": _epsilon(node), "momentum": float(str(np.float32(node.attribute("momentum"))))}
    return builder.apply(node, layers.BatchNormalization, x, weights=weights, **options)


@reads("LayerNormalization")
def layer_normalization(builder: Builder, node: Node) -> list[KerasTensor | None]:
    """Layer normalization along the last axes. Also mean and inverse deviation, if something reads them."""
    x = builder.tensor(node.inputs[0])
    first = positive(node.attribute("axis"), x.ndim)
    axes = list(range(first, x.ndim))
    shape = [length_of(x, axis) for axis in axes]
    gamma, beta = builder.constant(node, 1), builder.optional(node, 2)
    weights = [_broadcast(array, shape) for array in (gamma, beta) if array is not None]
    options = {"axis": axes, "epsilon": _epsilon(node), "center": beta is not None}
    y = builder.apply(node, layers.LayerNormalization, x, weights=weights, **options)
    if not builder.wanted.intersection(node.outputs[1:]):
        return [y, *[None] * (len(node.outputs) - 1)]
    return [y, *_statistics(builder, node, x, axes)][: len(node.outputs)]


def _statistics(builder: Builder, node: Node, x: KerasTensor, axes: list[int]) -> list[KerasTensor]:
    """The mean along axes, and the inverse of the standard deviation."""
    mean = mean_along(builder, node, x, axes)
    centered = builder.apply(node, layers.Subtract, [x, mean])
    variance = mean_along(builder, node, builder.apply(node, layers.Multiply, [centered, centered]), axes)
    added = builder.apply(node, layers.Rescaling, variance, 1.0, _epsilon(node))
    return [mean, builder.apply(node, layers.Power, added, -0.5)]


def _broadcast(array: Array, shape: Sequence[int]) -> Array:
    """Expand a weight to this shape. It may grow to `LARGEST_GROWTH` elements at most."""
    grows = array.size < math.prod(shape) > LARGEST_GROWTH
    try:
        if not grows:
            return np.broadcast_to(array, shape)
    except ValueError:
        pass
    raise UnreadableError(f"a weight of shape {array.shape} does not fit axes of sizes {tuple(shape)}")


@reads("RMSNormalization")
def rms_normalization(builder: Builder, node: Node) -> KerasTensor:
    """RMS normalization along the last axes."""
    x = builder.tensor(node.inputs[0])
    first = positive(node.attribute("axis"), x.ndim)
    axes = list(range(first, x.ndim))
    weights = [_broadcast(builder.constant(node, 1), [length_of(x, axis) for axis in axes])]
    options = {"axis": axes, "epsilon": _epsilon(node)}
    return builder.apply(node, layers.RMSNormalization, x, weights=weights, **options)


@reads("GroupNormalization", "InstanceNormalization")
def group_normalization(builder: Builder, node: Node) -> KerasTensor:
    """Group normalization or instance normalization."""
    x = builder.tensor(node.inputs[0])
    if x.ndim < 2:
        raise UnreadableError("its input has no channels axis")
    channels = sample_shape(x)[0]
    groups = node.attribute("num_groups") if node.operator == "GroupNormalization" else channels
    if groups < 1 or channels % groups:
        raise UnreadableError(f"{channels} channels cannot be divided into {groups} groups")
    weights = [_vector(builder, node, position, channels) for position in (1, 2)]
    options = {"axis": 1, "epsilon": _epsilon(node)}
    return builder.apply(node, layers.GroupNormalization, x, groups, weights=weights, **options)


def _is_group_normalization(bound: dict[str, Any]) -> bool:
    groups, sample = bound["groups"].ravel().tolist(), bound["sample"]
    if sample is None or len(groups) != 3 or groups[1] < 1 or not (bound["ones"] == 1).all() or bound["zeros"].any():
        return False
    whole = groups[2] * groups[1] == math.prod(sample)
    return whole if groups[0] == -1 else groups[0] == 0 and (whole or groups[2] == -1)


@recognizes(*LAYERS["group_normalization"], accept=_is_group_normalization)
def decomposed_group_normalization(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Group normalization as written by PyTorch."""
    x, groups = builder.tensor(bound["x"]), int(bound["groups"][1])
    shape = sample_shape(x)
    if len(shape) < 1 or groups < 1 or shape[0] % groups or bound["shape"].tolist()[1:] != list(shape):
        raise UnreadableError(f"values of shape {x.shape} cannot be divided into {groups} groups of channels")
    weights = [_along(bound[name], x, [1]) for name in ("scale", "offset")]
    options = {"axis": 1, "epsilon": bound["epsilon"]}
    return builder.apply(node, layers.GroupNormalization, x, groups, weights=weights, **options)


def _axes_of(bound: dict[str, Any], x: KerasTensor) -> list[int]:
    axes = [positive(int(axis), x.ndim) for axis in bound["axes"].ravel()]
    if not axes:
        raise UnreadableError("without axes it mixes the samples of a batch")
    if sorted(set(axes)) != axes:
        raise UnreadableError(f"its axes {axes} are not in order")
    return axes


def _along(array: Array, x: KerasTensor, axes: Sequence[int]) -> Array:
    """A constant as a weight for these axes only."""
    own = fitting(array, x)
    shape = [length_of(x, axis) if axis in axes else 1 for axis in range(1, x.ndim)]
    own = own.reshape((1,) * (len(shape) - own.ndim) + own.shape)
    return _broadcast(own, shape).reshape([shape[axis - 1] for axis in axes])


@recognizes(*LAYERS["layer_normalization"])
def decomposed_layer_normalization(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Layer normalization along any axes."""
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
    """Division by the standard deviation, without subtracting the mean."""
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
    accept=lambda bound: (
        "limit" not in bound or math.isclose(bound["limit"], layers.UnitNormalization.limit, rel_tol=1e-5)
    ),
)
def unit(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Division by the norm."""
    x = builder.tensor(bound["x"])
    wider = [int(size) for size in bound.get("shape", ())]
    shape = (builder.batch, *sample_shape(x))
    if len(wider) > x.ndim or any(size not in (1, own) for size, own in zip(wider[::-1], shape[::-1], strict=False)):
        raise UnreadableError(f"it repeats values of shape {shape} to the shape {wider}")
    return builder.apply(node, layers.UnitNormalization, x, _axes_of(bound, x))
