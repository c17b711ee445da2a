"""Whole numbers that a graph computes from shapes, and which may depend on the size of the batch or of another axis."""

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
    """The numbers ``constant + factors["the batch"] * n + ...`` for batches of n samples, and other unknown sizes."""

    constant: Array
    factors: dict[str, Array]

    def as_list(self) -> list[int | str | None]:
        """As a shape: numbers and unknown sizes; ``None`` for what is neither."""
        return [self._entry(place) for place in range(self.constant.size)]

    def _entry(self, place: int) -> int | str | None:
        constant = int(self.constant.ravel()[place])
        used = {name: int(factor.ravel()[place]) for name, factor in self.factors.items() if factor.ravel()[place]}
        if not used:
            return constant
        return next(iter(used)) if constant == 0 and list(used.values()) == [1] else None

    def as_shape(self, batch: int, other: int) -> Array | None:
        """As a shape with these codes for the batch, the first axis, and one other unknown size; else ``None``."""
        first, *rest = self.as_list() or [None]
        unknown = [size for size in rest if not isinstance(size, int)]
        if first != BATCH or None in unknown or BATCH in unknown or len(unknown) > 1:
            return None
        return np.array([batch, *(size if isinstance(size, int) else other for size in rest)], np.int64)

    def for_batch(self, size: int) -> Array | None:
        """The numbers for batches of one size; ``None`` if they depend on other unknown sizes."""
        if set(self.factors) != {BATCH}:
            return None
        return self.constant + size * self.factors[BATCH]


def of_shape(shape: Shape, start: int, end: int | None) -> Sizes | Array | None:
    """The result of the operator Shape for a value; ``None`` if a size is unknown and has no name."""
    part = shape[start:end]
    if any(size is None for size in part):
        return None
    names = dict.fromkeys(size for size in part if isinstance(size, str))
    constant = np.array([size if isinstance(size, int) else 0 for size in part], np.int64)
    return _result(constant, {name: np.array([size == name for size in part], np.int64) for name in names})


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
        names = names_in(inputs)
        constant = _moved(node, inputs, movable, None)
        return _result(constant, {name: _moved(node, inputs, movable, name) for name in names})
    if operator not in ("Add", "Sub", "Mul", "Div") or len(inputs) != 2:
        raise FoldingError("it computes with the size of the batch")
    return _arithmetic(operator, *inputs)


def _arithmetic(operator: str, first: Sizes | Array, second: Sizes | Array) -> Sizes | Array:
    """Arithmetic of two such numbers."""
    a, b = _part(first, None), _part(second, None)
    pairs = {name: (_part(first, name), _part(second, name)) for name in names_in([first, second])}
    if operator in ("Add", "Sub"):
        combine = np.add if operator == "Add" else np.subtract
        return _result(combine(a, b), {name: combine(p, q) for name, (p, q) in pairs.items()})
    varies = [np.any([pair[side] for pair in pairs.values()], axis=0) for side in (0, 1)]
    if operator == "Mul" and not (varies[0] & varies[1]).any():
        return _result(a * b, {name: a * q + b * p for name, (p, q) in pairs.items()})
    parts = [a, *(p for p, _ in pairs.values())]
    if operator == "Div" and not varies[1].any() and (b > 0).all() and not any((p % b).any() for p in parts):
        return _result(a // b, {name: p // b for name, (p, _) in pairs.items()})
    raise FoldingError("it computes with the size of the batch")


def names_in(values: Sequence[Sizes | Array]) -> list[str]:
    """The unknown sizes on which numbers depend."""
    return list(dict.fromkeys(name for value in values if isinstance(value, Sizes) for name in value.factors))


def _part(value: Sizes | Array, name: str | None) -> Array:
    """The factors of an unknown size, or without one what depends on none."""
    if name is None:
        return value.constant if isinstance(value, Sizes) else value
    found = value.factors.get(name) if isinstance(value, Sizes) else None
    return np.zeros_like(_part(value, None)) if found is None else found


def _moved(node: Any, inputs: Sequence[Sizes | Array], movable: int, name: str | None) -> Array:
    moved = [_part(value, name) for value in inputs[:movable]]
    return np.asarray(FOLDED[node.operator](node, *moved, *inputs[movable:]))


def _result(constant: Array, factors: dict[str, Array]) -> Sizes | Array:
    shape = np.broadcast_shapes(constant.shape, *(factor.shape for factor in factors.values()))
    used = {name: np.broadcast_to(factor, shape) for name, factor in factors.items() if factor.any()}
    return Sizes(np.broadcast_to(constant, shape), used) if used else constant
