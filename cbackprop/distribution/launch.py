"""The start and the end of a program of several ranks."""

from __future__ import annotations

import atexit
import sys
import time
import traceback
from types import TracebackType
from typing import Any

from cbackprop import random, threads
from cbackprop.distribution.communicator import Communicator, Does, RankError

__all__ = ["initialize", "list_devices", "world"]

_world: Communicator | None = None

# Seconds that a rank waits for another one, which has failed, to report that itself.
PATIENCE = 2.0


def initialize(job_addresses: Any = None, num_processes: Any = None, process_id: Any = None) -> None:
    """Find the other ranks, which ``mpiexec`` has started. `DataParallel` calls this if it has not been called.

    After this call, an uncaught exception on one rank ends all ranks, with its message, and all ranks draw the same
    random numbers as rank 0.

    Parameters
    ----------
    job_addresses, num_processes, process_id : None
        Arguments of Keras. They must be None, because MPI knows these things.

    Raises
    ------
    ImportError
        Without mpi4py, or if it finds no MPI.
    ValueError
        If one of the arguments is given.

    References
    ----------
    Arguments are those of Keras 3.
    """
    global _world
    for name, value in (("job_addresses", job_addresses), ("num_processes", num_processes), ("process_id", process_id)):
        if value is not None:
            raise ValueError(
                f"{name} must be None: start the program with mpiexec, which says how many processes there are."
            )
    if _world is not None:
        return
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            "Several processes talk through MPI, by mpi4py: pip install 'cbackprop[mpi]', or build mpi4py for your "
            f"cluster's MPI. What went wrong: {error}"
        ) from error
    found = Communicator(MPI.COMM_WORLD)
    if found.size > 1:
        random.set_state(found.given(random.state()))
        count, shared = found.ranks_here()
        threads.set_processes(count if shared else 1)
        sys.excepthook = _ended_by
        atexit.register(_leave)
    _world = found


def world() -> Communicator:
    """All ranks of the program."""
    if _world is None:
        initialize()
    assert _world is not None
    return _world


def list_devices(device_type: str | None = None) -> list[str]:
    """The ranks, as Keras names devices: one processor device for each process.

    Parameters
    ----------
    device_type : {"cpu"}, optional

    Returns
    -------
    list of str
        ``["cpu:0", "cpu:1", ...]``, after `initialize`; else ``["cpu:0"]``.

    Raises
    ------
    ValueError
        For another kind of devices.

    References
    ----------
    Arguments are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.distribution.list_devices()
    ['cpu:0']
    """
    if device_type is not None and str(device_type).lower() != "cpu":
        raise ValueError(f"device_type must be 'cpu', but got {device_type!r}: everything runs on processors.")
    return [f"cpu:{rank}" for rank in range(1 if _world is None else _world.size)]


def _ended_by(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say which rank has failed, and end all ranks: the others would wait for this one."""
    assert _world is not None
    if isinstance(error, RankError):
        time.sleep(PATIENCE)  # all ranks know it; the one that has failed has more to say
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(f"Rank {_world.rank} of {_world.size} ends all ranks:\n{text}")
    sys.stdout.flush()
    sys.stderr.flush()
    _world.abort()


def _leave() -> None:
    """At the end of the program, wait for the other ranks; if these still train, they learn that this one has gone."""
    assert _world is not None
    try:
        _world.meet(Does.END)
    except RankError as error:
        _ended_by(type(error), error, error.__traceback__)
