"""Place buffers in one block of memory, given when each of them is in use."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

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

    Greedy by size: the largest buffers are placed first, each into the lowest gap that is free for its whole lifetime.
    Buffers of the same size are placed in the order of time. So neighbours in time become neighbours in memory, and the
    gaps between them are large.

    Examples
    --------
    >>> from cbackprop.plan.arena import Lifetime, arrange
    >>> arrange([Lifetime(64, 0, 1), Lifetime(64, 1, 2), Lifetime(64, 2, 3)])
    ([0, 64, 0], 128)
    """
    offsets, whole = [0] * len(lifetimes), 0
    # Sorted by offset: offset, end (at a cache line), first and last moment.
    placed: list[tuple[int, int, int, int]] = []
    for index in sorted(range(len(lifetimes)), key=lambda i: (-lifetimes[i].size, lifetimes[i].first)):
        (size, first, last), at = lifetimes[index], 0
        for begin, behind, its_first, its_last in placed:
            if its_first <= last and first <= its_last:
                if at + size <= begin:
                    break
                if behind > at:
                    at = behind
        offsets[index] = at
        whole = max(whole, at + size)
        bisect.insort(placed, (at, -(-(at + size) // ALIGNMENT) * ALIGNMENT, first, last))
    return offsets, whole
