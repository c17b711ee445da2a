"""The process of one peer: reads pickled questions from its standard input, and answers on its standard output.

python benchmarks/serve.py PEER THREADS CPU,CPU,...

Only `worker.py` starts it. The affinity is set before any library is imported, because many libraries count processors
when they are imported.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {int(cpu) for cpu in sys.argv[3].split(",")})

import contextlib
import ctypes
import importlib
import importlib.metadata
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from peers import UnsupportedError


def peak_memory(run: Callable[[], Any]) -> int:
    """The most bytes by which the memory of the process grows while something runs. Linux only."""
    try:
        # Free memory goes back to the system: otherwise new allocations would be hidden in it.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
        before = memory_status("VmRSS")
        run()
        return memory_status("VmHWM") - before
    except OSError as error:
        raise UnsupportedError(f"this system does not tell the peak of memory: {error}") from error


def memory_status(name: str) -> int:
    """A line of the system's account of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


class Server:
    """Answers questions about one peer. Each public method is a question."""

    def __init__(self, name: str, threads: Any) -> None:
        self.peer = importlib.import_module(f"peers.{name}")
        self.peer.set_threads(threads)
        self.job: Any = None
        self.wall = self.cpu = 0.0

    def about(self) -> dict[str, Any]:
        """Title, versions, and what the peer can do."""
        kinds = [kind for kind in ("Training", "Inference") if hasattr(self.peer, kind)]
        versions = {package: importlib.metadata.version(package) for package in self.peer.PACKAGES}
        return {"title": self.peer.TITLE, "versions": versions, "kinds": kinds}

    def prepare(self, kind: str, case: Any) -> None:
        self.job = None  # frees the memory of the last one first
        self.job = getattr(self.peer, kind)(case)

    def memory(self, case: Any) -> int:
        """Bytes that an epoch takes at its peak, beyond the data and weights; a tiny batch has loaded all code."""
        self.prepare("Training", replace(case, batch=2, steps=1))
        self.job.run(1)
        self.prepare("Training", case)
        return peak_memory(lambda: self.job.run(1))

    def steps(self, count: int) -> Any:
        return self.job.steps(count)

    def outputs(self) -> Any:
        return self.job.run(1)

    def seconds(self, count: int, clock: str = "wall") -> float:
        """How long the repetitions take, by the clock on the wall or by that of the process ("cpu")."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.job.run(count)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.wall += wall
        self.cpu += cpu
        return cpu if clock == "cpu" else wall

    def processors(self) -> float:
        """How many processors were used on average so far."""
        return self.cpu / max(self.wall, 1e-9)

    def calibrate(self, wanted: float) -> int:
        """How many repetitions take this many seconds. The first run does not count, because it may compile."""
        self.job.run(1)
        count = 1
        while (taken := self.seconds(count)) < wanted / 2:
            count = math.ceil(count * min(10, wanted / max(taken, 1e-7)))
        return max(1, round(count * wanted / taken))


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    server: Any = None
    while True:
        try:
            method, *arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            server = server or Server(sys.argv[1], sys.argv[2] if sys.argv[2] == "auto" else int(sys.argv[2]))
            answer = True, getattr(server, method)(*arguments)
        except Exception as error:
            first = (str(error).splitlines() or [""])[0][:200]
            answer = False, first if isinstance(error, UnsupportedError) else f"{type(error).__name__}: {first}"
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
