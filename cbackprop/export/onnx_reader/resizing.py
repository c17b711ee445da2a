"""Read operators that pad and resize."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, length_of, reads, sample_shape
from cbackprop.export.onnx_reader.graph import Array, Node
from cbackprop.tensor import KerasTensor

__all__ = ["cropped"]

PADDING = {2: layers.ZeroPadding1D, 3: layers.ZeroPadding2D, 4: layers.ZeroPadding3D}
CROPPING = {2: layers.Cropping1D, 3: layers.Cropping2D, 4: layers.Cropping3D}
UP_SAMPLING = {2: layers.UpSampling1D, 3: layers.UpSampling2D, 4: layers.UpSampling3D}
INTERPOLATIONS = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
HALF_PIXEL = ("half_pixel", "pytorch_half_pixel")


def by_format(entries: list[Any], nothing: Any) -> tuple[str, list[Any]] | None:
    """The format of data in which only axes other than that of the channels change, and the entries of these axes.

    `entries` has one entry for each axis of a sample. ``None`` if both the first and the last axis change.
    """
    if entries[-1] == nothing:
        return "channels_last", entries[:-1]
    if entries[0] == nothing:
        return "channels_first", entries[1:]
    return None


@reads("Pad")
def pad(builder: Builder, node: Node) -> KerasTensor:
    """Padding with zeros or another constant."""
    x, pads = builder.tensor(node.inputs[0]), [int(size) for size in builder.constant(node, 1).ravel()]
    constant, axes = builder.optional(node, 2), builder.optional(node, 3)
    if node.attribute("mode") not in (b"constant", "constant"):
        raise UnreadableError(f"its mode is {node.attribute('mode')!r}, but only padding with a constant is supported")
    value = 0.0 if constant is None or constant.size == 0 else float(constant.reshape(()))
    along = range(x.ndim) if axes is None else [int(axis) % x.ndim for axis in axes.ravel()]
    sides = [(0, 0)] * x.ndim
    for place, axis in enumerate(along):
        sides[axis] = pads[place], pads[place + len(along)]
    if sides[0] != (0, 0):
        raise UnreadableError("it pads the batch axis")
    if not math.isfinite(value):
        raise UnreadableError(f"it pads with {value}")
    if min(map(min, sides)) < 0:
        raise UnreadableError(f"it crops samples, by negative pads {sides[1:]}")
    if value == 0:
        return padded(builder, node, x, sides[1:])
    shifted = builder.apply(node, layers.Rescaling, x, 1.0, -value)
    return builder.apply(node, layers.Rescaling, padded(builder, node, shifted, sides[1:]), 1.0, value)


def padded(builder: Builder, node: Node, x: KerasTensor, sides: list[tuple[int, int]]) -> KerasTensor:
    """Pad samples with zeros."""
    if not any(map(any, sides)):
        return x
    shape = sample_shape(x)
    if len(sides) == 1:
        column = builder.apply(node, layers.Reshape, x, (*shape, 1))
        grown = builder.apply(node, layers.ZeroPadding1D, column, sides[0], "channels_last")
        return builder.apply(node, layers.Reshape, grown, (shape[0] + sum(sides[0]),))
    if len(sides) not in PADDING:
        raise UnreadableError(f"samples have {len(sides)} axes, but at most 4 can be padded")
    found = by_format(sides, (0, 0))
    if found is None:
        x = padded(builder, node, x, [*sides[:-1], (0, 0)])
        return padded(builder, node, x, [(0, 0)] * (len(sides) - 1) + sides[-1:])
    data_format, inner = found
    return builder.apply(node, PADDING[len(sides)], x, inner[0] if len(inner) == 1 else tuple(inner), data_format)


def cropped(builder: Builder, node: Node, x: KerasTensor, key: Any) -> KerasTensor | None:
    """Crop by a layer, if these are slices without steps and there is a layer for them; else ``None``."""
    limits = [part.indices(size) for part, size in zip(key, sample_shape(x), strict=True)]
    if len(limits) not in CROPPING or any(step != 1 or stop <= start for start, stop, step in limits):
        return None
    sides = [(start, size - stop) for (start, stop, _), size in zip(limits, sample_shape(x), strict=True)]
    found = by_format(sides, (0, 0))
    if found is None or (len(sides) == 2 and found[0] == "channels_first"):
        return None
    data_format, inner = found
    if len(inner) == 1:
        return builder.apply(node, layers.Cropping1D, x, inner[0])
    return builder.apply(node, CROPPING[len(sides)], x, tuple(inner), data_format)


@reads("Resize")
def resize(builder: Builder, node: Node) -> KerasTensor:
    """Resize samples: by a layer with the same rule, or by products with matrices."""
    x, way = builder.tensor(node.inputs[0]), node.attribute("coordinate_transformation_mode").decode()
    scales = new_scales(builder, node, x)
    sizes = [
        size if scale == 1 else math.floor(size * scale + 1e-4)
        for size, scale in zip(sample_shape(x), scales, strict=True)
    ]
    if min(sizes) < 1:
        raise UnreadableError("its result would have no elements")
    if way == "tf_crop_and_resize" or node.attribute("keep_aspect_ratio_policy") not in (None, b"stretch"):
        raise UnreadableError("it crops to a region of interest, or keeps aspect ratios")
    if sizes == list(sample_shape(x)):
        return x
    # Layers compute scales from sizes. If the file's scales differ, they determine the positions of outputs in the
    # input.
    exact = all(abs(scale * size - new) < 1e-4 for scale, size, new in zip(scales, sample_shape(x), sizes, strict=True))
    if not exact and way == "align_corners":
        raise UnreadableError("it aligns corners, and its scales do not give whole sizes; programs differ then")
    known = by_layer(builder, node, x, sizes, way) if exact else None
    return by_matrices(builder, node, x, scales, sizes, way) if known is None else known


def new_scales(builder: Builder, node: Node, x: KerasTensor) -> list[float]:
    """By what factor each axis of a sample grows."""
    scales, sizes, axes = builder.optional(node, 2), builder.optional(node, 3), node.attribute("axes")
    along = [axis % x.ndim for axis in axes] if axes else list(range(x.ndim))
    found = [1.0] * x.ndim
    if sizes is not None and sizes.size:
        for axis, size in zip(along, sizes.ravel(), strict=True):
            if axis > 0:
                found[axis] = int(size) / length_of(x, axis)
    elif scales is not None and scales.size:
        for axis, scale in zip(along, scales.ravel(), strict=True):
            found[axis] = float(scale)
    if found[0] != 1 or not all(0 < scale < 2**31 for scale in found):
        raise UnreadableError(f"its scales are {found}")
    return found[1:]


def by_layer(builder: Builder, node: Node, x: KerasTensor, sizes: list[int], way: str) -> KerasTensor | None:
    """One of this library's layers, if it follows the same rule; else ``None``."""
    old, mode = sample_shape(x), node.attribute("mode").decode()
    times = [new / size for new, size in zip(sizes, old, strict=True)]
    found = by_format(times, 1.0)
    if found is None or len(sizes) not in UP_SAMPLING:
        return None
    data_format, inner = found
    whole, rule = all(factor.is_integer() for factor in inner), node.attribute("nearest_mode").decode()
    repeats = (way in HALF_PIXEL and rule.startswith("round")) or (way, rule) == ("asymmetric", "floor")
    if mode == "nearest" and whole and repeats:
        factors = tuple(int(factor) for factor in inner)
        if len(factors) > 1:
            return builder.apply(node, UP_SAMPLING[len(sizes)], x, factors, data_format)
        if data_format == "channels_last":
            return builder.apply(node, layers.UpSampling1D, x, factors[0])
    if len(sizes) != 3 or not follows_half_pixels(node, mode, way, rule, sizes, old):
        return None
    interpolation, antialias = INTERPOLATIONS[mode], bool(node.attribute("antialias"))
    if whole and not antialias:
        factors = tuple(int(factor) for factor in inner)
        return builder.apply(node, layers.UpSampling2D, x, factors, data_format, interpolation)
    target = sizes[1:] if data_format == "channels_first" else sizes[:2]
    options = {"antialias": antialias, "data_format": data_format}
    return builder.apply(node, layers.Resizing, x, *target, interpolation, **options)


