"""Whole numbers that a graph computes from shapes, and which may depend on the size of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.export.onnx_reader.folding import FOLDED, MOVES, FoldingError
from cbackprop.export.onnx_reader.inference import BATCH, Shape

__all__ = ["Sizes", "computed", "of_shape"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Sizes:
    """The numbers ``constant + factor * n`` for batches of n samples."""

    constant: Array
    factor: Array

    def as_shape(self, batch: int) -> Array | None:
        """As a shape with this size of the batch axis; ``None`` if it is not a shape of whole samples."""
        first, rest = (self.constant[0], self.factor[0]), self.factor[1:]
        return np.array([batch, *self.constant[1:]], np.int64) if first == (0, 1) and not rest.any() else None


def of_shape(shape: Shape, start: int, end: int | None) -> Sizes | Array | None:
    """The result of the operator Shape for a value; ``None`` if a size is unknown."""
    part = shape[start:end]
    if any(size is None for size in part):
        return None
    factor = np.array([size == BATCH for size in part], np.int64)
    constant = np.array([0 if size == BATCH else size for size in part], np.int64)
    return Sizes(constant, factor) if factor.any() else constant


def computed(node: Any, inputs: Sequence[Sizes | Array]) -> Sizes | Array:
    """Compute an operator on such numbers.

    Raises
    ------
    FoldingError
        If the result is not of this form.
    """
    operator, types = node.operator, node.package.TensorProto
    if operator == "Cast" and node.attribute("to") in (types.INT64, types.INT32):
        assert isinstance(inputs[0], Sizes)
        return inputs[0]
    if operator in MOVES:
        movable = len(inputs) if operator == "Concat" else 1
        if any(isinstance(value, Sizes) for value in inputs[movable:]):
            raise FoldingError("a part is taken that depends on the size of the batch")
        return _result(*(_moved(node, inputs, movable, part) for part in ("constant", "factor")))
    if operator not in ("Add", "Sub", "Mul", "Div") or len(inputs) != 2:
        raise FoldingError("it computes with the size of the batch")
    (a, p), (b, q) = ((_part(value, "constant"), _part(value, "factor")) for value in inputs)
    if operator in ("Add", "Sub"):
        return _result(a + b, p + q) if operator == "Add" else _result(a - b, p - q)
    if operator == "Mul" and not (p * q).any():
        return _result(a * b, a * q + b * p)
    if operator == "Div" and not q.any() and (b > 0).all() and not (a % b).any() and not (p % b).any():
        return _result(a // b, p // b)
    raise FoldingError("it computes with the size of the batch")


def _part(value: Sizes | Array, part: str) -> Array:
    if isinstance(value, Sizes):
        found: Array = getattr(value, part)
        return found
    return value if part == "constant" else np.zeros_like(value)


def _moved(node: Any, inputs: Sequence[Sizes | Array], movable: int, part: str) -> Array:
    moved = [_part(value, part) for value in inputs[:movable]]
    return np.asarray(FOLDED[node.operator](node, *moved, *inputs[movable:]))


def _result(constant: Array, factor: Array) -> Sizes | Array:
    constant, factor = np.broadcast_arrays(constant, factor)
    return Sizes(constant, factor) if factor.any() else constant
