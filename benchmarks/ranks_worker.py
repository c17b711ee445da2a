"""One rank of `ranks.py`: it trains alone, with the others, and as PyTorch's DistributedDataParallel, in turns.

Started by mpiexec; rank 0 prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import cbackprop as cb
from cbackprop import layers

# If ranks share processors, they often wait for one that does not run. Then small steps take milliseconds.
MOST_STEPS = 300
LATENCY_SIZES, VECTOR_SIZES = (1, 16, 256), (2**14, 2**16, 2**18, 535_818, 2**20, 2**22)


# Networks other than chains of dense layers: the shape of a sample, its operations in a step, the layers but the last.
NAMED: dict[str, tuple[tuple[int, ...], float, Callable[[], list[Any]]]] = {
    "LeNet-5": (
        (28, 28, 1),
        2.5e6,
        lambda: [
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            *(layers.Dense(width, "tanh") for width in (120, 84)),
        ],
    ),
    "LSTM 128 of 50 steps": ((50, 32), 25e6, lambda: [layers.LSTM(128)]),
}


def shape_of(name: str, widths: list[int]) -> tuple[int, ...]:
    return NAMED[name][0] if name in NAMED else (widths[0],)


def hidden_of(name: str, widths: list[int]) -> list[Any]:
    return NAMED[name][2]() if name in NAMED else [layers.Dense(width, "relu") for width in widths[1:-1]]


def operations_of(name: str, widths: list[int]) -> float:
    """Roughly, of a sample in a step."""
    return NAMED[name][1] if name in NAMED else 6 * sum(a * b for a, b in pairwise(widths))


def data(shape: tuple[int, ...], classes: int, samples: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, *shape)).astype("float32"), rng.integers(0, classes, samples)


class Ours:
    """cbackprop: `fit`, by all ranks or by rank 0 alone."""

    def __init__(self, name: str, widths: list[int], batch: int, steps: int, distribution: Any) -> None:
        self.distribution = distribution
        self.ranks = 1 if distribution is None else distribution.num_processes
        self.batch = batch * self.ranks
        shape = shape_of(name, widths)
        self.x, self.y = data(shape, widths[-1], self.batch * steps)
        cb.utils.set_random_seed(1)
        self.model = cb.Sequential([cb.Input(shape), *hidden_of(name, widths), layers.Dense(widths[-1], "softmax")])
        self.model.compile("adam", "sparse_categorical_crossentropy")

    def run(self) -> None:
        cb.distribution.set_distribution(self.distribution)
        self.model.fit(self.x, self.y, self.batch, verbose=0)


class Theirs:
    """PyTorch: DistributedDataParallel over gloo, each rank with its share of the samples."""

    def __init__(self, widths: list[int], batch: int, steps: int) -> None:
        import torch
        from torch.nn.parallel import DistributedDataParallel

        self.torch, self.batch = torch, batch
        x, y = data((widths[0],), widths[-1], batch * steps)
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        parts: list[Any] = []
        for inner, outer in pairwise(widths):
            parts += [torch.nn.Linear(inner, outer), torch.nn.ReLU()]
        self.model = DistributedDataParallel(torch.nn.Sequential(*parts[:-1]))
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)
        self.loss = torch.nn.CrossEntropyLoss()

    def run(self) -> None:
        order = self.torch.randperm(len(self.x))
        for begin in range(0, len(order), self.batch):
            rows = order[begin : begin + self.batch]
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.model(self.x.index_select(0, rows)), self.y.index_select(0, rows)).backward()
            self.optimizer.step()


def begin_theirs(rank: int, ranks: int) -> bool:
    """Whether there is PyTorch, with its ranks connected."""
    try:
        import torch
        import torch.distributed as torch_distributed
    except ImportError:
        return False
    torch.set_num_threads(1)
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    torch_distributed.init_process_group("gloo", rank=rank, world_size=ranks)
    return True


def quietly(comm: Any, act: Callable[[], None], alone: bool) -> float:
    """Seconds of a run of all ranks, from the first that begins to the last that ends, or of rank 0 alone."""
    comm.Barrier()
    begin = time.perf_counter()
    if not alone or comm.rank == 0:
        act()
    end = time.perf_counter()
    if alone and comm.rank == 0:
        for rank in range(1, comm.size):
            comm.send(None, rank)
    while alone and comm.rank and not comm.iprobe(source=0):  # a wait of MPI's would keep a processor busy
        time.sleep(0.001)
    if alone and comm.rank:
        comm.recv(source=0)
    begins, ends = zip(*comm.allgather((begin, end)), strict=True)  # by a clock of the machine
    return float(ends[0] - begins[0] if alone else max(ends) - min(begins))


def sums(communicator: Any, comm: Any, repetitions: int) -> dict[str, dict[int, float]]:
    """The least seconds of a sum of this many numbers over ranks, as engines make it."""
    found: dict[str, dict[int, float]] = {"any order": {}, "in order": {}, "in shared memory": {}}
    for size in (*LATENCY_SIZES, *VECTOR_SIZES):
        vector: Any = np.zeros(size, np.float32)
        shared = communicator.shared_vectors(size, np.dtype("float32"))
        ways: dict[str, Callable[[], None]] = {"any order": lambda vector=vector: communicator.add(vector)}
        if comm.size & (comm.size - 1) == 0:
            ways["in order"] = lambda vector=vector: communicator.add(vector, in_order=True)
        if shared is not None:
            ways["in shared memory"] = lambda size=size, shared=shared: communicator.add_shared(shared, 0, size, False)
        for name, add in ways.items():
            times = []
            for _ in range(max(repetitions, 3)):
                comm.Barrier()
                begin = time.perf_counter()
                add()
                times.append(time.perf_counter() - begin)
            found[name][size] = float(comm.bcast(min(times), 0))
    return found


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--networks", required=True)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=float, default=0.3)
    options.add_argument("--peers", action="store_true")
    given = options.parse_args()
    cb.config.set_num_threads(1)
    any_order = cb.distribution.DataParallel()
    ranks, comm = any_order.num_processes, any_order.communicator._comm
    in_order = cb.distribution.DataParallel(deterministic=True) if 8 % ranks == 0 else None
    with_peers = given.peers and ranks > 1 and begin_theirs(any_order.rank, ranks)
    results: dict[str, Any] = {"ranks": ranks, "networks": {}}
    for name, widths, batch in json.loads(given.networks):
        steps = min(max(int(given.seconds * 5e10 / batch / operations_of(name, widths)), 2), MOST_STEPS)
        single = Ours(name, widths, batch, steps, None)
        runs: dict[str, tuple[Any, bool]] = {"alone": (single, True)}
        if ranks > 1:
            runs["apart"] = (single, False)  # all ranks at the same time, each for itself
            runs["ranks"] = (Ours(name, widths, batch, steps, any_order), False)
        if in_order is not None:
            runs["in order"] = (Ours(name, widths, batch, steps, in_order), False)
        if with_peers and name not in NAMED:
            runs["PyTorch DDP"] = (Theirs(widths, batch, steps), False)
        times: dict[str, list[float]] = {kind: [] for kind in runs}
        for number in range(given.rounds + 1):
            for kind, (run, alone) in runs.items():
                taken = quietly(comm, run.run, alone)
                if number:
                    times[kind].append(taken / steps)
        results["networks"][name] = {"times": times, "batch": batch, "weights": single.model.count_params()}
    results["sums"] = sums(any_order.communicator, comm, 10 * given.rounds) if ranks > 1 else {}
    if any_order.rank == 0:
        print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