def follows_half_pixels(node: Node, mode: str, way: str, rule: str, sizes: list[int], old: Any) -> bool:
    """Whether `Resizing` follows the same rule."""
    if way == "pytorch_half_pixel" and any(new == 1 < size for new, size in zip(sizes, old, strict=True)):
        return False
    if way not in HALF_PIXEL or (mode == "nearest" and rule != "round_prefer_ceil"):
        return False
    # With antialias, edge elements stand in for those outside, unless these are excluded.
    if node.attribute("antialias") and not node.attribute("exclude_outside") and mode != "nearest":
        return False
    if mode == "cubic":
        # The file stores it in float32.
        return abs(node.attribute("cubic_coeff_a") + 0.5) < 1e-6 and bool(node.attribute("exclude_outside"))
    return True


def by_matrices(
    builder: Builder, node: Node, x: KerasTensor, scales: list[float], sizes: list[int], way: str
) -> KerasTensor:
    """Resize each axis by a product with a fixed matrix of interpolation weights."""
    for axis, (scale, new) in enumerate(zip(scales, sizes, strict=True)):
        old = sample_shape(x)[axis]
        if new == old:
            continue
        order = [place for place in range(len(sizes)) if place != axis] + [axis]
        turned = axis != len(sizes) - 1
        dims = tuple(place + 1 for place in order)
        x = builder.apply(node, layers.Permute, x, dims) if turned else x
        weights = [matrix(node, scale, old, new, way)]
        x = builder.apply(node, layers.Dense, x, new, use_bias=False, trainable=False, weights=weights)
        back = tuple(order.index(place) + 1 for place in range(len(sizes)))
        x = builder.apply(node, layers.Permute, x, back) if turned else x
    return x


