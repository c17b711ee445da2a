"""The console command ``cbackprop``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import cbackprop as cb
from cbackprop import layers

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, or 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="cbackprop", description="Train neural networks by compiled backpropagation.")
    parser.add_argument("--version", action="version", version=f"cbackprop {cb.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    train = commands.add_parser("train", help="train a classifier on the bundled digits, and compare with NumPy")
    train.add_argument("--epochs", type=int, default=40, help="passes over the training images (default %(default)s)")
    train.add_argument("--batch-size", type=int, default=32, help="images in a step (default %(default)s)")
    train.add_argument(
        "--seed", type=int, default=0, help="of initial weights, dropout and order (default %(default)s)"
    )
    train.add_argument("--no-compare", action="store_true", help="leave the NumPy twin out")
    train.set_defaults(run=run_train)
    info = commands.add_parser("info", help="print version, instruction set, BLAS and threads")
    info.set_defaults(run=run_info)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (TypeError, ValueError) as error:
        print(f"cbackprop: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cbackprop: interrupted", file=sys.stderr)
        return 130
    return 0


def run_info(options: argparse.Namespace) -> None:
    """``cbackprop info``."""
    cb.config.show()


def run_train(options: argparse.Namespace) -> None:
    """``cbackprop train``: the digits, in compiled C and then in NumPy."""
    train, test = cb.datasets.digits.load_data()
    print(f"{len(train[0])} training and {len(test[0])} test images of handwritten digits, 8 by 8\n")
    model, seconds = fit(options, train, "compiled", "auto")
    print()
    model.summary()
    _, accuracy = model.evaluate(*test, verbose=0)
    print(f"\ntest accuracy {accuracy:.4f}\n")
    print(confusion_text(test[1], model.predict(test[0], verbose=0).argmax(axis=1)))
    print(f"\ncompiled C  {seconds:8.3f} s for {options.epochs} epochs")
    if options.no_compare:
        return
    _, reference_seconds = fit(options, train, "reference", 0)
    print(f"NumPy twin  {reference_seconds:8.3f} s for the same training")
    print(f"ratio       {reference_seconds / seconds:8.1f}")


def fit(
    options: argparse.Namespace, data: tuple[Any, Any], engine: str, verbose: int | str
) -> tuple[cb.Sequential, float]:
    """Train the digits' classifier, always from the same seed; the model and the seconds that `fit` took."""
    cb.utils.set_random_seed(options.seed)
    model = cb.Sequential(
        [
            cb.Input((64,), name="image"),
            layers.Dense(64, activation="relu", name="hidden"),
            layers.Dropout(0.2, name="dropout"),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )
    optimizer = cb.optimizers.Adam(3e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], engine=engine)
    start = time.perf_counter()
    model.fit(data[0], data[1], batch_size=options.batch_size, epochs=options.epochs, verbose=verbose)
    return model, time.perf_counter() - start


def confusion_text(truth: Any, prediction: Any) -> str:
    """Rows are the true digits, columns the predicted ones; zeros are dots."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (truth, prediction), 1)
    lines = ["true \\ predicted" + "".join(f"{digit:>4}" for digit in range(10))]
    for digit, row in enumerate(counts):
        lines.append(f"{digit:>16}" + "".join(f"{count or '.':>4}" for count in row))
    return "\n".join(lines)
