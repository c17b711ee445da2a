"""Many small networks: `fit_many` against JAX's vmap over models, and loops of `fit` and of PyTorch.

Run ``python benchmarks/many.py``; it takes about two minutes. JAX and PyTorch are left out where they are missing. By
default 1,000 networks 8-16-16-1 are trained on 500 rows for 20 epochs of batch 32 by Adam, all on one thread; in each
round all peers run, one after the other. Then it prints what two threads gain, what it costs to make a model and to fit
it for an epoch where others of its kind exist, and how much memory a model takes.

Times are of the processor (``--clock wall``: times that passed). Tables show the least of the rounds; ratios are
medians over rounds of the times in the same round.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import pickle
import statistics
import time
from collections.abc import Callable
from pathlib import Path

# One thread for each peer. These are read when the libraries are loaded.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np

import cbackprop as cb

SIZES = (8, 16, 16, 1)
ROWS, EPOCHS, BATCH, RATE = 500, 20, 32, 0.001
# A loop of PyTorch is so slow that a few models must do.
TORCH_MODELS = 3

CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}


def make_data() -> tuple[np.ndarray, np.ndarray]:
    """Standard normal features, and a smooth function of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, SIZES[0])).astype("float32")
    return x, (x[:, :1] * x[:, 1:2]).astype("float32")


def make_model() -> cb.Sequential:
    """One of the networks."""
    hidden = [cb.layers.Dense(units, "relu") for units in SIZES[1:-1]]
    model = cb.Sequential([cb.Input(SIZES[:1]), *hidden, cb.layers.Dense(SIZES[-1])])
    model.compile(cb.optimizers.Adam(RATE), "mse")
    return model


def run_many(models: int, threads: int = 1) -> Callable[[], object]:
    """All models by `fit_many`. They are new, and made before the clock starts."""
    x, y = make_data()
    made = [make_model() for _ in range(models)]
    return lambda: cb.fit_many(made, x, y, BATCH, EPOCHS, verbose=0, threads=threads)


def run_loop(models: int) -> Callable[[], object]:
    """A loop of `fit` over new models."""
    x, y = make_data()
    made = [make_model() for _ in range(models)]
    return lambda: [model.fit(x, y, BATCH, EPOCHS, verbose=0) for model in made]


def run_jax(models: int) -> Callable[[], object]:
    """All models in one jitted program: vmap over models of a scan over epochs of a scan over batches."""
    import jax
    import jax.numpy as jnp

    x, y = map(jnp.asarray, make_data())
    steps = ROWS // BATCH

    def loss(weights: list, xs: jax.Array, ys: jax.Array) -> jax.Array:
        for kernel, bias in weights[:-1]:
            xs = jax.nn.relu(xs @ kernel + bias)
        kernel, bias = weights[-1]
        return jnp.mean((xs @ kernel + bias - ys) ** 2)

    def step(state: tuple, rows: jax.Array) -> tuple:
        weights, first, second, count = state
        value, gradient = jax.value_and_grad(loss)(weights, x[rows], y[rows])
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second)
        return (weights, first, second, count), value

    def epoch(state: tuple, key: jax.Array) -> tuple:
        # The last 20 rows, of a smaller batch, are left out: XLA wants equal shapes.
        order = jax.random.permutation(key, ROWS)[: steps * BATCH].reshape(steps, BATCH)
        state, values = jax.lax.scan(step, state, order)
        return state, values.mean()

    def train(key: jax.Array) -> tuple:
        first, *keys = jax.random.split(key, EPOCHS + 1)
        layers = zip(itertools.pairwise(SIZES), jax.random.split(first, len(SIZES) - 1), strict=True)
        weights = [(jax.random.normal(k, (a, b)) * (2 / (a + b)) ** 0.5, jnp.zeros(b)) for (a, b), k in layers]
        zeros = jax.tree.map(jnp.zeros_like, weights)
        return jax.lax.scan(epoch, (weights, zeros, zeros, 0.0), jnp.stack(keys))

    keys = jax.random.split(jax.random.key(0), models)
    compiled = jax.jit(jax.vmap(train)).lower(keys).compile()
    return lambda: jax.block_until_ready(compiled(keys))


def run_torch(models: int) -> Callable[[], object]:
    """A loop over models, each trained by eager PyTorch."""
    import torch

    torch.set_num_threads(1)
    x, y = map(torch.from_numpy, make_data())

    def train() -> None:
        layers = []
        for a, b in itertools.pairwise(SIZES):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers[:-1])
        optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
        for _ in range(EPOCHS):
            order = torch.randperm(ROWS)
            for begin in range(0, ROWS, BATCH):
                rows = order[begin : begin + BATCH]
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
                optimizer.step()

    train()
    return lambda: [train() for _ in range(models)]


