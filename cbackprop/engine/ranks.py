"""Sums over ranks: of gradients, and of the counts for divisors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.kernels.memory import aligned_zeros
from cbackprop.distribution.communicator import Does
from cbackprop.distribution.shared_vectors import SharedVectors

if TYPE_CHECKING:
    from cbackprop.distribution.data_parallel import DataParallel

__all__ = ["Ranks", "sum_of_ranks"]

Array = NDArray[Any]
# If a smaller part of the gradient vector is trained, the trained ranges are first copied side by side.
DENSE_ENOUGH = 0.75


class Ranks:
    """Adds up gradients of one engine, and the counts for divisors, over all ranks.

    Parameters
    ----------
    distribution : DataParallel
    """

    def __init__(self, distribution: DataParallel) -> None:
        self.communicator, self.in_order = distribution.communicator, distribution.deterministic
        self._alike = distribution.auto_shard_dataset  # all ranks get the same batches
        self._shared: SharedVectors | None = None
        self._range = (0, 0)  # of the gradient vector, if it is shared
        self._parts: list[Array] = []  # of the gradient vector
        self._packed: Array | None = None

    def vector(self, size: int, dtype: Any) -> Array:
        """The gradient vector of this rank. If all ranks are on one machine, it is in memory that they share."""
        self.communicator.meet(Does.BEGIN)
        self._shared = self.communicator.shared_vectors(size, dtype)
        return aligned_zeros(size, dtype) if self._shared is None else self._shared.own

    def set_segments(self, vector: Array, ranges: list[tuple[int, int]]) -> None:
        """The parts begin:end of the gradient vector that ranks add up."""
        first, last = min((begin for begin, _ in ranges), default=0), max((end for _, end in ranges), default=0)
        trained = sum(end - begin for begin, end in ranges)
        self._packed = None
        if trained >= DENSE_ENOUGH * (last - first):  # between them there are zeros
            self._range, self._parts = (first, last), [vector[first:last]]
            return
        self._shared = None
        self._parts = [vector[begin:end] for begin, end in ranges]
        self._packed = np.empty(trained, vector.dtype)

    def add_gradients(self, samples: int) -> None:
        """Called in each step, between the gradients and the update, with the size of the whole batch."""
        self.communicator.meet(Does.STEP, samples=samples if self._alike else 0)
        if self._shared is not None:
            self.communicator.add_shared(self._shared, *self._range, self.in_order)
            return
        if self._packed is None:
            for part in self._parts:
                self.communicator.add(part, self.in_order)
            return
        np.concatenate(self._parts, out=self._packed)
        self.communicator.add(self._packed, self.in_order)
        begin = 0
        for part in self._parts:
            part[:] = self._packed[begin : begin + part.size]
            begin += part.size

    def check_samples(self, samples: int) -> None:
        """Called at the end of an evaluation. Check that all ranks had the same number of samples."""
        self.communicator.meet(Does.CHECK, samples=samples if self._alike else 0)

    def add_counts(self, counts: Any) -> None:
        """Called in a step whose divisors depend on the samples of all ranks."""
        self.communicator.meet(Does.COUNT)
        self.communicator.add(np.asarray(counts).reshape(-1))


def sum_of_ranks(ranks: Ranks | None, sums: Any) -> Any:
    """Nested lists, tuples and arrays of sums, added up over all ranks."""
    if ranks is None:
        return sums
    ranks.communicator.meet(Does.SUM)
    numbers: list[Array] = []
    _flatten(sums, numbers)
    flat = np.concatenate([np.zeros(1), *numbers])
    ranks.communicator.add(flat, ranks.in_order)
    return _formed(sums, iter(np.split(flat[1:], np.cumsum([part.size for part in numbers])[:-1])))


def _flatten(value: Any, numbers: list[Array]) -> None:
    if isinstance(value, (list, tuple)):
        for item in value:
            _flatten(item, numbers)
    elif value is not None:
        numbers.append(np.asarray(value, np.float64).reshape(-1))


def _formed(value: Any, numbers: Any) -> Any:
    """The flat numbers in the nested form of `value`."""
    if isinstance(value, (list, tuple)):
        return type(value)([_formed(item, numbers) for item in value])
    if value is None:
        return None
    found = next(numbers)
    return found.reshape(value.shape).astype(value.dtype) if isinstance(value, np.ndarray) else float(found[0])
