"""The place of every number of a batch in one arena: values, deltas, and the scratch of layers."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.engine.context import Context
from cbackprop.compiled.kernels.memory import aligned_zeros
from cbackprop.engine.engine import Engine
from cbackprop.engine.gradient_work import GradientWork
from cbackprop.plan.arena import ALIGNMENT, Lifetime, arrange
from cbackprop.variable import Variable

__all__ = ["Memory"]

# Unused bytes after a buffer. Products and sums read whole vectors, so they may read behind the last number, while
# another thread is writing the next buffer. After a large buffer the gap is a fraction of its size, so that two buffers
# of half the size, with their gaps, fit into the place of a large one.
GAP = 64
GAP_SHARE = 1920
# Unused bytes after the last buffer of the arena.
PADDING = 512


class Memory:
    """When the buffers of a network are in use, and arenas that hold them.

    Parameters
    ----------
    engine : Engine
    layers : sequence of compiled layers
        One for each step of the plan.
    chains : list of list of int
        Layers that run others on parts of their output: each with the layers that follow it.
    n_heads : int
    work : GradientWork
        Says at which points of the backward pass gradients are computed.

    Attributes
    ----------
    sample_bytes : float
        About how many bytes of an arena a sample takes.
    last_arena : (ndarray, Layout) or None
        The memory of whole batches and its layout, if the engine keeps its buffers.
    """

    def __init__(
        self,
        engine: Engine,
        layers: Sequence[Any],
        chains: list[list[int]],
        n_heads: int,
        work: GradientWork,
    ) -> None:
        self.engine = engine
        self.itemsize = engine.dtype.itemsize
        self.widths = engine.plan.widths
        self.last_arena: tuple[NDArray[Any], Layout] | None = None
        self.scratch_bytes = [layer.sample_bytes for layer in layers]
        self.shared_bytes = [layer.batch_bytes for layer in layers]
        self.leaders = {follower: chain[0] for chain in reversed(chains) for follower in chain[1:]}
        self.n_heads = n_heads
        self.work = work
        samples = 24
        self.sample_bytes = self.block_size(samples) / samples

    # The lifetimes of all buffers. Most engines need only one of these.

    @functools.cached_property
    def of_blocks(self) -> list[Lifetime | None]:
        """Lifetimes in a block, whose gradients are computed after its backward pass."""
        return self._lifetimes(self._step_by_step([]), dict.fromkeys(self.work.point_of, 0))

    @functools.cached_property
    def of_one_thread(self) -> list[Lifetime | None]:
        """Lifetimes in a whole batch that one thread runs."""
        if not (self.work.points or self.engine.keeps_buffers):
            return self.of_blocks
        found = self._lifetimes(self._step_by_step(self.work.points), self.work.point_of)
        return _forever(found) if self.engine.keeps_buffers else found

    @functools.cached_property
    def of_threads(self) -> list[Lifetime | None]:
        """Lifetimes in a whole batch that several threads share."""
        if self.engine.keeps_buffers:
            return self.of_one_thread
        return self._lifetimes(_BetweenMeetings(self.work.points), self.work.point_of)

    def _step_by_step(self, points: list[int]) -> Moments:
        return _StepByStep(len(self.engine.plan.steps), len(self.engine.backward_steps), points)

    def block_size(self, rows: int) -> int:
        """The bytes of an arena that a block of `rows` samples takes."""
        return self._place(rows, self.of_blocks)[1]

    def blocks(self, rows: int, count: int) -> list[Context]:
        """A context for each thread, with its own arena for blocks of `rows` samples."""
        layout = self._arrange(rows, self.of_blocks)
        return [self._context(rows, self._arena(layout), layout) for _ in range(count)]

    def whole(self, rows: int, count: int) -> list[Context]:
        """A context for each thread's samples, and one for all samples, in one arena."""
        layout = self._arrange(rows, self.of_threads if count > 1 else self.of_one_thread)
        arena = self._arena(layout)
        if self.engine.keeps_buffers:
            self.last_arena = arena, layout
        return [self._context(rows, arena, layout) for _ in range(count + 1)]

    def _arena(self, layout: Layout) -> NDArray[Any]:
        return aligned_zeros(layout.size, np.uint8)

    def _context(self, rows: int, arena: NDArray[Any], layout: Layout) -> Context:
        return Context(rows, arena, self.itemsize, layout, self.n_heads)

    def _lifetimes(self, moments: Moments, point_of: dict[Variable, int]) -> list[Lifetime | None]:
        """When each value, delta and scratch space is in use; sizes are those of one sample.

        Inputs of the network have no memory here: they are read from the data or from the staging memory.
        """
        plan, engine = self.engine.plan, self.engine
        bytes_of = [width * self.itemsize for width in plan.widths]
        values, deltas = _Spans(bytes_of), _Spans(bytes_of)
        scratch = _Spans(self.scratch_bytes)
        for buffer in plan.outputs:
            values.touch(buffer, moments.loss)
        for buffer, objective in zip(plan.outputs, engine.objectives, strict=False):
            # A layer writes every delta that has memory. So a buffer that depends on no weight must have none.
            if objective.loss and buffer in engine.with_delta:
                deltas.touch(buffer, moments.loss)
        for mask in engine.masks:
            if mask is not None:
                values.touch(mask.buffer, moments.loss)
        for activity in engine.activities:
            values.touch(activity.buffer, moments.loss)
            if activity.buffer in engine.with_delta:
                deltas.touch(activity.buffer, moments.loss)
        for index, step in enumerate(plan.steps):
            for buffer in (*step.inputs, step.output):
                values.touch(buffer, moments.forward(index))
            scratch.touch(index, moments.forward(index))
            # A layer that follows another one writes its output while the leader still reads its inputs.
            values.touch(step.output, moments.forward(self.leaders.get(index, index)))
        for i, back in enumerate(engine.backward_steps):
            step = plan.steps[back.position]
            learned = [point_of[v] for v, mode in zip(step.layer.variables, back.gradients, strict=True) if mode]
            later = [moments.point(point) for point in learned]
            for moment in (*moments.backward(i), *later):
                for buffer in (*step.inputs, step.output):
                    values.touch(buffer, moment)
                scratch.touch(back.position, moment)
                deltas.touch(step.output, moment)
            for moment in moments.backward(i):
                for buffer, mode in zip(step.inputs, back.input_deltas, strict=True):
                    if mode is not None:
                        deltas.touch(buffer, moment)
        for buffer in plan.inputs:
            values.spans.pop(buffer, None)
        return [*values.lifetimes(), *deltas.lifetimes(), *scratch.lifetimes()]

    def _place(self, rows: int, lifetimes: list[Lifetime | None]) -> tuple[list[int | None], int]:
        """Where each buffer begins in an arena for `rows` samples, and where the last one ends."""
        used = [index for index, lifetime in enumerate(lifetimes) if lifetime is not None]
        sizes = [Lifetime(_with_gap(rows * life.size), *life[1:]) for life in lifetimes if life is not None]
        found, end = arrange(sizes)
        offsets: list[int | None] = [None] * len(lifetimes)
        for index, offset in zip(used, found, strict=True):
            offsets[index] = offset
        return offsets, end

    def _arrange(self, rows: int, lifetimes: list[Lifetime | None]) -> Layout:
        """The layout of an arena for `rows` samples: their buffers, then the layers' memory for whole batches."""
        offsets, end = self._place(rows, lifetimes)
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
    """Where everything is in an arena of `size` bytes. Offsets are in bytes; ``None``: it has no memory there."""

    size: int
    widths: list[int]  # numbers of a sample in each buffer
    values: list[int | None]
    deltas: list[int | None]
    scratch_bytes: list[int]  # of each layer, for a sample
    scratch: list[int | None]
    shared_bytes: list[int]  # of each layer, for the batch as a whole
    shared: list[int | None]


