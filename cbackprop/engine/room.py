"""The arenas that an engine has reserved: for blocks, and for batches as a whole."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.compiled.engine.contexts import Contexts
from cbackprop.engine.memory import Memory

__all__ = ["Room"]

# Bytes of buffers that stay in a processor's second level cache while a block passes through the layers.
CACHE_BYTES = 256 * 1024
# A block has room for a multiple of so many samples, which suits every size of register tiles. It has room for two such
# steps if these are not larger than the bytes that follow: fewer samples are not worth reading all weights.
BLOCK_STEP = 24
BLOCK_BYTES = 2 * 1024 * 1024


class Room:
    """Reserves memory for the samples of a run, and keeps it until a run needs more.

    Parameters
    ----------
    memory : Memory
    contexts : Contexts
    weight_bytes : int
        The bytes of all weights that a block reads.

    Attributes
    ----------
    blocks, whole : tuple of int
        The samples of a block, or of a whole batch, and the threads that there is room for.
    arena : (ndarray, Layout) or None
        The memory of whole batches, if the engine keeps its buffers.
    """

    def __init__(self, memory: Memory, contexts: Contexts, weight_bytes: int) -> None:
        self.memory, self.contexts, self.weight_bytes = memory, contexts, weight_bytes
        self.blocks = self.whole = (0, 0)
        self.arena: Any = None

    def samples_of_block(self) -> int:
        """The samples of a block: as many as stay in the cache, but no fewer than make it worth reading all weights."""
        sample_bytes = max(self.memory.sample_bytes, 1)
        least = min(2 * BLOCK_STEP, BLOCK_BYTES / sample_bytes)
        samples = max(int(max(CACHE_BYTES, self.weight_bytes) / sample_bytes), int(least), 1)
        return samples // BLOCK_STEP * BLOCK_STEP or samples

    def reserve_blocks(self, samples: int, threads: int, as_one: bool = False) -> None:
        """Make room for blocks in so many threads: `samples` in one block, or at most as many as suit the caches.

        A little more room than was asked for, so that a series of growing batches finds it there already.
        """
        if samples < BLOCK_STEP:
            samples = min(1 << (samples - 1).bit_length(), BLOCK_STEP)
        else:
            samples = math.ceil(samples / BLOCK_STEP) * BLOCK_STEP
        if not as_one:
            samples = min(self.samples_of_block(), samples)
        if samples > self.blocks[0] or threads > self.blocks[1]:
            samples, threads = max(samples, self.blocks[0]), max(threads, self.blocks[1])
            self.blocks = (0, 0)
            self.contexts.place_blocks(self.memory.blocks(samples, threads), samples)
            self.blocks = (samples, threads)

    def forget_blocks(self) -> None:
        """Have the next run reserve blocks of its own."""
        self.blocks = (0, 0)

    def reserve_whole(self, samples: int, threads: int) -> None:
        """Make room for batches of so many samples in one arena, which so many threads share."""
        if samples > self.whole[0] or threads > self.whole[1]:
            samples, threads = max(samples, self.whole[0]), max(threads, self.whole[1])
            self.whole = (0, 0)
            *shares, all_samples = self.memory.whole(samples, threads)
            self.arena = self.memory.last_arena
            self.contexts.place_whole(shares, all_samples, samples)
            self.whole = (samples, threads)
