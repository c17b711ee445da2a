"""Where in one block of memory each buffer goes, given when it is in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lifetime", "arrange"]

# Bytes between the starts of two buffers are a multiple of this, a cache line.
ALIGNMENT = 64


class Lifetime(NamedTuple):
    """A buffer's size in bytes, and the first and last moment at which it is in use."""

    size: int
    first: int
    last: int


def arrange(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Offsets so that buffers in use at the same time do not overlap, and the size of the whole.

    Greedy by size: the largest buffers are placed first, each into the lowest gap that is free
    for as long as it lives.

    Examples
    --------
    >>> from cbackprop.plan.arena import Lifetime, arrange
    >>> arrange([Lifetime(64, 0, 1), Lifetime(64, 1, 2), Lifetime(64, 2, 3)])
    ([0, 64, 0], 128)
    """
    order = sorted(range(len(lifetimes)), key=lambda i: -lifetimes[i].size)
    # As arrays: networks of thousands of layers have millions of pairs
    firsts = np.array([lifetimes[i].first for i in order], np.int64)
    lasts = np.array([lifetimes[i].last for i in order], np.int64)
    begins, ends = np.zeros_like(firsts), np.zeros_like(firsts)
    for k, index in enumerate(order):
        mine = lifetimes[index]
        rivals = (firsts[:k] <= mine.last) & (mine.first <= lasts[:k])
        begins[k] = _lowest_gap(begins[:k][rivals], ends[:k][rivals], mine.size)
        ends[k] = begins[k] + mine.size
    offsets = dict(zip(order, begins.tolist(), strict=True))
    return [offsets[i] for i in range(len(lifetimes))], int(ends.max(initial=0))


def _lowest_gap(begins: NDArray[np.int64], ends: NDArray[np.int64], size: int) -> int:
    """The lowest offset for so many bytes that overlaps with none of these."""
    by_begin = np.argsort(begins)
    above = np.maximum.accumulate(-(-ends[by_begin] // ALIGNMENT) * ALIGNMENT)  # of each of them and those below
    starts = np.concatenate([[0], above])
    fits = starts[:-1] + size <= begins[by_begin]
    return int(starts[fits.argmax() if fits.any() else -1])