def _forever(lifetimes: list[Lifetime | None]) -> list[Lifetime | None]:
    """The same buffers, all in use all the time."""
    last = max((life.last for life in lifetimes if life is not None), default=0)
    return [None if life is None else Lifetime(life.size, 0, last) for life in lifetimes]


def _with_gap(size: int) -> int:
    return size + max(GAP, size // GAP_SHARE // ALIGNMENT * ALIGNMENT)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


class Moments(Protocol):
    """When the parts of a training step use memory. Buffers that are in use at the same moment do not overlap."""

    loss: int  # losses and metrics

    def forward(self, index: int) -> int:
        """When a step of the plan runs forwards."""

    def backward(self, i: int) -> tuple[int, ...]:
        """When backward step i runs, in the order of backward steps."""

    def point(self, point: int) -> int:
        """When the gradients of a point are computed."""


class _StepByStep:
    """The moments of a single thread, which runs one step after the other. A point belongs to the step that follows."""

    def __init__(self, steps: int, backwards: int, points: list[int]) -> None:
        self.loss, self.end = steps, steps + 1 + backwards
        self.points = points

    def forward(self, index: int) -> int:
        return index

    def backward(self, i: int) -> tuple[int, ...]:
        return (self.loss + 1 + i,)

    def point(self, point: int) -> int:
        return self.backward(self.points[point])[0] if point < len(self.points) else self.end


class _BetweenMeetings:
    """The moments of several threads, each with its own samples in one arena.

    A thread knows only which meetings all threads have passed, not at which step the others are. The forward pass may
    have meetings too, but not in every run.
    """

    loss = 0

    def __init__(self, points: list[int]) -> None:
        self.points = points

    def forward(self, index: int) -> int:
        return 0

    def backward(self, i: int) -> tuple[int, ...]:
        passed = bisect.bisect_left(self.points, i)  # points before this step; one in front of it is in its middle
        first = 2 * passed  # before the first point a thread may be at any step of the forward pass as well
        return (first, first + 1, first + 2) if i in self.points else (first,)

    def point(self, point: int) -> int:
        return 2 * point + 1


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
            Lifetime(size, *self.spans[buffer]) if buffer in self.spans and size else None
            for buffer, size in enumerate(self.sizes)
        ]