def timed(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """Milliseconds that a call takes."""
    begin = clock()
    run()
    return 1000 * (clock() - begin)


def first_fit(clock: Callable[[], float], models: int = 50) -> tuple[float, float]:
    """Milliseconds to make a model, and to fit it for one epoch among others of its kind.

    There are only a few models, so that in some rounds no other process uses the processor and its caches meanwhile.
    """
    x, y = make_data()
    made: list[cb.Sequential] = []
    making = timed(lambda: made.extend(make_model() for _ in range(models)), clock)
    fitting = timed(lambda: cb.fit_many(made, x, y, BATCH, 1, verbose=0, threads=1), clock)
    return making / models, fitting / models


def ways(clock: Callable[[], float], rounds: int, models: int = 20) -> dict[str, list[float]]:
    """Milliseconds to make a compiled model in each way, and to fit it alone for one epoch; the least of the rounds."""
    x, y = make_data()
    known = make_model()
    config, pickled = known.get_config(), pickle.dumps(known)

    def from_config() -> cb.Sequential:
        model = cb.Sequential.from_config(config)
        model.compile(cb.optimizers.Adam(RATE), "mse")
        return model

    makers: dict[str, Callable[[], cb.Sequential]] = {
        "layers and `compile`": make_model,
        "`clone_model`": lambda: cb.models.clone_model(known),
        "`from_config` and `compile`": from_config,
        "`pickle.loads`": lambda: pickle.loads(pickled),
    }
    least = {name: [math.inf, math.inf] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            made: list[cb.Sequential] = []
            making = timed(lambda make=make, made=made: made.extend(make() for _ in range(models)), clock)
            fitting = timed(lambda made=made: [model.fit(x, y, BATCH, 1, verbose=0) for model in made], clock)
            least[name] = [min(a, b / models) for a, b in zip(least[name], (making, fitting), strict=True)]
    return least


def memory(models: int) -> tuple[float, float]:
    """Kilobytes that a new model takes, and a trained one."""
    page = os.sysconf("SC_PAGE_SIZE") / 1000

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    x, y = make_data()
    cb.fit_many([make_model()], x, y, BATCH, 2, verbose=0)
    before = resident()
    made = [make_model() for _ in range(models)]
    new = resident()
    cb.fit_many(made, x, y, BATCH, 2, verbose=0)
    return (new - before) / models, (resident() - before) / models


def compare(models: int, rounds: int, clock: Callable[[], float]) -> None:
    """Print a table of all peers."""
    peers: dict[str, tuple[int, Callable[[int], Callable[[], object]]]] = {
        "fit_many": (models, run_many),
        "a loop of fit": (models // 10 or 1, run_loop),
        "JAX, vmap over models": (models, run_jax),
        "a loop of PyTorch": (TORCH_MODELS, run_torch),
    }
    times: dict[str, list[float]] = {}
    lasting: dict[str, Callable[[], object]] = {}  # what need not be made again
    for _ in range(rounds):
        for name, (count, make) in peers.items():
            try:
                run = lasting[name] if name in lasting else make(count)
            except ImportError:
                continue
            if make in (run_jax, run_torch):
                lasting[name] = run
            times.setdefault(name, []).append(timed(run, clock) / count)
    print("| | ms a model | times fit_many |\n|---|---:|---:|")
    for name, found in times.items():
        ratios = [other / own for other, own in zip(found, times["fit_many"], strict=True)]
        print(f"| {name} | {min(found):.3f} | {statistics.median(ratios):.2f} |")


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """The arguments of the command line, or those that are given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=list(CLOCKS), default="cpu")
    return parser.parse_args(given)


def main() -> None:
    arguments = parse()
    clock = CLOCKS[arguments.clock]
    cb.config.set_num_threads(1)
    print(f"# many\n\n{'-'.join(map(str, SIZES))}, {ROWS} rows, {EPOCHS} epochs of batch {BATCH}, Adam\n")
    new, trained = memory(arguments.models)  # first: later, models would take memory that others have left
    compare(arguments.models, arguments.rounds, clock)
    gains = []
    for _ in range(arguments.rounds):
        one, two = (timed(run_many(arguments.models, threads), time.perf_counter) for threads in (1, 2))
        gains.append(one / two)
    print(f"\nTwo threads: {statistics.median(gains):.2f} times as fast as one (best round {max(gains):.2f}).")
    rounds = range(10 * arguments.rounds)
    making, fitting = (min(column) for column in zip(*(first_fit(clock) for _ in rounds), strict=True))
    print(f"\nA new model takes {new:.1f} kB, a trained one {trained:.1f} kB.")
    print(f"\nTo make a model {making:.3f} ms, its first epoch in fit_many {fitting:.3f} ms.\n")
    print("| made by | ms | first `fit` alone, 1 epoch |\n|---|---:|---:|")
    for name, (making, fitting) in ways(clock, 2 * arguments.rounds).items():
        print(f"| {name} | {making:.2f} | {fitting:.2f} |")


if __name__ == "__main__":
    main()
