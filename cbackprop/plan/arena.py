"""Where in one block of memory each buffer goes, given when it is in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Lifetime", "place"]

# Elements between the starts of two buffers are a multiple of this: a cache line of floats.
ALIGNMENT = 16


@dataclass(frozen=True)
class Lifetime:
    """A buffer's size in elements, and the first and last moment at which it is in use."""

    size: int
    first: int
    last: int


def place(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Offsets so that buffers in use at the same time do not overlap, and the size of the whole.

    Greedy by size: the largest buffers are placed first, each into the lowest gap that is free
    for as long as it lives.

    Examples
    --------
    >>> from cbackprop.plan.arena import Lifetime, place
    >>> place([Lifetime(16, 0, 1), Lifetime(16, 1, 2), Lifetime(16, 2, 3)])
    ([0, 16, 0], 32)
    """
    offsets = [0] * len(lifetimes)
    placed: list[int] = []
    total = 0
    for index in sorted(range(len(lifetimes)), key=lambda i: -lifetimes[i].size):
        mine = lifetimes[index]
        rivals = sorted(
            (offsets[i], offsets[i] + lifetimes[i].size)
            for i in placed
            if lifetimes[i].first <= mine.last and mine.first <= lifetimes[i].last
        )
        start = 0
        for begin, end in rivals:
            if start + mine.size <= begin:
                break
            start = max(start, -(-end // ALIGNMENT) * ALIGNMENT)
        offsets[index] = start
        placed.append(index)
        total = max(total, start + mine.size)
    return offsets, total
