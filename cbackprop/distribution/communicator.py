"""Messages between ranks. Every message of a training goes through here, so that no rank waits for ever.

Before ranks exchange numbers they meet: each says what it is about to do. If one of them has failed, or does something
else, all of them learn it there, and each raises an error. So an exception on one rank is an exception on all.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.distribution.shared_vectors import SharedVectors

__all__ = ["Communicator", "Does", "RankError"]

Array = NDArray[Any]


class Does(IntEnum):
    """What a rank is doing when it meets the others. If they differ, the largest number counts."""

    BEGIN = 1
    STEP = 2
    COUNT = 3
    SUM = 4
    CHECK = 5
    EPOCH = 6
    END = 7
    FAIL = 8


TOLD = {
    Does.BEGIN: "begins a run of the model",
    Does.STEP: "has the gradients of a batch",
    Does.COUNT: "has the weights of a batch",
    Does.SUM: "has come to the end of its samples, and asks for losses and metrics",
    Does.CHECK: "compares what it has with the others",
    Does.EPOCH: "ends an epoch",
    Does.END: "has come to the end of its program",
    Does.FAIL: "has failed",
}


class RankError(RuntimeError):
    """Another rank has failed, or ranks do different things. All ranks raise an error at the same point."""


class Communicator:
    """The ranks of a run, and what they add up, compare and send.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        It is duplicated, so that messages of other libraries are not mixed up with those of this one.

    Attributes
    ----------
    rank, size : int
        The number of this process, counted from 0, and how many there are.
    """

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._mpi: Any = MPI
        self._comm = comm.Dup()
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()
        self._header: Array = np.zeros(4, np.int64)
        self._other: Array = np.zeros(0)
        self._machine, self._across = self._places()
        self._busy = threading.Lock()
        self._thread: int | None = None

    def _places(self) -> tuple[Any, Any]:
        """The ranks of this machine, and the ranks that have the same place on the other machines.

        The first is ``None`` if sums in shared memory are not possible: this machine has only one rank, machines have
        different numbers of ranks, or the ranks of a machine do not have consecutive numbers. The second is ``None`` if
        there is only one machine.
        """
        here = self._ranks_here()
        count, place = here.Get_size(), here.Get_rank()
        even = self.rank % count == place and self.size % count == 0
        alike = self._comm.allgather((count, even))
        if count == 1 or not all(each == (count, True) for each in alike):
            return None, None
        across = self._comm.Split(place, self.rank)
        return here, across if across.Get_size() > 1 else None

    def _ranks_here(self) -> Any:
        return self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)

    # Meeting

    def meet(self, what: Does, message: str = "", samples: int = 0) -> None:
        """Wait until all ranks are there.

        samples : what all ranks must have the same number of

        Raises
        ------
        RankError
            On every rank, if one of them does something else.
        """
        if self.size == 1:
            return
        self._header[:] = what, -what, samples, -samples
        self._comm.Allreduce(self._mpi.IN_PLACE, self._header, self._mpi.MAX)
        all_do_this, all_have_these = self._header[0] == -self._header[1], self._header[2] == -self._header[3]
        if all_do_this and what is not Does.FAIL:
            if not all_have_these:
                raise RankError(
                    "All ranks must be given the same batches, unless auto_shard_dataset is False, but at the same "
                    f"point they have {-self._header[3]} to {self._header[2]} samples."
                )
            return
        told = self._comm.allgather((int(what), message))
        failed = [f"rank {rank}: {text}" for rank, (code, text) in enumerate(told) if code == Does.FAIL]
        if failed:
            raise RankError("Another rank has failed, so this one ends, too. " + "; ".join(failed))
        each = "; ".join(f"rank {rank} {TOLD[Does(code)]}" for rank, (code, _) in enumerate(told))
        raise RankError(
            f"All ranks must call the same methods of a model, with the same number of batches, but {each}."
        )

    def report(self, error: BaseException) -> None:
        """Tell the other ranks of an error on this rank, unless they know it already."""
        if self.size > 1 and not isinstance(error, RankError):
            with contextlib.suppress(RankError):
                self.meet(Does.FAIL, f"{type(error).__name__}: {error}")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """A ``with`` block for a run that all ranks make. An exception on one rank ends the run on all ranks.

        A run within another run is a part of that.
        """
        own = threading.get_ident()
        if self._thread == own:
            yield
            return
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("While ranks train together, no other thread can run a model that they share.")
        self._thread = own
        try:
            yield
        except BaseException as error:
            self.report(error)
            raise
        finally:
            self._thread = None
            self._busy.release()

    # Numbers

    def shared_vectors(self, size: int, dtype: Any) -> SharedVectors | None:
        """Vectors that ranks can add up in shared memory; ``None`` if they cannot. All ranks must call this."""
        if self._machine is None:
            return None
        found = None
        with contextlib.suppress(OSError):
            found = SharedVectors(self._machine, size, dtype)
        return found if all(self._comm.allgather(found is not None)) else None

    def add_shared(self, vectors: SharedVectors, begin: int, end: int, in_order: bool) -> None:
        """Add up the elements begin:end of all ranks' shared vectors."""

        def across(part: Array) -> None:
            if in_order:
                self._add_in_order(part, self._across)
            else:
                self._across.Allreduce(self._mpi.IN_PLACE, part, self._mpi.SUM)

        vectors.add(begin, end, None if self._across is None else across)

    def add(self, vector: Array, in_order: bool = False) -> None:
        """Add up the vectors of all ranks, in place. All ranks get the same bits.

        in_order : add the vectors of neighbouring ranks first, then those sums, and so on. The result has the same bits
            as if one rank added up all vectors in this order. There must be 1, 2, 4, ... ranks.
        """
        if self.size == 1:
            return
        if in_order:
            self._add_in_order(vector, self._comm)
        else:
            self._comm.Allreduce(self._mpi.IN_PLACE, vector, self._mpi.SUM)

    def _add_in_order(self, vector: Array, comm: Any) -> None:
        """Each rank adds up a part of the vector, and then all exchange their parts.

        Parts are halved between neighbours first, so that each element is the sum of neighbours first.

        References
        ----------
        R. Rabenseifner, Optimization of Collective Reduction Operations, 2004.
        """
        begin, end, distance, rank = 0, vector.size, 1, comm.Get_rank()
        halves = []
        while distance < comm.Get_size():
            partner, middle = rank ^ distance, (begin + end) // 2
            kept, given = ((begin, middle), (middle, end)) if rank < partner else ((middle, end), (begin, middle))
            other = self._room(vector.dtype, kept[1] - kept[0])
            comm.Sendrecv(vector[given[0] : given[1]], partner, recvbuf=other, source=partner)
            vector[kept[0] : kept[1]] += other
            halves.append((partner, kept, given))
            (begin, end), distance = kept, 2 * distance
        for partner, kept, given in reversed(halves):
            comm.Sendrecv(vector[kept[0] : kept[1]], partner, recvbuf=vector[given[0] : given[1]], source=partner)

    def _room(self, dtype: Any, size: int) -> Array:
        if self._other.dtype != dtype or self._other.size < size:
            self._other = np.empty(size, dtype)
        return self._other[:size]

    def give(self, array: Array) -> None:
        """Overwrite an array with rank 0's."""
        if self.size > 1:
            self._comm.Bcast(array, 0)

    # Objects

    def given(self, value: Any) -> Any:
        """The object that rank 0 has."""
        return self._comm.bcast(value, 0) if self.size > 1 else value

    def gathered(self, value: Any) -> list[Any]:
        """The objects of all ranks."""
        return self._comm.allgather(value) if self.size > 1 else [value]

    def ranks_here(self) -> tuple[int, bool]:
        """How many ranks run on this machine, and whether all of them may use the same processors."""
        from cbackprop.processors import allowed

        here = self._ranks_here()
        found = here.allgather(allowed())
        here.Free()
        return len(found), all(each == found[0] for each in found)

    def abort(self) -> None:
        """End all ranks at once."""
        self._comm.Abort(1)
