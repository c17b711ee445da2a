"""Samples in files that are mapped into memory. They are read, checked and trained on piece by piece."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import random
from cbackprop.held_memory import check_mapped
from cbackprop.losses.target import NotFiniteError, as_array
from cbackprop.models.data import Samples
from cbackprop.models.sources.arrays import split_at
from cbackprop.models.sources.order import batch_size_for
from cbackprop.models.sources.prefetch import Prefetch
from cbackprop.models.sources.source import CALLER, Check, Piece, Source, whole_executions

__all__ = ["PIECE", "BlockSource", "holds_files", "map_arrays"]

# The largest piece in bytes, all arrays together. Smaller files are treated like arrays in memory.
PIECE = 2**26
# The number of runs of neighbouring samples in a shuffled piece. Each run is read at once.
BLOCKS = 64
# When a page of a file is read, Linux also maps the pages around it, up to multiples of this many bytes.
AROUND = 2**16


def map_arrays(structure: Any, function: Callable[[Any], Any]) -> Any:
    """The structure with `function` applied to each array in it."""
    if isinstance(structure, dict):
        return {key: map_arrays(value, function) for key, value in structure.items()}
    if _has_arrays(structure):
        return [map_arrays(value, function) for value in structure]
    return None if structure is None else function(structure)


def _has_arrays(structure: Any) -> bool:
    """Whether this is a list of arrays (or of lists or dicts of them), not of numbers."""
    return isinstance(structure, (list, tuple)) and any(
        isinstance(value, (np.ndarray, dict)) or _has_arrays(value) for value in structure
    )


def _arrays(*structures: Any) -> list[Any]:
    found: list[Any] = []
    for structure in structures:
        map_arrays(structure, found.append)
    return found


def holds_files(*structures: Any) -> bool:
    """Whether any array is a mapped file larger than a piece."""
    return any(isinstance(array, np.memmap) and array.ndim and array.nbytes > PIECE for array in _arrays(*structures))


class BlockSource(Source):
    """Samples in files that are mapped into memory, perhaps with other arrays.

    While the engine trains on one piece, a thread reads the next. To shuffle, the samples are divided into runs of
    neighbours. In each epoch the runs come in a random order, 64 of them make a piece, and the samples within the piece
    are shuffled. So files are read in long runs, but neighbours in a file are often in the same piece.

    Parameters
    ----------
    x, y, sample_weight, class_weight
        As in `fit`.
    batch_size : int or None
    steps : int or None
        Batches in an epoch; all by default. With fewer, the next epoch continues where the last one stopped.
    shuffle : bool
    at_once : int, default 1
        Batches that are always taken together (`steps_per_execution`).
    """

    batch_size: int = 32

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        batch_size: int | None = None,
        steps: int | None = None,
        shuffle: bool = False,
        at_once: int = 1,
    ) -> None:
        self.example, self.at_once = x, at_once
        self._given = tuple(map_arrays(part, _in_memory) for part in (x, y, sample_weight))
        self._class_weight, self._batch_size, self._steps, self._shuffle = class_weight, batch_size, steps, shuffle
        self._asked: int | None = None
        self._seen = 0  # batches in this pass
        self._pass: Prefetch | None = None
        self._left: Samples | None = None
        self._rest: Iterator[Piece] | None = None

    def prepare(self, check: Check) -> None:
        """Check types and shapes with the first sample. Numbers are checked when a piece is read."""
        self._check = check
        arrays = _arrays(*self._given)
        if any(not array.shape for array in arrays):
            raise ValueError("x, y and sample_weight must have an axis for the samples.")
        sizes = [int(array.shape[0]) for array in arrays]
        if len(set(sizes)) > 1:
            raise ValueError(f"All arrays must have the same number of samples, but got {sizes}.")
        self._size = sizes[0]
        x, y, sample_weight = [map_arrays(part, lambda array: array[:1]) for part in self._given]
        self._check(x, y, sample_weight, self._class_weight)
        self._row_bytes = max(sum(array.nbytes // max(len(array), 1) for array in arrays), 1)
        self._lay_out()

    def _lay_out(self) -> None:
        self.batch_size = batch_size_for(self._batch_size, self._steps, self._size)
        self.steps = self._steps or -(-self._size // self.batch_size)
        self.samples = self._size
        if self._steps is not None:
            self.samples = min(self._size, whole_executions(self._steps, self.at_once) * self.batch_size)

    def split(self, fraction: float) -> BlockSource:
        """Keep the first samples, and return a source of the last ones."""
        at, given = split_at(self._size, fraction), self._given
        x, y, sample_weight = [map_arrays(part, lambda array: array[at:]) for part in given]
        held_out = BlockSource(x, y, sample_weight, batch_size=self._batch_size, at_once=self.at_once)
        held_out.purpose = "validation"
        held_out.prepare(self._check)
        self._given = tuple(map_arrays(part, lambda array: array[:at]) for part in given)
        self._size = at
        self._lay_out()
        return held_out

    def limit(self, steps: int | None, batch_size: int | None) -> None:
        """Set the batch size and the maximum number of batches of an evaluation."""
        self.batch_size = batch_size_for(batch_size or self._batch_size, steps, self._size)
        self._asked = None if steps is None else whole_executions(steps, self.at_once)

    def epoch(self) -> Iterator[Piece]:
        """The pieces of a pass over the files; with `steps_per_epoch`, of a part of a pass."""
        if self._steps is None:
            yield from self._pieces(self._size, self._shuffle)
            return
        if self._rest is None:
            self._rest, self._seen = self._pieces(self._size, self._shuffle), 0
        there = -(-self._size // self.batch_size)
        asked = whole_executions(self._steps, self.at_once)
        taken = steps = min(asked, there - self._seen)
        while steps > 0:
            piece = next(self._rest)
            end = min(piece.begin + steps * piece.batch_size, piece.end)
            if end < piece.end:
                self._rest = _put_back(piece, end, self._rest)
            part = piece._replace(end=end)
            steps, self._seen = steps - part.steps, self._seen + part.steps
            yield part
        if self._seen >= there:
            self._tell_of_lacking(CALLER[self.purpose])
            self._rest = None
        self._warn_of_fewer(taken, asked)

    def sweep(self) -> Iterator[Piece]:
        """The pieces of an evaluation or a prediction, in order."""
        size = self._size if self._asked is None else min(self._size, self._asked * self.batch_size)
        yield from self._pieces(size, False)
        self._warn_of_fewer(-(-size // self.batch_size), self._asked)

    def _pieces(self, size: int, shuffle: bool) -> Iterator[Piece]:
        """The pieces of a pass over the first `size` samples."""
        self.close()
        rows = max(PIECE // self._row_bytes // self.batch_size, 1) * self.batch_size
        self._pass = Prefetch(iter(_runs(size, rows, shuffle)), self._read, size=1)
        for samples in self._pass:
            self._look_for_targets(samples)
            order = random.permutation(samples.size) if shuffle else None
            yield Piece(samples.data, order, 0, samples.size, self.batch_size)
        self._tell_of_lacking(CALLER[self.purpose] + 1)
        self.close()

    def _read(self, runs: list[tuple[int, int]]) -> Samples:
        """The samples of some runs begin:end, checked."""
        x, y, sample_weight = [map_arrays(part, lambda array: _copy(array, runs)) for part in self._given]
        try:
            return self._check(x, y, sample_weight, self._class_weight)
        except NotFiniteError as error:
            raise error.at(_index_in_file(runs, error.index[0])) from None
        except ValueError as error:
            error.add_note(f"This happened in the samples {runs[0][0]}:{runs[-1][1]}.")
            raise

    def close(self) -> None:
        """End the thread that reads."""
        if self._pass is not None:
            self._pass.close()
            self._pass = None


def _in_memory(value: Any) -> NDArray[Any]:
    """Convert data that is not an array to one."""
    return value if isinstance(value, np.ndarray) else as_array("data beside a file", value)


def _put_back(piece: Piece, begin: int, rest: Iterator[Piece]) -> Iterator[Piece]:
    yield Piece(piece.data, piece.rows, begin, piece.end, piece.batch_size)
    yield from rest


def _runs(size: int, rows: int, shuffle: bool) -> list[list[tuple[int, int]]]:
    """For each piece of `rows` samples, the runs begin:end that it consists of."""
    if not shuffle:
        return [[(begin, min(begin + rows, size))] for begin in range(0, size, rows)]
    length = max(rows // BLOCKS, 1)
    starts = random.permutation(-(-size // length)) * length
    pieces: list[list[tuple[int, int]]] = [[]]
    room = rows
    for start in starts.tolist():
        begin, end = start, min(start + length, size)
        while begin < end:
            if room == 0:
                pieces.append([])
                room = rows
            taken = min(end - begin, room)
            pieces[-1].append((begin, begin + taken))
            begin, room = begin + taken, room - taken
    return [sorted(piece) for piece in pieces]


def _index_in_file(runs: list[tuple[int, int]], row: int) -> int:
    """The index in the file of a sample of a piece."""
    for begin, end in runs:
        if row < end - begin:
            return begin + row
        row -= end - begin
    raise IndexError(row)


def _copy(array: Any, runs: list[tuple[int, int]]) -> NDArray[Any]:
    """A copy of the samples of some runs. The pages of the file are released."""
    source = np.asarray(array)
    check_mapped("The data", source)
    rows = sum(end - begin for begin, end in runs)
    out = np.empty((rows, *source.shape[1:]), source.dtype)
    at = 0
    for begin, end in runs:
        out[at : at + end - begin] = source[begin:end]
        at += end - begin
        if isinstance(array, np.memmap):
            _release(array, source[begin:end])
    return out


def _release(array: np.memmap[Any, Any], part: NDArray[Any]) -> None:
    """Tell the system that this process does not need these pages of a file for now."""
    memory: Any = getattr(array, "_mmap", None)
    # Pages of a private mapping ("c") may hold changes by the user, which exist nowhere else.
    if not hasattr(memory, "madvise") or not hasattr(mmap, "MADV_DONTNEED") or array.mode == "c":
        return
    if not part.size or not part.flags.c_contiguous:
        return
    begin = part.ctypes.data - np.frombuffer(memory, np.uint8).ctypes.data
    first = begin // AROUND * AROUND
    last = -(-(begin + part.nbytes) // AROUND) * AROUND
    with contextlib.suppress(OSError, ValueError):  # this only saves memory, so failing is harmless
        memory.madvise(mmap.MADV_DONTNEED, first, last - first)
