"""Random numbers that depend only on where they are used, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["bits", "mask", "normal", "philox", "uniform"]

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
LOW = np.uint64(2**32 - 1)
HALF = np.uint64(32)


def philox(counter: Any, key: tuple[int, int]) -> NDArray[np.uint32]:
    """Philox4x32-10: four random words for each counter of four words.

    Each round multiplies the first and the third word by constants. The upper halves of the products are mixed with the
    other two words and the key; then upper and lower halves are exchanged. The key changes after each round.

    Parameters
    ----------
    counter : array_like of 32-bit numbers, shape (n, 4)
    key : two 32-bit numbers

    Returns
    -------
    ndarray of uint32, shape (n, 4)

    References
    ----------
    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

    Examples
    --------
    >>> from cbackprop.reference.random import philox
    >>> [hex(word) for word in philox([[0, 0, 0, 0]], (0, 0))[0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = np.asarray(counter, np.uint64).T
    k0, k1 = key
    for _ in range(ROUNDS):
        a, b = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = (b >> HALF) ^ c1 ^ np.uint64(k0), b & LOW
        c2, c3 = (a >> HALF) ^ c3 ^ np.uint64(k1), a & LOW
        k0, k1 = (k0 + KEY_STEPS[0]) % 2**32, (k1 + KEY_STEPS[1]) % 2**32
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def bits(n: int, iteration: int, stream: int, node: int, block: int = 0) -> NDArray[np.uint32]:
    """Uniform 32-bit numbers for n elements: four from each block, starting with block number `block`."""
    blocks = np.arange(-(-n // 4), dtype=np.uint64) + np.uint64(block)
    counter = np.empty((len(blocks), 4), np.uint64)
    counter[:, 0], counter[:, 1] = blocks & LOW, blocks >> HALF
    counter[:, 2], counter[:, 3] = iteration % 2**32, iteration >> 32
    return philox(counter, (stream, node)).reshape(-1)[:n]


def mask(n: int, probability: float, iteration: int, stream: int, node: int, first: int = 0) -> NDArray[np.bool_]:
    """True with this probability, for n elements from `first` on: if an element's bits are below probability 2^32."""
    block, skipped = divmod(first, 4)
    return bits(skipped + n, iteration, stream, node, block)[skipped:] < int(probability * 2.0**32 + 0.5)


def normal(n: int, iteration: int, stream: int, node: int, first: int = 0) -> NDArray[np.float64]:
    """Standard normal numbers for n elements from `first` on; each two words give two numbers.

    With uniform u and v they are ``sqrt(-2 log u) cos(2 pi v)`` and ``sqrt(-2 log u) sin(2 pi v)``; v starts at -1/8.

    References
    ----------
    Box and Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics 29, 1958.
    """
    block, skipped = divmod(first, 4)
    words = bits((skipped + n + 3) // 4 * 4, iteration, stream, node, block).astype(np.float64)
    distance = np.sqrt(-2 * np.log((words[0::2] + 0.5) * 2.0**-32))
    angle = 2 * np.pi * (words[1::2] * 2.0**-32 - 0.125)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1).reshape(-1)[skipped : skipped + n]


def uniform(n: int, iteration: int, stream: int, node: int, first: int = 0) -> NDArray[np.float64]:
    """Numbers from [0, 1), multiples of 2^-32, for n elements from `first` on."""
    block, skipped = divmod(first, 4)
    return bits(skipped + n, iteration, stream, node, block)[skipped:].astype(np.float64) * 2.0**-32
