"""A peer in a process of its own, started with the threads it may use and told what to do over a pipe.

So thread limits are really in force (JAX and BLAS count processors when they are loaded), thread pools do not
disturb each other, and a peer that is missing or crashes does not disturb the others.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import machine

SERVER = Path(__file__).with_name("serve.py")
COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class PeerError(Exception):
    """The peer is absent, cannot do what was asked, or has died; the message says which."""


class Worker:
    """The process of one peer. Calling it asks a question, see `serve.Server`.

    Parameters
    ----------
    name : str
        One of `peers.NAMES`.
    threads : int
        No more than there are processors; the last ones are taken, as systems like the first for themselves.
    auto : bool, default False
        Whether the peer chooses how many of these threads it uses. Only cbackprop can.
    """

    def __init__(self, name: str, threads: int, auto: bool = False) -> None:
        self.name = name
        self.threads = threads
        self.auto = auto
        self.process: subprocess.Popen[bytes] | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | dict.fromkeys(COUNTS, str(self.threads))
        if self.threads == 1:
            own = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {own}"
        chosen = ",".join(map(str, machine.cpus()[-self.threads :]))
        command = [sys.executable, str(SERVER), self.name, "auto" if self.auto else str(self.threads), chosen]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def __call__(self, *question: Any) -> Any:
        if self.process is None:
            self.process = self._start()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump(question, self.process.stdin)
            self.process.stdin.flush()
            good, answer = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError) as error:
            self.close()  # the next question starts another
            raise PeerError(f"{self.name} died at {question[0]!r}") from error
        if not good:
            raise PeerError(answer)
        return answer

    def close(self) -> None:
        """End the process. It also ends by itself when its input is closed."""
        if self.process is not None:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
            self.process = None
