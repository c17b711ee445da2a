"""The arenas that an engine has reserved, for blocks and for whole batches."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.compiled.engine.contexts import Contexts
from cbackprop.compiled.kernels.matrix import TILE_HEIGHT
from cbackprop.engine.memory import Memory

__all__ = ["Room"]

# Bytes of buffers that fit into a processor's second level cache while a block passes through the layers.
CACHE_BYTES = 512 * 1024
# Where each sample uses a weight once, as in Dense layers, fewer samples are not worth reading all weights.
SAMPLES_OF_WEIGHTS = 48
# Blocks have no more bytes than this for the sake of weights or register tiles.
BLOCK_BYTES = 2 * 1024 * 1024
# Blocks of more samples have a multiple of so many, which suits every height of register tiles.
BLOCK_STEP = 24
# A batch of fewer samples stays whole if it is not larger than the bytes that follow: so more threads can share it.
FEW_SAMPLES = 64
WHOLE_BYTES = 4 * 1024 * 1024


class Room:
    """Reserves memory for the samples of a run, and keeps it until a run needs more.

    Parameters
    ----------
    memory : Memory
    contexts : Contexts
    weight_bytes : int
        The bytes of all weights that a block reads.
    weight_uses : float
        How often a sample uses each of them, on average: once in Dense layers, at each position in convolutions, at
        each time step in recurrent layers.

    Attributes
    ----------
    blocks, whole : tuple of int
        How many samples of a block, or of a whole batch, and how many threads there is memory for.
    arena : (ndarray, Layout) or None
        The memory of whole batches, if the engine keeps its buffers.
    """

    def __init__(self, memory: Memory, contexts: Contexts, weight_bytes: int, weight_uses: float) -> None:
        self.memory, self.contexts = memory, contexts
        self.weight_bytes, self.weight_uses = weight_bytes, weight_uses
        self.blocks = self.whole = (0, 0)
        self.arena: Any = None

    def samples_of_block(self) -> int:
        """The samples of a block: as many as fit the cache, but enough to make reading all weights pay.

        At least as many as a register tile has rows, unless samples are large.
        """
        sample_bytes = max(self.memory.sample_bytes, 1)
        least = min(max(SAMPLES_OF_WEIGHTS / self.weight_uses, TILE_HEIGHT), BLOCK_BYTES / sample_bytes)
        samples = max(max(CACHE_BYTES, self.weight_bytes / self.weight_uses) / sample_bytes, least)
        if samples >= BLOCK_STEP:
            return int(samples) // BLOCK_STEP * BLOCK_STEP
        if samples >= TILE_HEIGHT - 2:
            return math.ceil(samples / TILE_HEIGHT) * TILE_HEIGHT
        return int(samples) // 2 * 2 or 1

    def suits_blocks(self, samples: int) -> bool:
        """Whether a batch of so many samples is to pass in blocks."""
        few = samples < FEW_SAMPLES and samples * self.memory.sample_bytes <= WHOLE_BYTES
        return samples >= 2 * self.samples_of_block() and not few

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
            step = TILE_HEIGHT if samples % TILE_HEIGHT == 0 else 1
            self.contexts.place_blocks(self.memory.blocks(samples, threads), samples, step)
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
