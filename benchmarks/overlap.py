"""The gain of sending the first gradients while others are still computed, on two machines with a slow network.

The machines are network namespaces, so this needs Linux, root, iproute2 and Open MPI 5. A step consists of NumPy's
matrix products for a chain of dense layers: forward, deltas, and gradients in pieces. It is measured in two ways: with
one sum over both machines after all pieces, and with a sum for each piece, which begins when the piece is ready.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import machine
import numpy as np
from ranks import launcher
from report import Report, number

WIDTHS = (784, 512, 256, 10)
RATES = ("1gbit", "2500mbit", "10gbit")
BATCHES = (256, 1024, 4096)
PIECES = 8
# What mpiexec calls in place of ssh: an address, and a command to run there. Machines are told apart by their names.
AGENT = """#!/bin/sh
machine=$((${{1##*.}} - 1))
shift
exec ip netns exec {prefix}$machine unshare --uts sh -c "echo {prefix}$machine > /proc/sys/kernel/hostname; $*"
"""


# The machines


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextlib.contextmanager
def two_machines(rate: str) -> Iterator[list[str]]:
    """The command that starts a program on each of two machines, with a cable of this rate between them."""
    prefix = f"ov{os.getpid() % 10**6}m"
    names = [f"{prefix}{i}" for i in range(2)]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", names[0], "netns", names[0], "type", "veth", "peer", "name", names[1], "netns", names[1])
        for i, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.213.78.{i + 1}/24", "dev", name)
            ip("-n", name, "link", "set", name, "mtu", "9000", "up")
            ip("-n", name, "link", "set", "lo", "up")
            limit = ["tbf", "rate", rate, "burst", "128k", "limit", "8m"]
            subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", name, "root", *limit], check=True)
        with tempfile.TemporaryDirectory() as folder:
            agent = Path(folder) / "agent"
            agent.write_text(AGENT.format(prefix=prefix))
            agent.chmod(0o755)
            first = ["ip", "netns", "exec", names[0], "unshare", "--uts"]
            first += ["sh", "-c", f'echo {names[0]} > /proc/sys/kernel/hostname; exec "$@"', "sh", *launcher()]
            hosts = "10.213.78.1,10.213.78.2"
            yield [*first, "--prtemca", "plm_ssh_agent", str(agent), "--host", hosts, "-n", "2", sys.executable]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


# One rank


class Sum:
    """A sum over two ranks that goes on when it is asked: each adds up one half, and then both exchange halves."""

    def __init__(self, comm: Any, vector: Any, tag: int) -> None:
        self.comm, self.vector, self.tag, self.partner = comm, vector, tag, 1 - comm.rank
        halves = slice(0, len(vector) // 2), slice(len(vector) // 2, None)
        self.own, self.given = halves if comm.rank == 0 else halves[::-1]
        self.other = np.empty_like(vector[self.own])
        self.requests = self.exchange(self.other, vector[self.given])
        self.added = False

    def exchange(self, received: Any, sent: Any) -> list[Any]:
        return [self.comm.Irecv(received, self.partner, self.tag), self.comm.Isend(sent, self.partner, self.tag)]

    def done(self) -> bool:
        self.requests = [request for request in self.requests if not request.Test()]
        if self.requests:
            return False
        if not self.added:
            self.vector[self.own] += self.other
            self.requests = self.exchange(self.vector[self.given], self.vector[self.own])
            self.added = True
            return False
        return True


class Step:
    """The matrix products of a step. Its gradients are in a flat vector."""

    def __init__(self, comm: Any, batch: int) -> None:
        rng = np.random.default_rng(0)
        self.comm = comm
        self.x = [rng.normal(size=(batch, width)).astype("float32") for width in WIDTHS]
        self.kernels = [rng.normal(size=shape).astype("float32") for shape in pairwise(WIDTHS)]
        self.out = [np.empty_like(each) for each in self.x]
        self.vector: Any = np.zeros(sum(kernel.size for kernel in self.kernels), "float32")
        self.pieces: list[tuple[slice, Callable[[], Any]]] = []
        offset = 0
        for i, kernel in enumerate(self.kernels):
            rows = np.linspace(0, len(kernel), max(1, round(PIECES * kernel.size / self.vector.size)) + 1).astype(int)
            for begin, end in pairwise(rows):
                place = slice(offset + begin * kernel.shape[1], offset + end * kernel.shape[1])
                self.pieces.append((place, self.product(i, begin, end, place)))
            offset += kernel.size

    def product(self, i: int, begin: int, end: int, place: slice) -> Callable[[], Any]:
        out = self.vector[place].reshape(end - begin, -1)
        return lambda: np.matmul(self.x[i].T[begin:end], self.x[i + 1], out=out)

    def deltas(self) -> None:
        for i, kernel in enumerate(self.kernels):
            np.matmul(self.x[i], kernel, out=self.out[i + 1])
        for i in range(len(self.kernels) - 1, 0, -1):
            np.matmul(self.x[i + 1], self.kernels[i].T, out=self.out[i])

    def alone(self) -> None:
        self.deltas()
        for _, compute in self.pieces:
            compute()

    def after(self) -> None:
        self.alone()
        total = Sum(self.comm, self.vector, 0)
        while not total.done():
            pass

    def after_by_mpi(self, in_place: Any) -> None:
        self.alone()
        self.comm.Allreduce(in_place, self.vector)

    def overlapped(self) -> None:
        self.deltas()
        sums: list[Sum] = []
        for tag, (place, compute) in enumerate(self.pieces):
            compute()
            sums.append(Sum(self.comm, self.vector[place], tag))
            sums = [each for each in sums if not each.done()]
        while sums:
            sums = [each for each in sums if not each.done()]


def work(batches: list[int], rounds: int) -> None:
    from mpi4py import MPI

    comm, found = MPI.COMM_WORLD, {}
    for batch in batches:
        step = Step(comm, batch)
        ways = {"alone": step.alone, "after": step.after, "overlapped": step.overlapped}
        ways["MPI's"] = partial(step.after_by_mpi, MPI.IN_PLACE)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(rounds + 1):
            for way, run in ways.items():
                comm.Barrier()
                begin = time.perf_counter()
                run()
                taken = comm.allreduce(time.perf_counter() - begin, MPI.MAX)
                times[way] += [taken] if turn else []
        found[batch] = {way: statistics.median(each) for way, each in times.items()}
    if comm.rank == 0:
        print(json.dumps(found), flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", nargs="+", default=RATES, help="as tc writes them")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="samples of each machine")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work(options.batches, options.rounds)
        return 0
    report = Report("overlap")
    report.say(f"{machine.processor()}; medians of {options.rounds} rounds.")
    titles = [
        "rate of the cable",
        "samples",
        "alone, ms",
        "and MPI's sum, ms",
        "and a sum in order, ms",
        "overlapped, ms",
        "saved",
    ]
    report.table(f"{'-'.join(map(str, WIDTHS))} on two machines, one thread each", titles)
    for rate in options.rates:
        with two_machines(rate) as start:
            own = [__file__, "--work", "--rounds", str(options.rounds), "--batches", *map(str, options.batches)]
            done = subprocess.run(
                [*start, *own], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        found = json.loads(done.stdout)
        for batch, times in found.items():
            saved = 1 - times["overlapped"] / min(times["after"], times["MPI's"])
            cells = (number(1e3 * times[way]) for way in ("alone", "MPI's", "after", "overlapped"))
            report.row(rate, batch, *cells, f"{saved:.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
