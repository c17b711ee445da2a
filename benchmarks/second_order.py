"""Second-order training: L-BFGS against scikit-learn's, Levenberg-Marquardt against the optimum.

Run ``python benchmarks/second_order.py``; it takes about a minute, and needs scikit-learn. For each network it prints
the time of an iteration of L-BFGS in both libraries, on one thread, and our loss over scikit-learn's: after as many
iterations, and after as much time. Both start from the same weights in the same float type. Numbers are medians over
rounds, in which both run one after the other; each has data and weights of its own. Then it prints how far
Levenberg-Marquardt is from the optimum of a noisy sine with 20 hidden units, which a run of 2,000 epochs finds.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

import cbackprop as cb

# Name, samples, features, hidden units, activation, iterations.
NETWORKS = [
    ("diabetes-like", 442, 10, (20,), "tanh", 100),
    ("california-like", 5000, 8, (50, 25), "relu", 100),
    ("wide", 2000, 20, (100,), "tanh", 200),
]
# Epochs of Levenberg-Marquardt: as many as a user would wait for, and as many as find the optimum.
EARLY, LATE = 50, 2000


def make_data(samples: int, features: int, dtype: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal features, and a smooth function of some of them with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, features))
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] / 2 + np.tanh(x[:, 3:6].sum(1)) + 0.1 * rng.normal(size=samples)
    return x.astype(dtype), y.astype(dtype)


def make_ours(x: np.ndarray, hidden: tuple[int, ...], activation: str, iterations: int, seed: int) -> cb.Sequential:
    """A network whose weights depend only on its sizes and the seed."""
    cb.config.set_floatx(x.dtype.name)
    cb.utils.set_random_seed(seed)
    units = [cb.layers.Dense(n, activation=activation) for n in hidden]
    model = cb.Sequential([cb.Input(x.shape[1:]), *units, cb.layers.Dense(1)])
    optimizer = cb.optimizers.LBFGS(tolerance_grad=0, tolerance_change=0, max_iterations=iterations)
    model.compile(optimizer, loss="mse")
    return model


def make_theirs(
    x: np.ndarray, y: np.ndarray, hidden: tuple[int, ...], activation: str, iterations: int, seed: int
) -> MLPRegressor:
    """The same network with the same weights, in scikit-learn."""
    settings = {"activation": activation, "solver": "lbfgs", "alpha": 0, "tol": 0, "max_fun": 10**6}
    model = MLPRegressor(hidden_layer_sizes=hidden, max_iter=1, warm_start=True, **settings).fit(x, y)
    weights = make_ours(x, hidden, activation, 1, seed).get_weights()
    model.coefs_, model.intercepts_ = weights[::2], weights[1::2]
    return model.set_params(max_iter=iterations)


def timed(fit: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    fit()
    return time.perf_counter() - begin


def run_round(network: tuple, dtype: str, seed: int) -> tuple[float, float, float, float]:
    """Milliseconds of an iteration in both, and the ratio of losses: after as many iterations, and in the same time."""
    _, samples, features, hidden, activation, iterations = network
    x, y = make_data(samples, features, dtype, seed)
    theirs = make_theirs(x, y, hidden, activation, iterations, seed)
    their_time = timed(partial(theirs.fit, x, y))
    ours = make_ours(x, hidden, activation, theirs.n_iter_, seed)
    our_time = timed(partial(ours.fit, x, y[:, None], verbose=0))
    longer = make_ours(x, hidden, activation, max(int(theirs.n_iter_ * their_time / our_time), 1), seed)
    longer.fit(x, y[:, None], verbose=0)
    losses = [model.history.history["loss"][-1] / (2 * theirs.loss_) for model in (ours, longer)]
    return our_time / theirs.n_iter_ * 1e3, their_time / theirs.n_iter_ * 1e3, losses[0], losses[1]


def compare(network: tuple, dtype: str, rounds: int) -> None:
    """Print a line of the table."""
    results = [run_round(network, dtype, seed) for seed in range(rounds)]
    ours, theirs, same_count, same_time = (statistics.median(column) for column in zip(*results, strict=True))
    ratio = statistics.median(b / a for a, b, *_ in results)
    name, samples, features, hidden, activation, iterations = network
    sizes = "-".join(map(str, (features, *hidden, 1)))
    print(
        f"| {name}: {samples} samples, {sizes} {activation}, {iterations} iterations | {dtype} | {ours:.3f} "
        f"| {theirs:.3f} | {ratio:.2f} | {same_count:.2f} | {same_time:.2f} |"
    )


def noisy_sine(seed: int) -> tuple[float, float, float]:
    """Losses of Levenberg-Marquardt after 50 and after 2,000 epochs, and the seconds of the first 50."""
    cb.config.set_floatx("float64")
    cb.utils.set_random_seed(seed)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1000, 1))
    y = np.sin(np.pi * x) + 0.005 * rng.normal(size=x.shape)
    model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(20, activation="tanh"), cb.layers.Dense(1)])
    model.compile(cb.optimizers.LevenbergMarquardt(tolerance_change=0), loss="mse")
    seconds = timed(partial(model.fit, x, y, epochs=EARLY, verbose=0))
    early = model.history.history["loss"][-1]
    return early, model.fit(x, y, epochs=LATE - EARLY, verbose=0).history["loss"][-1], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| L-BFGS | type | ms an iteration | scikit-learn's | ratio | loss / scikit-learn's | in the same time |")
    print("|---|---|---|---|---|---|---|")
    with threadpool_limits(1):
        for network in NETWORKS:
            for dtype in ("float32", "float64"):
                compare(network, dtype, rounds)
    print(f"\n| Levenberg-Marquardt, sine + 0.005 noise, 1-20-1 | after {EARLY} epochs | optimum | difference | ms |")
    print("|---|---|---|---|---|")
    for seed in range(1, 6):
        early, late, seconds = noisy_sine(seed)
        print(f"| seed {seed} | {early:.3e} | {late:.3e} | {early - late:.1e} | {seconds * 1e3:.0f} |")


if __name__ == "__main__":
    main()
