"""Compute operators on constants as ONNX defines them, in the types of the operands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FOLDED", "MOVES", "FoldingError", "whole_slice"]

Array = NDArray[Any]
# A result may be this many times as large as the constants that it is computed from.
LARGEST_GROWTH = 4096
# The most elements of a constant that is filled with one number, such as the initial states of a recurrence.
LARGEST_FILLED = 2**20


class FoldingError(ValueError):
    """An operator on these constants cannot be computed."""


def _elementwise(function: Callable[..., Any]) -> Callable[..., Array]:
    """Arithmetic in the type of the operands. Results that are much larger than the operands are refused."""

    def compute(node: Any, *arrays: Array) -> Array:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        _refuse_growth(shape, arrays)
        return np.asarray(function(*arrays)).astype(arrays[0].dtype)

    return compute


def _refuse_growth(shape: Sequence[int], arrays: Sequence[Array], most: int = LARGEST_GROWTH) -> None:
    """Refuse a result that takes much more memory than the file."""
    size = math.prod(int(length) for length in shape)
    if size > max(most, *(array.size for array in arrays)):
        raise FoldingError(f"its result would be much larger than its constants of shapes {[a.shape for a in arrays]}")


def _comparison(function: Callable[..., Any]) -> Callable[..., Array]:
    def compute(node: Any, *arrays: Array) -> Array:
        _refuse_growth(np.broadcast_shapes(*(array.shape for array in arrays)), arrays)
        return np.asarray(function(*arrays))

    return compute


def _divide(a: Array, b: Array) -> Any:
    if a.dtype.kind == "f":
        return np.divide(a, b)
    if (b == 0).any():
        raise FoldingError("a whole number is divided by 0")
    quotient = np.floor_divide(a, b)
    return quotient + ((quotient < 0) & (quotient * b != a)).astype(a.dtype)  # round towards 0


def _power(a: Array, b: Array) -> Any:
    if a.dtype.kind == "f":
        return np.power(a, b.astype(a.dtype) if b.dtype.kind == "f" else b.astype(np.float64))
    if b.dtype.kind == "f" or (b < 0).any():
        raise FoldingError("a whole number is raised to a negative or very large power")
    return np.power(a, b.astype(a.dtype))


def _cast(node: Any, array: Array) -> Array:
    """Cast to another type. Casts to integers round towards 0 and must not overflow."""
    dtype = node.package.helper.tensor_dtype_to_np_dtype(node.attribute("to"))
    if dtype.kind not in "fiub" or dtype.name == "bfloat16" or "float8" in dtype.name:
        raise FoldingError(f"constants of type {dtype} are not supported")
    if dtype.kind in "iu":
        limits, values = np.iinfo(dtype), np.trunc(array) if array.dtype.kind == "f" else array
        if not all(limits.min <= int(value) <= limits.max for value in (values.min(), values.max()) if array.size):
            raise FoldingError(f"constants are too large for {dtype}")
    return array.astype(dtype)


def _axes(rest: tuple[Array, ...]) -> tuple[int, ...] | None:
    """The axes given by an optional input."""
    return tuple(int(axis) for axis in rest[0].ravel()) if rest else None


def _transpose(node: Any, array: Array) -> Array:
    return array.transpose(node.attribute("perm"))


def _reshape(node: Any, array: Array, shape: Array) -> Array:
    sizes = [int(size) for size in shape.ravel()]
    if not node.attribute("allowzero"):
        sizes = [array.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return array.reshape(sizes)


def _flatten(node: Any, array: Array) -> Array:
    axis = node.attribute("axis")
    axis = axis + array.ndim if axis < 0 else axis
    return array.reshape(math.prod(array.shape[:axis]), math.prod(array.shape[axis:]))


def _gather(node: Any, array: Array, indices: Array) -> Array:
    axis = node.attribute("axis")
    _refuse_growth((*array.shape[:axis], *indices.shape, *array.shape[axis:][1:]), [array])
    return np.take(array, indices, axis)


def _slice(
    node: Any, array: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None
) -> Array:
    along = range(len(starts)) if axes is None else [int(axis) for axis in axes]
    by = [1] * len(starts) if steps is None else [int(step) for step in steps]
    index: list[Any] = [slice(None)] * array.ndim
    for axis, start, end, step in zip(along, starts, ends, by, strict=True):
        index[axis] = whole_slice(int(start), int(end), step, array.shape[axis])
    return array[tuple(index)]


def whole_slice(start: int, end: int, step: int, size: int) -> slice:
    """Convert a slice of an axis from ONNX to Python. The two clip bounds differently for negative steps."""
    if step == 0:
        raise FoldingError("it takes a slice with a step of 0")
    if step < 0 and (start < -size or end >= size):
        raise FoldingError(f"the slice from {start} to {end} in steps of {step} is not within an axis of {size}")
    return slice(start, end, step)


def _expand(node: Any, array: Array, shape: Array) -> Array:
    final = np.broadcast_shapes(array.shape, tuple(int(size) for size in shape.ravel()))
    _refuse_growth(final, [array], LARGEST_FILLED)
    return np.broadcast_to(array, final).copy()


def _filled(node: Any, shape: Array) -> Array:
    sizes = tuple(int(size) for size in shape.ravel())
    _refuse_growth(sizes, [shape], LARGEST_FILLED)
    value = node.attribute("value")
    array = np.zeros(1, np.float32) if value is None else node.package.numpy_helper.to_array(value)
    return np.full(sizes, array.ravel()[0])


def _range(node: Any, start: Array, limit: Array, delta: Array) -> Array:
    first, last, step = (array.reshape(()) for array in (start, limit, delta))
    if step == 0 or not np.isfinite([first, last, step]).all():
        raise FoldingError("the range does not end")
    count = max(math.ceil((float(last) - float(first)) / float(step)), 0)
    _refuse_growth((count,), [start])
    return (first + np.arange(count).astype(start.dtype) * step).astype(start.dtype)


def _product(node: Any, array: Array, *rest: Array) -> Array:
    axes = _axes(rest)
    if not axes and node.attribute("noop_with_empty_axes"):
        return array
    return np.asarray(np.prod(array, axis=axes or None, keepdims=bool(node.attribute("keepdims")), dtype=array.dtype))


def _remainder(node: Any, a: Array, b: Array) -> Any:
    if (b == 0).any():
        raise FoldingError("a number is divided by 0")
    return np.fmod(a, b) if node.attribute("fmod") else np.mod(a, b)


def _split(node: Any, array: Array, sizes: Array | None = None) -> list[Array]:
    axis, count = node.attribute("axis"), len(node.outputs)
    length = array.shape[axis]
    chunk = math.ceil(length / count)
    lengths = [min(chunk, length - chunk * part) for part in range(count)] if sizes is None else sizes.ravel().tolist()
    if sum(lengths) != length or min(lengths) < 0 or len(lengths) != count:
        raise FoldingError(f"parts of sizes {lengths} do not add up to {length} elements")
    return np.split(array, np.cumsum(lengths)[:-1], axis)


def _tile(node: Any, array: Array, repeats: Array) -> Array:
    times = [int(number) for number in repeats.ravel()]
    _refuse_growth([size * number for size, number in zip(array.shape, times, strict=True)], [array])
    return np.tile(array, times)


def _running_sum(node: Any, array: Array, axis: Array) -> Array:
    along = int(axis.reshape(()))
    if node.attribute("exclusive") or node.attribute("reverse"):
        raise FoldingError("an exclusive or reversed CumSum is not supported")
    return np.cumsum(array, along, dtype=array.dtype)


def _where(node: Any, condition: Array, a: Array, b: Array) -> Array:
    _refuse_growth(np.broadcast_shapes(condition.shape, a.shape, b.shape), [condition, a, b])
    return np.where(condition, a, b)


def _triangle(node: Any, array: Array, diagonal: Array | None = None) -> Array:
    offset = 0 if diagonal is None else int(diagonal.reshape(()))
    return np.triu(array, offset) if node.attribute("upper") else np.tril(array, offset)


def _matmul(node: Any, a: Array, b: Array) -> Array:
    _refuse_growth((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *a.shape[-2:-1], *b.shape[-1:]), [a, b])
    return np.matmul(a, b)


# Operators on shapes that contain the size of the batch.
MOVES = ("Identity", "Reshape", "Squeeze", "Unsqueeze", "Concat", "Gather", "Slice", "Flatten")
# Operators on constants.
FOLDED: dict[str, Callable[..., Any]] = {
    "Identity": lambda node, array: array,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": lambda node, array, *rest: np.squeeze(array, _axes(rest)),
    "Unsqueeze": lambda node, array, *rest: np.expand_dims(array, _axes(rest) or ()),
    "Concat": lambda node, *arrays: np.concatenate(arrays, node.attribute("axis")),
    "Gather": _gather,
    "Slice": _slice,
    "Expand": _expand,
    "ConstantOfShape": _filled,
    "Range": _range,
    "ReduceProd": _product,
    "CumSum": _running_sum,
    "Mod": _remainder,
    "Split": _split,
    "Tile": _tile,
    "IsNaN": _comparison(np.isnan),
    "Where": _where,
    "Trilu": _triangle,
    "Equal": _comparison(np.equal),
    "Greater": _comparison(np.greater),
    "Less": _comparison(np.less),
    "MatMul": _matmul,
    "Relu": _elementwise(lambda array: np.maximum(array, 0)),
    "Sigmoid": _elementwise(lambda array: 1 / (1 + np.exp(-array))),
    "Tanh": _elementwise(np.tanh),
    "GreaterOrEqual": _comparison(np.greater_equal),
    "LessOrEqual": _comparison(np.less_equal),
    "Not": _comparison(np.logical_not),
    "And": _comparison(np.logical_and),
    "Or": _comparison(np.logical_or),
    "Neg": _elementwise(np.negative),
    "Abs": _elementwise(np.abs),
    "Sqrt": _elementwise(np.sqrt),
    "Exp": _elementwise(np.exp),
    "Reciprocal": _elementwise(np.reciprocal),
    "Floor": _elementwise(np.floor),
    "Ceil": _elementwise(np.ceil),
    "Add": _elementwise(np.add),
    "Sub": _elementwise(np.subtract),
    "Mul": _elementwise(np.multiply),
    "Div": _elementwise(_divide),
    "Pow": _elementwise(_power),
    "Max": _elementwise(lambda *arrays: np.maximum.reduce(np.broadcast_arrays(*arrays))),
    "Min": _elementwise(lambda *arrays: np.minimum.reduce(np.broadcast_arrays(*arrays))),
}
