"""Where the numbers of a batch lie: values, deltas, and what layers keep, in one arena."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cbackprop.compiled.engine.context import Context
from cbackprop.engine.engine import Engine
from cbackprop.plan.arena import ALIGNMENT, Lifetime, place
from cbackprop.variable import aligned_zeros

__all__ = ["Memory"]

# Bytes of the arena behind its last buffer, because products read whole vectors.
PADDING = 512


class Memory:
    """When the buffers of a network are in use, and arenas that hold them.

    Parameters
    ----------
    engine : Engine
    layers : sequence of compiled layers
        One for each step of the plan.
    n_heads : int

    Attributes
    ----------
    sample_bytes : float
        What a sample takes of an arena, about.
    """

    def __init__(self, engine: Engine, layers: Sequence[Any], n_heads: int) -> None:
        self.itemsize = engine.dtype.itemsize
        self.widths = engine.plan.widths
        self.scratch_bytes = [layer.sample_bytes for layer in layers]
        self.shared_bytes = [layer.batch_bytes for layer in layers]
        self.n_heads = n_heads
        self.lifetimes = self._lifetimes(engine)
        samples = 24
        self.sample_bytes = self._place(samples, False)[1] / samples

    def contexts(self, rows: int, count: int, together: bool) -> list[Context]:
        """Contexts for so many samples, in arenas of their own or `together` in one."""
        # Threads with rows of their own in a shared arena are not at the same step at the same time. Then nothing may
        # take the place of what is of no use any more.
        layout = self._arrange(rows, together and count > 2)
        arenas = [aligned_zeros(layout.size, np.uint8) for _ in range(1 if together else count)]
        return [
            Context(rows, arenas[index % len(arenas)], self.itemsize, layout, self.n_heads) for index in range(count)
        ]

    def _lifetimes(self, engine: Engine) -> list[Lifetime | None]:
        """When each value, delta and scratch space is in use; sizes are those of one sample.

        Moments: step i runs forwards at i, losses and metrics at n, step i runs backwards at 2 n - i, and gradients of
        parameters are computed after that. Inputs of the network are read where the data is.
        """
        plan = engine.plan
        n = len(plan.steps)
        bytes_of = [width * self.itemsize for width in plan.widths]
        values, deltas = _Spans(bytes_of), _Spans(bytes_of)
        scratch: list[Lifetime | None] = []
        backward = {step.position: step for step in engine.backward_steps}
        for buffer in plan.outputs:
            values.touch(buffer, n)
        for buffer, objective in zip(plan.outputs, engine.objectives, strict=False):
            if objective.loss:
                deltas.touch(buffer, n)
        for mask in engine.masks:
            if mask is not None:
                values.touch(mask.buffer, n)
        for activity in engine.activities:
            values.touch(activity.buffer, n)
            if activity.buffer in engine.with_delta:
                deltas.touch(activity.buffer, n)
        for index, step in enumerate(plan.steps):
            moments = [index]
            if index in backward:
                learns = any(mode is not None for mode in backward[index].gradients)
                moments += [2 * n - index, 2 * n + 1] if learns else [2 * n - index]
            size = self.scratch_bytes[index]
            scratch.append(Lifetime(size, moments[0], moments[-1]) if size else None)
            for moment in moments:
                for buffer in (*step.inputs, step.output):
                    values.touch(buffer, moment)
            for moment in moments[1:]:
                deltas.touch(step.output, moment)
                for buffer, mode in zip(step.inputs, backward[index].input_deltas, strict=True):
                    if mode is not None:
                        deltas.touch(buffer, 2 * n - index)
        for buffer in plan.inputs:
            values.spans.pop(buffer, None)
        return [*values.lifetimes(), *deltas.lifetimes(), *scratch]

    def _place(self, rows: int, apart: bool) -> tuple[list[int | None], int]:
        """Where the lifetimes begin in an arena for so many samples, and where the last one ends.

        If `apart`, nothing takes the place of anything else.
        """
        used = [index for index, lifetime in enumerate(self.lifetimes) if lifetime is not None]
        lifetimes = [lifetime for lifetime in self.lifetimes if lifetime is not None]
        if apart:
            lifetimes = [Lifetime(life.size, 0, 0) for life in lifetimes]
        found, end = place([Lifetime(rows * life.size, life.first, life.last) for life in lifetimes])
        offsets: list[int | None] = [None] * len(self.lifetimes)
        for index, offset in zip(used, found, strict=True):
            offsets[index] = offset
        return offsets, end

    def _arrange(self, rows: int, apart: bool) -> Layout:
        """An arena for so many samples, with the memory of whole batches behind theirs."""
        offsets, end = self._place(rows, apart)
        end = _aligned(end + PADDING)
        shared: list[int | None] = []
        for size in self.shared_bytes:
            shared.append(end if size else None)
            end += _aligned(size)
        n = len(self.widths)
        return Layout(
            end, self.widths, offsets[:n], offsets[n : 2 * n], self.scratch_bytes, offsets[2 * n :], self.shared_bytes,
            shared,
        )  # fmt: skip


class Layout(NamedTuple):
    """Where in an arena of `size` bytes everything lies. Offsets are in bytes too; ``None``: nowhere."""

    size: int
    widths: list[int]  # numbers of a sample in each buffer
    values: list[int | None]
    deltas: list[int | None]
    scratch_bytes: list[int]  # of each layer, for a sample
    scratch: list[int | None]
    shared_bytes: list[int]  # of each layer, for the batch as a whole
    shared: list[int | None]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


class _Spans:
    """First and last moments at which numbered buffers are touched."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.spans: dict[int, tuple[int, int]] = {}

    def touch(self, buffer: int, moment: int) -> None:
        first, last = self.spans.get(buffer, (moment, moment))
        self.spans[buffer] = (min(first, moment), max(last, moment))

    def lifetimes(self) -> list[Lifetime | None]:
        return [
            Lifetime(size, *self.spans[buffer]) if buffer in self.spans else None
            for buffer, size in enumerate(self.sizes)
        ]
