"""A training step of an embedding: its time depends on how many rows a batch reads, not on the size of the table.

Run ``python benchmarks/embedding.py``; for each optimizer it prints the time of a step with tables of 10,000 and of
1,000,000 rows of 32 numbers, for batches of 256 ids, and their ratio.
"""

from __future__ import annotations

import time

import numpy as np

import cbackprop as cb

BATCH, WIDTH, STEPS, ROUNDS = 256, 32, 100, 20
OPTIMIZERS = {"SGD": lambda: cb.optimizers.SGD(0.1), "Adam": lambda: cb.optimizers.Adam(0.001)}


def step_time(rows: int, optimizer: str) -> float:
    """Seconds of a step, the least of some rounds. Each round has other ids, so that caches help little."""
    layer = cb.layers.Embedding(rows, WIDTH)
    model = cb.Sequential([cb.Input((1,), dtype="int32"), layer, cb.layers.Flatten(), cb.layers.Dense(1)])
    model.compile(OPTIMIZERS[optimizer](), "mse")
    rng = np.random.default_rng(0)
    times = []
    for _ in range(ROUNDS):
        x, y = rng.integers(rows, size=(BATCH * STEPS, 1)), rng.normal(size=(BATCH * STEPS, 1))
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH, verbose=0)
        times.append((time.perf_counter() - start) / STEPS)
    return min(times)


def main() -> None:
    print(f"{'optimizer':10} {'10,000 rows':>12} {'1,000,000 rows':>15} {'ratio':>6}")
    for optimizer in OPTIMIZERS:
        small, large = step_time(10_000, optimizer), step_time(1_000_000, optimizer)
        print(f"{optimizer:10} {small * 1e6:9.1f} us {large * 1e6:12.1f} us {large / small:6.2f}")


if __name__ == "__main__":
    main()
