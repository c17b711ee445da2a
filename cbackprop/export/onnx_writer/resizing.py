"""Write layers that pad, crop and resize."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.contract.interpolation import Resampling, Taps, Window, taps_of
from cbackprop.export.onnx_writer.graph import Call, Graph, translates
from cbackprop.layers.padding_sides import Sides

# Interpolations that the operator Resize has too.
RESIZE: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    "bilinear": {"mode": "linear"},
    "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
}
HALF_PIXEL: dict[str, Any] = {"coordinate_transformation_mode": "half_pixel"}


def first_axis(layer: Any) -> int:
    """The first axis other than batch and channels."""
    return 2 if layer.data_format == "channels_first" else 1


def sizes_of(call: Call) -> tuple[int, ...]:
    """The sizes of the input along the resized axes, and the number of channels."""
    (shape,) = call.input_shapes
    return (*shape[1:], shape[0]) if call.layer.data_format == "channels_first" else shape


def pad(graph: Graph, x: str, rank: int, first: int, sides: Sides, value: float = 0.0) -> str:
    """Pad a value of `rank` axes, from axis `first` on."""
    rest = rank - first - len(sides)
    before, after = ([0] * first + [ends[end] for ends in sides] + [0] * rest for end in (0, 1))
    return graph.add("Pad", x, np.array([*before, *after]), graph.dtype.type(value))


def crop(graph: Graph, x: str, first: int, windows: Any) -> str:
    """Slice, from axis `first` on."""
    starts, ends = zip(*((start, start + size) for start, size in windows), strict=True)
    return graph.add("Slice", x, np.array(starts), np.array(ends), np.arange(first, first + len(starts)))


@translates(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
def zero_padding(graph: Graph, call: Call) -> str:
    """Pad."""
    return pad(graph, call.inputs[0], len(call.output_shape) + 1, first_axis(call.layer), call.layer.sides)


@translates(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)
def cropping(graph: Graph, call: Call) -> str:
    """Slice."""
    windows = [
        (before, size - before - after)
        for (before, after), size in zip(call.layer.sides, sizes_of(call)[:-1], strict=True)
    ]
    return crop(graph, call.inputs[0], first_axis(call.layer), windows)


@translates(layers.CenterCrop)
def center_crop(graph: Graph, call: Call) -> str:
    """Slice; smaller images are resized."""
    layer, sizes = call.layer, sizes_of(call)
    operation = layer.operation_on(sizes)
    if operation is not layer:
        return resample(graph, call, operation.resampling)
    target = layer.height, layer.width
    windows = [(before, size) for (before, _), size in zip(layer.sides_for(sizes), target, strict=True)]
    return crop(graph, call.inputs[0], first_axis(layer), windows)


@translates(layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D)
def up_sampling(graph: Graph, call: Call) -> str:
    """Resize; for float64, which ONNX Runtime does not have, products with matrices of 0 and 1."""
    layer, sizes = call.layer, sizes_of(call)
    operation = layer.operation_on(sizes)
    if operation is not layer:
        return resample(graph, call, operation.resampling)
    first, rank = first_axis(layer), len(sizes) + 1
    if graph.dtype == np.float32:
        return repeat(graph, call.inputs[0], rank, first, layer.factors)
    x = call.inputs[0]
    for axis, (size, factor) in enumerate(zip(sizes, layer.factors, strict=False), first):
        x = product(graph, x, rank, axis, np.repeat(np.eye(size), factor, axis=0))
    return x


@translates(layers.Resizing)
def resizing(graph: Graph, call: Call) -> str:
    """See `resample`."""
    return resample(graph, call, call.layer.resampling_of(sizes_of(call)))


def resample(graph: Graph, call: Call, resampling: Resampling) -> str:
    """Resize the part that the layer takes: by the operator, or by products with matrices."""
    (x,), sizes, first = call.inputs, sizes_of(call)[:2], first_axis(call.layer)
    windows = resampling.windows
    if any(window.start < 0 for window in windows):
        sides = tuple((-window.start, -window.start) for window in windows)
        x = pad(graph, x, 4, first, sides, resampling.fill_value)
    elif windows != (Window(0, sizes[0]), Window(0, sizes[1])):
        x = crop(graph, x, first, windows)
    if graph.dtype == np.float32 and is_resize(resampling):
        return as_images(graph, x, first, resampling)
    tall, wide = (Window(0, window.size) for window in windows)
    whole = resampling._replace(windows=(tall, wide))
    for axis, window in enumerate(windows):
        x = product(graph, x, 4, first + axis, matrix_of(taps_of(whole, axis, window.size), window.size))
    return x


def is_resize(resampling: Resampling) -> bool:
    """Whether the operator Resize computes the same in float32, in every runtime.

    It does not have Lanczos. With antialias, runtimes differ at the borders. If two elements are equally near, the
    rounding of the scale may decide between them. (Resize can take sizes instead of scales, but only for all axes,
    including the batch: ONNX Runtime 1.32 fails when it moves a Transpose across a Resize with sizes for some axes. It
    also fails across a bicubic one that shrinks.)
    """
    pairs = [(window.size, target) for window, target in zip(resampling.windows, resampling.target, strict=True)]
    if resampling.interpolation == "nearest":
        return not any(has_ties(*pair) for pair in pairs)
    shrinks = any(size > target for size, target in pairs)
    return (
        resampling.interpolation in RESIZE
        and not resampling.antialias
        and not (shrinks and resampling.interpolation == "bicubic")
    )


def as_images(graph: Graph, x: str, first: int, resampling: Resampling) -> str:
    """Resize height and width. Not all runtimes resize other axes than the last two, unless by nearest element."""
    sizes = (window.size for window in resampling.windows)
    scales = [scale_between(size, target) for size, target in zip(sizes, resampling.target, strict=True)]
    if resampling.interpolation == "nearest":
        return repeat(graph, x, 4, first, scales)
    if first == 1:
        x = graph.transpose(x, (0, 3, 1, 2))
    all_scales = np.array([1, 1, *scales], np.float32)
    x = graph.add("Resize", x, "", all_scales, **HALF_PIXEL, **RESIZE[resampling.interpolation])
    return graph.transpose(x, (0, 2, 3, 1)) if first == 1 else x


def scale_between(size: int, target: int) -> Any:
    """The scale by which runtimes multiply a size, in float32 or float64, and then round down."""
    scale = np.float32(target / size)
    return scale if float(scale) * size >= target else np.nextafter(scale, np.float32(np.inf))


def has_ties(size: int, target: int) -> bool:
    """Whether some output is halfway between two inputs, and the scale is rounded."""
    rounded = float(scale_between(size, target)) * size != target
    return rounded and any((2 * position + 1) * size % (2 * target) == 0 for position in range(target))


def repeat(graph: Graph, x: str, rank: int, first: int, scales: Any) -> str:
    """Resize by nearest element, from axis `first` on; the value has `rank` axes."""
    all_scales = np.ones(rank, np.float32)
    all_scales[first : first + len(scales)] = scales
    return graph.add("Resize", x, "", all_scales, **HALF_PIXEL, **RESIZE["nearest"])


def matrix_of(taps: Taps, inputs: int) -> Any:
    """The matrix (outputs, inputs) of these taps."""
    matrix = np.zeros((len(taps.first), inputs))
    for row, first in enumerate(taps.first):
        weights = taps.weights[taps.ends[row] : taps.ends[row + 1]]
        matrix[row, first : first + len(weights)] = weights
    return matrix


def product(graph: Graph, x: str, rank: int, axis: int, matrix: Any) -> str:
    """Multiply all vectors along an axis by the matrix."""
    if np.array_equal(matrix, np.eye(*matrix.shape)):
        return x
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return graph.transpose(graph.add("MatMul", graph.transpose(x, order), matrix.T), order)
