"""The estimators of cbackprop.sklearn against scikit-learn's own, side by side.

Run ``python benchmarks/sklearn_mlp.py``; it takes about two minutes, and needs scikit-learn. On six data sets that
scikit-learn ships or makes, both are fitted with default arguments, one after the other, on one thread, for each of
five seeds: another split into training and test samples, and the same first weights on both sides. The table shows
means and deviations of the test score (accuracy, or R2), medians of the seconds that `fit` and that `predict` of one
row took, and the median of the ratios within a seed. Features are standardized, and so are targets of regression.
On a machine that is never free, ``--clock cpu`` counts the time that the process had instead of the time that passed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
import numpy as np
import sklearn
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler, scale
from threadpoolctl import threadpool_limits

from cbackprop import sklearn as ours

Data = tuple[np.ndarray, np.ndarray]


def regression(data: Data) -> Data:
    """The same with standardized targets."""
    return data[0], scale(data[1])


SETS: dict[str, tuple[str, Callable[[], Data]]] = {
    "iris": ("MLPClassifier", lambda: datasets.load_iris(return_X_y=True)),
    "wine": ("MLPClassifier", lambda: datasets.load_wine(return_X_y=True)),
    "breast_cancer": ("MLPClassifier", lambda: datasets.load_breast_cancer(return_X_y=True)),
    "digits": ("MLPClassifier", lambda: datasets.load_digits(return_X_y=True)),
    "diabetes": ("MLPRegressor", lambda: regression(datasets.load_diabetes(return_X_y=True))),
    "friedman1": ("MLPRegressor", lambda: regression(datasets.make_friedman1(4000, noise=1.0, random_state=0))),
}


@dataclass
class Side:
    """The result of one of the two libraries, for each seed."""

    scores: list[float] = field(default_factory=list)
    fits: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def timed(call: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Seconds that a call takes."""
    begin = clock()
    call()
    return clock() - begin


def run(side: Side, estimator: Any, train: Data, test: Data, clock: Callable[[], float]) -> None:
    """Fit, score, and predict one row some times."""
    side.fits.append(timed(lambda: estimator.fit(*train), clock))
    side.scores.append(estimator.score(*test))
    side.epochs.append(estimator.n_iter_)
    row = test[0][:1]
    side.rows.append(statistics.median(timed(lambda: estimator.predict(row), clock) for _ in range(50)))


def compare(name: str, seeds: int, settings: dict[str, Any], clock: Callable[[], float]) -> tuple[Side, Side]:
    """Ours and theirs, interleaved."""
    kind, load = SETS[name]
    x, y = load()
    sides = Side(), Side()
    for seed in range(seeds):
        x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=seed)
        scaler = StandardScaler().fit(x_train)
        train, test = (scaler.transform(x_train), y_train), (scaler.transform(x_test), y_test)
        pairs = list(zip(sides, (ours, neural_network), strict=True))
        for side, library in pairs[:: 1 if seed % 2 else -1]:
            run(side, getattr(library, kind)(random_state=seed, **settings), train, test, clock)
    return sides


def line(name: str, own: Side, theirs: Side) -> str:
    """A row of the table."""

    def score(side: Side) -> str:
        deviation = statistics.stdev(side.scores) if len(side.scores) > 1 else 0.0
        return f"{statistics.mean(side.scores):.4f} ± {deviation:.4f}"

    def ratio(a: list[float], b: list[float]) -> str:
        return f"{statistics.median(y / x for x, y in zip(a, b, strict=True)):.1f}"

    median = statistics.median
    return (
        f"| {name} | {score(own)} | {score(theirs)} | {median(own.epochs):.0f} | {median(theirs.epochs):.0f} "
        f"| {median(own.fits):.4f} | {median(theirs.fits):.4f} | **{ratio(own.fits, theirs.fits)}** "
        f"| {median(own.rows) * 1e6:.1f} | {median(theirs.rows) * 1e6:.1f} | **{ratio(own.rows, theirs.rows)}** |"
    )


HEAD = """\
| data | score | scikit-learn's | epochs | scikit-learn's | fit, s | scikit-learn's | times as fast \
| one row, µs | scikit-learn's | times as fast |
|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--early-stopping", action="store_true", help="with early_stopping=True on both sides")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--output", type=Path, help="also write sklearn_mlp.md to this directory")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1.")
    return options


def main() -> None:
    options = parse()
    warnings.simplefilter("ignore", ConvergenceWarning)
    settings = {"early_stopping": True} if options.early_stopping else {}
    text = [f"# sklearn_mlp\n\n`{' '.join(['python', *sys.argv])}`, scikit-learn {sklearn.__version__}", "", HEAD]
    with threadpool_limits(1):
        print("\n".join(text))
        for name in options.only:
            text.append(line(name, *compare(name, options.seeds, settings, CLOCKS[options.clock])))
            print(text[-1], flush=True)
        text += ["", machine.headline(machine.describe())]
    print("\n".join(text[-2:]))
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "sklearn_mlp.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