def places(scale: float, old: int, new: int, way: str) -> Array:
    """The position of each output in the input."""
    numbers = np.arange(new, dtype=np.float64)
    if way == "asymmetric":
        return numbers / scale
    if way == "align_corners":
        return numbers * (old - 1) / max(new - 1, 1)
    if way == "pytorch_half_pixel" and new == 1:
        return np.zeros(1)
    if way == "half_pixel_symmetric":
        return old / 2 * (1 - new / (scale * old)) + (numbers + 0.5) / scale - 0.5
    if way not in HALF_PIXEL:
        raise UnreadableError(f"its coordinate_transformation_mode {way} is not supported")
    return (numbers + 0.5) / scale - 0.5


def matrix(node: Node, scale: float, old: int, new: int, way: str) -> Array:
    """The interpolation weights (old, new) of an axis."""
    at, mode = places(scale, old, new, way), node.attribute("mode").decode()
    if mode == "nearest":
        rule = node.attribute("nearest_mode").decode()
        rounded = {
            "floor": np.floor(at),
            "ceil": np.ceil(at),
            "round_prefer_ceil": np.floor(at + 0.5),
            "round_prefer_floor": np.ceil(at - 0.5),
        }[rule]
        chosen = np.clip(rounded, 0, old - 1).astype(np.int64)
        return np.eye(old)[:, chosen]
    # To avoid aliasing, the kernel is as wide as the distance between outputs.
    narrow = min(scale, 1.0) if node.attribute("antialias") else 1.0
    reach = math.ceil((1 if mode == "linear" else 2) / narrow)
    first = np.floor(at).astype(np.int64) - reach + 1
    weights = np.zeros((old, new))
    for tap in range(2 * reach):
        taps = first + tap
        weight = kernel(np.abs(at - taps) * narrow, mode, node.attribute("cubic_coeff_a"))
        if node.attribute("exclude_outside"):
            weight = np.where((taps >= 0) & (taps < old), weight, 0.0)
        np.add.at(weights, (np.clip(taps, 0, old - 1), np.arange(new)), weight)
    return weights / weights.sum(axis=0)


def kernel(distance: Array, mode: str, a: float) -> Array:
    """The weight of a neighbor at this distance."""
    if mode == "linear":
        return np.maximum(0.0, 1.0 - distance)
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
