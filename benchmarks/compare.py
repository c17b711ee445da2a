"""Microseconds per training step: compiled C against the NumPy twin, in interleaved rounds.

Each network is trained on random data. A round times one `fit` of each engine, one after the other; the table shows
the medians over the rounds, and the median of the ratios within a round, which a change of clock speed leaves alone.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cbackprop as cb
from cbackprop import layers

ENGINES = ("compiled", "reference")


@dataclass(frozen=True)
class Network:
    """Widths from input to output, how it is trained, and how many steps make an epoch."""

    widths: tuple[int, ...]
    activation: str
    last: str
    loss: str
    batch: int
    optimizer: Callable[[], Any]
    steps: int

    @property
    def name(self) -> str:
        kind = {"mse": "MSE", "sparse_categorical_crossentropy": "CE"}[self.loss]
        return (
            f"{'-'.join(map(str, self.widths))} {self.activation} {kind}, batch {self.batch}, {self.optimizer().name}"
        )

    def model(self, engine: str) -> cb.Sequential:
        *hidden, outputs = self.widths[1:]
        stack = [layers.Dense(width, activation=self.activation) for width in hidden]
        model = cb.Sequential([cb.Input((self.widths[0],)), *stack, layers.Dense(outputs, activation=self.last)])
        model.compile(self.optimizer(), self.loss, engine=engine)
        return model

    def data(self) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        samples = self.batch * self.steps
        x = rng.normal(size=(samples, self.widths[0])).astype(np.float32)
        if self.loss == "mse":
            return x, rng.normal(size=(samples, self.widths[-1])).astype(np.float32)
        return x, rng.integers(self.widths[-1], size=samples)


def classifier(widths: tuple[int, ...], batch: int, optimizer: Callable[[], Any], steps: int) -> Network:
    return Network(widths, "relu", "softmax", "sparse_categorical_crossentropy", batch, optimizer, steps)


def regressor(
    widths: tuple[int, ...], activation: str, batch: int, optimizer: Callable[[], Any], steps: int
) -> Network:
    return Network(widths, activation, "linear", "mse", batch, optimizer, steps)


NETWORKS = [
    regressor((2, 8, 1), "tanh", 4, cb.optimizers.SGD, 500),
    regressor((8, 64, 64, 4), "relu", 32, cb.optimizers.Adam, 200),
    classifier((64, 64, 10), 32, cb.optimizers.Adam, 200),
    regressor((30, 128, 64, 1), "relu", 128, cb.optimizers.Adam, 100),
    classifier((784, 128, 10), 32, cb.optimizers.SGD, 100),
    classifier((784, 512, 256, 10), 128, cb.optimizers.Adam, 20),
    regressor((4, 32, 16, 4), "tanh", 10_000, cb.optimizers.Adam, 3),
]


def seconds_per_step(model: cb.Sequential, x: Any, y: Any, network: Network) -> float:
    start = time.perf_counter()
    model.fit(x, y, batch_size=network.batch, verbose=0)
    return (time.perf_counter() - start) / network.steps


def measure(network: Network, rounds: int) -> dict[str, float]:
    """Medians over the rounds, after one round to warm up."""
    x, y = network.data()
    models = {engine: network.model(engine) for engine in ENGINES}
    times: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for round_number in range(rounds + 1):
        for engine, model in models.items():
            seconds = seconds_per_step(model, x, y, network)
            if round_number:
                times[engine].append(seconds)
    ratios = [slow / fast for fast, slow in zip(*times.values(), strict=True)]
    return {engine: statistics.median(t) for engine, t in times.items()} | {"ratio": statistics.median(ratios)}


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a network's name")
    options = parser.parse_args()
    cb.config.set_num_threads(options.threads)
    print(f"{processor()}, {options.threads} thread(s), median of {options.rounds} rounds, µs per step\n")
    print("| network | cbackprop | NumPy twin | ratio |")
    print("|---|---:|---:|---:|")
    for network in NETWORKS:
        if options.only in network.name:
            result = measure(network, options.rounds)
            print(
                f"| {network.name} | {1e6 * result['compiled']:,.1f} | {1e6 * result['reference']:,.1f} "
                f"| {result['ratio']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
