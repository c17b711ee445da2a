"""The arenas that an engine has reserved, for blocks and for whole batches."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.compiled.engine.contexts import Contexts
from cbackprop.engine.memory import Memory

__all__ = ["Room"]

# Bytes of buffers that fit into a processor's second level cache while a block passes through the layers.
CACHE_BYTES = 256 * 1024
# A block has a multiple of this number of samples, which suits all register tiles. It has at least two such steps,
# unless these take more than the bytes below, because reading all weights does not pay for fewer samples.
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
        How many samples of a block, or of a whole batch, and how many threads there is memory for.
    arena : (ndarray, Layout) or None
        The memory of whole batches, if the engine keeps its buffers.
    """

    def __init__(self, memory: Memory, contexts: Contexts, weight_bytes: int) -> None:
        self.memory, self.contexts, self.weight_bytes = memory, contexts, weight_bytes
        self.blocks = self.whole = (0, 0)
        self.arena: Any = None

    def samples_of_block(self) -> int:
        """The samples of a block: as many as fit the cache, but enough to make reading all weights pay."""
        sample_bytes = max(self.memory.sample_bytes, 1)
        least = min(2 * BLOCK_STEP, BLOCK_BYTES / sample_bytes)
        samples = max(int(max(CACHE_BYTES, self.weight_bytes) / sample_bytes), int(least), 1)
        return samples // BLOCK_STEP * BLOCK_STEP or samples

    def reserve_blocks(self, samples: int, threads: int, as_one: bool = False) -> None:
        """Reserve memory for a block in each thread, of `samples` (`as_one`) or at most as many as suit the caches.

        It reserves a little more than was asked for, so that slowly growing batches need no new memory each time.
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
        """Let the next run reserve new blocks."""
        self.blocks = (0, 0)

    def reserve_whole(self, samples: int, threads: int) -> None:
        """Reserve one arena for batches of `samples` samples, which `threads` threads share."""
        if samples > self.whole[0] or threads > self.whole[1]:
            samples, threads = max(samples, self.whole[0]), max(threads, self.whole[1])
            self.whole = (0, 0)
            *shares, all_samples = self.memory.whole(samples, threads)
            self.arena = self.memory.last_arena
            self.contexts.place_whole(shares, all_samples, samples)
            self.whole = (samples, threads)
