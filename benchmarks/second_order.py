"""Second-order training: L-BFGS against scikit-learn's, Levenberg-Marquardt against the optimum.

Run ``python benchmarks/second_order.py``; it takes about a minute, and needs scikit-learn. For each network it prints
the time and the loss of both libraries after the same number of iterations of L-BFGS from the same weights in the same
float type: medians over rounds in which both run one after the other, on one thread. Then it prints how far
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


def make_data(samples: int, features: int, dtype: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal features, and a smooth function of some of them with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, features))
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] / 2 + np.tanh(x[:, 3:6].sum(1)) + 0.1 * rng.normal(size=samples)
    return x.astype(dtype), y.astype(dtype)


def make_ours(x: np.ndarray, hidden: tuple[int, ...], activation: str) -> cb.Sequential:
    """A network whose weights depend on nothing but its sizes."""
    cb.config.set_floatx(x.dtype.name)
    cb.utils.set_random_seed(1)
    units = [cb.layers.Dense(n, activation=activation) for n in hidden]
    model = cb.Sequential([cb.Input(x.shape[1:]), *units, cb.layers.Dense(1)])
    model.compile(cb.optimizers.LBFGS(tolerance_grad=0, tolerance_change=0), loss="mse")
    return model


def make_theirs(
    x: np.ndarray, y: np.ndarray, hidden: tuple[int, ...], activation: str, iterations: int
) -> MLPRegressor:
    """The same network with the same weights, in scikit-learn."""
    settings = {"activation": activation, "solver": "lbfgs", "alpha": 0, "tol": 0, "max_fun": 10**6}
    model = MLPRegressor(hidden_layer_sizes=hidden, max_iter=1, warm_start=True, **settings).fit(x, y)
    weights = make_ours(x, hidden, activation).get_weights()
    model.coefs_, model.intercepts_ = weights[::2], weights[1::2]
    return model.set_params(max_iter=iterations)


def timed(fit: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    fit()
    return time.perf_counter() - begin


def compare(network: tuple, dtype: str, rounds: int) -> None:
    """Print a line of the table."""
    name, samples, features, hidden, activation, iterations = network
    x, y = make_data(samples, features, dtype)
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        theirs = make_theirs(x, y, hidden, activation, iterations)
        times["theirs"].append(timed(partial(theirs.fit, x, y)))
        ours = make_ours(x, hidden, activation)
        times["ours"].append(timed(partial(ours.fit, x, y[:, None], epochs=theirs.n_iter_, verbose=0)))
    ratio = statistics.median(b / a for a, b in zip(times["ours"], times["theirs"], strict=True))
    a, b = (statistics.median(times[who]) for who in ("ours", "theirs"))
    loss = ours.history.history["loss"][-1]
    print(
        f"| {name} {features}-{'-'.join(map(str, hidden))}-1 {activation} | {dtype} | {theirs.n_iter_} "
        f"| {a * 1e3:.1f} | {b * 1e3:.1f} | {ratio:.2f} | {loss:.5g} | {2 * theirs.loss_:.5g} |"
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
    seconds = timed(partial(model.fit, x, y, epochs=50, verbose=0))
    early = model.history.history["loss"][-1]
    return early, model.fit(x, y, epochs=1950, verbose=0).history["loss"][-1], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| L-BFGS | type | iterations | cbackprop ms | scikit-learn ms | ratio | loss | scikit-learn's loss |")
    print("|---|---|---|---|---|---|---|---|")
    with threadpool_limits(1):
        for network in NETWORKS:
            for dtype in ("float32", "float64"):
                compare(network, dtype, rounds)
    print("\n| Levenberg-Marquardt, sine + 0.005 noise, 1-20-1 | after 50 epochs | optimum | difference | ms |")
    print("|---|---|---|---|---|")
    for seed in range(1, 6):
        early, late, seconds = noisy_sine(seed)
        print(f"| seed {seed} | {early:.3e} | {late:.3e} | {early - late:.1e} | {seconds * 1e3:.0f} |")


if __name__ == "__main__":
    main()
