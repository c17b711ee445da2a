"""``cbackprop bench``: time a few training jobs here and in other installed libraries."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

import cbackprop as cb
from cbackprop import layers
from cbackprop.cli.console import say, show_grid
from cbackprop.cli.settings import settings

__all__ = ["command"]


@dataclass(frozen=True)
class Job:
    """A classifier with one hidden layer of ReLU."""

    widths: tuple[int, int, int]
    batch_size: int
    optimizer: str
    batches: int  # per epoch; enough that the fixed cost of a call does not matter

    @property
    def name(self) -> str:
        """A short description."""
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch_size}, {self.optimizer}"

    def samples(self) -> tuple[Any, Any]:
        """Random inputs of float32, and random classes."""
        rng = np.random.default_rng(0)
        rows = self.batches * self.batch_size
        x = rng.normal(size=(rows, self.widths[0])).astype(np.float32)
        return x, rng.integers(self.widths[2], size=rows)


JOBS = (Job((8, 16, 3), 16, "adam", 1000), Job((64, 64, 10), 32, "adam", 300), Job((784, 128, 10), 32, "sgd", 100))
RATES = {"adam": 1e-3, "sgd": 1e-2}

Epoch = Callable[[], object]


def ours(job: Job, x: Any, y: Any, engine: str = "compiled") -> Epoch:
    """An epoch of this library in one of the two engines."""
    model = cb.Sequential(
        [cb.Input(job.widths[:1]), layers.Dense(job.widths[1], "relu"), layers.Dense(job.widths[2], "softmax")]
    )
    optimizer = cb.optimizers.get({"class_name": job.optimizer, "config": {"learning_rate": RATES[job.optimizer]}})
    model.compile(optimizer, "sparse_categorical_crossentropy", engine=engine)
    return lambda: model.fit(x, y, batch_size=job.batch_size, verbose=0)


def scikit_learn(job: Job, x: Any, y: Any) -> Epoch:
    """An epoch of MLPClassifier."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        job.widths[1:2],
        solver=job.optimizer,
        batch_size=job.batch_size,
        alpha=0,
        learning_rate_init=RATES[job.optimizer],
        momentum=0,
    )
    classes = np.arange(job.widths[2])
    return lambda: model.partial_fit(x, y, classes=classes)


def pytorch(job: Job, x: Any, y: Any) -> Epoch:
    """An epoch of the usual PyTorch loop."""
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(*job.widths[:2]), nn.ReLU(), nn.Linear(*job.widths[1:]))
    rule = torch.optim.Adam if job.optimizer == "adam" else torch.optim.SGD
    optimizer, loss = rule(model.parameters(), RATES[job.optimizer]), nn.CrossEntropyLoss()
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)

    def epoch() -> None:
        order = torch.randperm(len(inputs))
        for rows in order.split(job.batch_size):
            optimizer.zero_grad()
            loss(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()

    return epoch


# For each library: its name, the package that must be installed, and the function that makes an epoch.
PEERS: dict[str, tuple[str, Callable[[Job, Any, Any], Epoch]]] = {
    "cbackprop": ("cbackprop", ours),
    "NumPy twin": ("numpy", lambda job, x, y: ours(job, x, y, "reference")),
    "scikit-learn": ("sklearn", scikit_learn),
    "PyTorch": ("torch", pytorch),
}


@click.command("bench")
@click.option("--seconds", type=click.FloatRange(0, 600), default=10.0, show_default=True, help="How long to measure.")
def command(seconds: float) -> None:
    """Measure training steps of three small networks on one thread, here and in peers that are installed."""
    present = {name: make for name, (module, make) in PEERS.items() if importlib.util.find_spec(module)}
    rows = []
    with one_thread(present):
        for job in JOBS:
            x, y = job.samples()
            found = measure({name: make(job, x, y) for name, make in present.items()}, seconds / len(JOBS))
            rows.append((job.name, *(f"{1e6 * found[name] / job.batches:,.1f}" for name in present)))
    show_grid("microseconds a training step, one thread", ("network", *present), rows)
    absent = [name for name in PEERS if name not in present]
    if absent:
        say(f"not installed: {', '.join(absent)}")


def measure(epochs: dict[str, Epoch], seconds: float) -> dict[str, float]:
    """Median seconds of an epoch for each library. They take turns in rounds; the first round does not count."""
    for epoch in epochs.values():
        epoch()
    times: dict[str, list[float]] = {name: [] for name in epochs}
    stop = time.perf_counter() + seconds
    while not times[next(iter(epochs))] or time.perf_counter() < stop:
        for name, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


@contextmanager
def one_thread(present: Iterable[str]) -> Iterator[None]:
    """Let all libraries use one thread; PyTorch needs its own setting."""
    with ExitStack() as undo:
        if "PyTorch" in present:
            import torch

            undo.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        with settings(threads=1), threadpool_limits(1):
            yield
