"""Integers that a graph computes from shapes. They may depend on the size of the batch or on other open sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.export.onnx_reader.folding import FOLDED, MOVES, FoldingError
from cbackprop.export.onnx_reader.inference import BATCH, Shape
from cbackprop.export.onnx_reader.open_sizes import Product, Size, simplest, terms

__all__ = ["Sizes", "computed", "of_shape"]

Array = NDArray[Any]


# The names of open sizes that are multiplied with each other.
Names = tuple[str, ...]


@dataclass(frozen=True)
class Sizes:
    """The numbers ``constant + factors[("the batch",)] * n + ...`` for n samples, and likewise for other open sizes.

    The keys of `factors` are the names of open sizes that are multiplied with each other.
    """

    constant: Array
    factors: dict[Names, Array]

    def as_list(self) -> list[Size | None]:
        """As a shape: numbers and open sizes; ``None`` for entries that are neither."""
        return [self._entry(place) for place in range(self.constant.size)]

    def _entry(self, place: int) -> Size | None:
        constant = int(self.constant.ravel()[place])
        used = {names: int(factor.ravel()[place]) for names, factor in self.factors.items() if factor.ravel()[place]}
        if not used:
            return constant
        ((names, factor), *more) = used.items()
        return None if constant or more else simplest(factor, names)

    def as_shape(self, batch: int, other: int) -> Array | None:
        """As a shape, with these codes for the batch (first axis) and for one other open size; else ``None``."""
        first, *rest = self.as_list() or [None]
        unknown = [size for size in rest if not isinstance(size, int)]
        if first != BATCH or len(unknown) > 1 or not all(isinstance(size, str) and size != BATCH for size in unknown):
            return None
        return np.array([batch, *(size if isinstance(size, int) else other for size in rest)], np.int64)

    def for_batch(self, size: int) -> Array | None:
        """The numbers for batches of this size; ``None`` if they depend on other open sizes."""
        if set(self.factors) != {(BATCH,)}:
            return None
        return self.constant + size * self.factors[(BATCH,)]

    def for_sizes(self, sizes: Mapping[str, int]) -> Array:
        """The numbers for these open sizes."""
        found = self.constant
        for names, factor in self.factors.items():
            found = found + factor * math.prod(sizes[name] for name in names)
        return found


def of_shape(shape: Shape, start: int, end: int | None) -> Sizes | Array | None:
    """The result of the operator Shape for a value; ``None`` if a size is unknown and has no name."""
    part = [None if size is None else terms(size) for size in shape[start:end]]
    known = [size for size in part if size is not None]
    if len(known) < len(part):
        return None
    constant = np.array([0 if size.names else size.factor for size in known], np.int64)
    found = dict.fromkeys(size.names for size in known if size.names)
    return _result(constant, {names: np.array([_of(size, names) for size in known], np.int64) for names in found})


def _of(size: Product, names: Names) -> int:
    """The factor with which these open sizes occur in a size."""
    return size.factor if size.names == names else 0


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
            raise FoldingError("it takes a slice that depends on the size of the batch")
        constant = _moved(node, inputs, movable, ())
        return _result(constant, {names: _moved(node, inputs, movable, names) for names in names_in(inputs)})
    if operator not in ("Add", "Sub", "Mul", "Div") or len(inputs) != 2:
        raise FoldingError("it computes with the size of the batch")
    return _arithmetic(operator, *inputs)


def _arithmetic(operator: str, first: Sizes | Array, second: Sizes | Array) -> Sizes | Array:
    """Arithmetic of two such numbers."""
    a, b = _part(first, ()), _part(second, ())
    pairs = {names: (_part(first, names), _part(second, names)) for names in names_in([first, second])}
    if operator in ("Add", "Sub"):
        combine = np.add if operator == "Add" else np.subtract
        return _result(combine(a, b), {names: combine(p, q) for names, (p, q) in pairs.items()})
    if operator == "Mul":
        return _multiplied(first, second)
    parts = [a, *(p for p, _ in pairs.values())]
    varies = any(q.any() for _, q in pairs.values())
    if not varies and (b > 0).all() and not any((p % b).any() for p in parts):
        return _result(a // b, {names: p // b for names, (p, _) in pairs.items()})
    raise FoldingError("it computes with the size of the batch")


def _multiplied(first: Sizes | Array, second: Sizes | Array) -> Sizes | Array:
    """The product of two such numbers, multiplied out."""
    found: dict[Names, Array] = {}
    for names in [(), *names_in([first])]:
        for others in [(), *names_in([second])]:
            both = tuple(sorted(names + others))
            found[both] = found.get(both, np.int64(0)) + _part(first, names) * _part(second, others)
    return _result(np.asarray(found.pop(())), found)


def names_in(values: Sequence[Sizes | Array]) -> list[Names]:
    """The open sizes that these numbers depend on."""
    return list(dict.fromkeys(names for value in values if isinstance(value, Sizes) for names in value.factors))


def _part(value: Sizes | Array, names: Names) -> Array:
    """The factors of these open sizes; without names, the constant part."""
    if not names:
        return value.constant if isinstance(value, Sizes) else value
    found = value.factors.get(names) if isinstance(value, Sizes) else None
    return np.zeros_like(_part(value, ())) if found is None else found


def _moved(node: Any, inputs: Sequence[Sizes | Array], movable: int, names: Names) -> Array:
    moved = [_part(value, names) for value in inputs[:movable]]
    return np.asarray(FOLDED[node.operator](node, *moved, *inputs[movable:]))


def _result(constant: Array, factors: dict[Names, Array]) -> Sizes | Array:
    shape = np.broadcast_shapes(constant.shape, *(factor.shape for factor in factors.values()))
    used = {names: np.broadcast_to(factor, shape) for names, factor in factors.items() if factor.any()}
    return Sizes(np.broadcast_to(constant, shape), used) if used else constant
