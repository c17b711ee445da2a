"""Vectors of ranks on one machine, in memory that all of them see."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SharedVectors"]

Array = NDArray[Any]
SHARED_MEMORY = "/dev/shm"
# Vectors begin at a page, and there is a cache line behind each, as `kernels.memory.aligned_zeros` has it.
PAGE, LINE = 4096, 64
# Elements that are added up and handed on at a time: they stay in a processor's own cache.
BLOCK = 2**15


class SharedVectors:
    """A vector for each rank of this machine. To add them up, each rank sums a slice of all vectors.

    It writes the sum into each vector. So nothing is sent, and only the sums are copied: see "The least time of a sum"
    in docs/scaling.md.

    Parameters
    ----------
    here : mpi4py.MPI.Comm
        The ranks of this machine.
    size : int
    dtype : numpy.dtype

    Attributes
    ----------
    own : ndarray
        The vector of this rank, zeros at first.

    Raises
    ------
    OSError
        On every rank, if one of them cannot get such memory.
    """

    def __init__(self, here: Any, size: int, dtype: Any) -> None:
        self._here = here
        self.rank, self.count = here.Get_rank(), here.Get_size()
        length = (size * np.dtype(dtype).itemsize + LINE + PAGE - 1) // PAGE * PAGE
        memory = np.frombuffer(self._map(length * self.count), np.uint8)
        parts = [memory[rank * length : (rank + 1) * length] for rank in range(self.count)]
        self._vectors = [part[: size * np.dtype(dtype).itemsize].view(dtype) for part in parts]
        self.own: Array = self._vectors[self.rank]

    def _map(self, nbytes: int) -> Any:
        """Memory of all ranks: a file without a name, made by the first of them."""
        path, error = "", ""
        if self.rank == 0:
            path, error = _reserve(nbytes)
        path, error = self._here.bcast((path, error))
        found: Any = None
        if not error:
            try:
                with open(path, "r+b") as file:
                    found = mmap.mmap(file.fileno(), nbytes)
            except (OSError, ValueError) as failed:
                error = str(failed)
        errors = [text for text in self._here.allgather(error) if text]
        if self.rank == 0 and path:
            os.unlink(path)  # all have opened it: it goes when they do
        if errors:
            raise OSError(errors[0])
        return found

    def add(self, begin: int, end: int, across: Any) -> None:
        """Add up the elements begin:end of all ranks. Afterwards, all ranks have the sum. They must have met before.

        Vectors of neighbours are added first, then their sums, and so on.

        across : is called with the sum over this machine's ranks, for some elements, and adds the sums of other
            machines.
        """
        size = end - begin
        first, last = begin + size * self.rank // self.count, begin + size * (self.rank + 1) // self.count
        if across is not None:
            self._add_here(first, last)
            across(self._vectors[0][first:last])
            self._hand_on(first, last)
        else:
            for start in range(first, last, BLOCK):
                stop = min(start + BLOCK, last)
                self._add_here(start, stop)
                self._hand_on(start, stop)
        self._here.Barrier()

    def _add_here(self, begin: int, end: int) -> None:
        """Write the sum over this machine's ranks into the first vector. No other rank uses these elements now."""
        step = 1
        while step < self.count:
            for rank in range(0, self.count - step, 2 * step):
                self._vectors[rank][begin:end] += self._vectors[rank + step][begin:end]
            step *= 2

    def _hand_on(self, begin: int, end: int) -> None:
        for vector in self._vectors[1:]:
            vector[begin:end] = self._vectors[0][begin:end]


def _reserve(nbytes: int) -> tuple[str, str]:
    """The path of a new file of `nbytes` bytes in memory, or the error. All of its bytes are allocated at once."""
    path = ""
    try:
        handle, path = tempfile.mkstemp(dir=SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None)
        try:
            os.posix_fallocate(handle, 0, nbytes)
        finally:
            os.close(handle)
    except (OSError, AttributeError) as error:
        if path:
            os.unlink(path)
        return "", str(error)
    return path, ""
