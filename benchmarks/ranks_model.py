"""The cost of a step of many ranks: one rank's step, and a sum over all ranks, by latency and bandwidth."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

WANTED = 0.8  # efficiency


class Link(NamedTuple):
    """The cost of a sum over ranks: seconds for a message, and seconds for a byte."""

    latency: float
    byte: float


# Not measured: what vendors of such networks state for messages between two machines.
NETWORK_CARDS = {
    "Ethernet, 10 Gbit/s, 30 µs": Link(30e-6, 8 / 10e9),
    "InfiniBand, 100 Gbit/s, 2 µs": Link(2e-6, 8 / 100e9),
}


def sum_seconds(ranks: int, weights: int, link: Link) -> float:
    """Each rank adds up its part and then hands it on: 2 log2(R) messages, and 2 (R - 1) / R of all bytes."""
    if ranks == 1:
        return 0.0
    return 2 * math.log2(ranks) * link.latency + 2 * (ranks - 1) / ranks * 4 * weights * link.byte


def fitted(sums: dict[str, float]) -> Link:
    """Latency and bandwidth of what two ranks have measured, by least squares of relative errors."""
    sizes = np.array([int(size) for size in sums], float)
    seconds = np.array(list(sums.values()))
    terms = np.stack([np.full(len(sizes), 2.0), 4 * sizes], axis=1) / seconds[:, None]
    latency, byte = np.linalg.lstsq(terms, np.ones(len(sizes)), rcond=None)[0]
    return Link(max(latency, 0.0), max(byte, 0.0))


def efficiency(ranks: int, alone: float, weights: int, link: Link) -> float:
    """The time of a step of one rank, by that of a step of all ranks with as many samples each."""
    return alone / (alone + sum_seconds(ranks, weights, link))


def most_ranks(alone: float, weights: int, link: Link) -> int:
    """The largest power of two of ranks that are as efficient as wanted."""
    ranks = 1
    while ranks < 2**20 and efficiency(2 * ranks, alone, weights, link) >= WANTED:
        ranks *= 2
    return ranks
