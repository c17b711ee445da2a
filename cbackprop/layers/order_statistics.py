"""The numbers at some places of the sorted data, of data that is too large to be sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.target import blocks

__all__ = ["at_ranks"]

# Bits of a float32 that are looked at in each of the passes, the first ones first.
BITS = (16, 8, 8)


def at_ranks(values: NDArray[Any], ranks: NDArray[np.int64]) -> NDArray[np.float32]:
    """What ``numpy.sort(values, axis=None)[ranks]`` is, as float32, in the memory of a part of the values.

    Each pass over the values counts how often the next bits occur among those that begin like one of the numbers that
    are looked for. So the bits of these are found one after the other.

    Parameters
    ----------
    values : ndarray
        Of any shape, type and strides; no NaN.
    ranks : ndarray (n,)
        In [0, values.size).

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.layers.order_statistics import at_ranks
    >>> at_ranks(np.array([[3.0, -1.0], [2.5, 0.0]]), np.array([0, 3]))
    array([-1.,  3.], dtype=float32)
    """
    keys, group, rank = np.zeros(len(ranks), np.uint32), np.zeros(len(ranks), np.int64), ranks
    groups: list[NDArray[np.int64]] = []  # for each code so far, the number of its group, or -1
    count = 1
    for bits in BITS:
        counts = np.zeros(count << bits, np.int64)
        for _, block in blocks(values):
            counts += np.bincount(_codes(block, groups), minlength=len(counts))
        before = np.concatenate([[0], counts.cumsum()])
        place = before[group << bits] + rank
        code = before.searchsorted(place, side="right") - 1
        rank = place - before[code]
        keys = keys << np.uint32(bits) | (code & (1 << bits) - 1).astype(np.uint32)
        wanted, group = np.unique(code, return_inverse=True)
        groups.append(np.full(len(counts), -1))
        groups[-1][wanted] = np.arange(len(wanted))
        count = len(wanted)
    return np.where(keys >> 31, keys & 0x7FFFFFFF, ~keys).view(np.float32)


def _codes(block: NDArray[Any], groups: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The next bits of those values that begin as is wanted, together with the number of the group that they are in."""
    keys = _keys(block)
    shift = 32 - BITS[0]
    codes = (keys >> shift).astype(np.int64)
    for level, bits in zip(groups, BITS[1:], strict=False):
        found = level[codes]
        keys, found = keys[found >= 0], found[found >= 0]
        shift -= bits
        codes = found << bits | keys >> shift & (1 << bits) - 1
    return codes


def _keys(block: NDArray[Any]) -> NDArray[np.uint32]:
    """Whole numbers in the order of these numbers as float32."""
    with np.errstate(over="ignore"):
        floats = block.astype(np.float32).ravel() + np.float32(0)  # which makes 0 of -0
    bits = floats.view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | 0x80000000)
