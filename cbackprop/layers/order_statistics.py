"""Find the numbers at given ranks of data that is too large to sort."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.target import blocks

__all__ = ["at_ranks"]

# How many bits of a float32 each pass finds, starting with the leading ones.
BITS = (16, 8, 8)


def at_ranks(values: NDArray[Any], ranks: NDArray[np.int64]) -> NDArray[np.float32]:
    """The same as ``numpy.sort(values, axis=None)[ranks]``, as float32, but with little memory.

    The bits of the wanted numbers are found from the leading ones on. Each pass counts the next bits of all values
    whose leading bits equal those found so far for one of the wanted numbers.

    Parameters
    ----------
    values : ndarray
        Numbers of any shape, type and strides, without NaN.
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
    """The group numbers and the next bits, as one code, of the values whose leading bits belong to a group."""
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
    """Whole numbers that have the same order as these numbers as float32."""
    with np.errstate(over="ignore"):
        floats = block.astype(np.float32).ravel() + np.float32(0)  # turns -0 into 0
    bits = floats.view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | 0x80000000)
