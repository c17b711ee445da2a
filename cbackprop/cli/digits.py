"""``cbackprop train`` without data: train on the bundled digits in compiled C, and again in NumPy."""

from __future__ import annotations

import time
from typing import Any

import click

import cbackprop as cb
from cbackprop import layers
from cbackprop.cli.confusion import confusion_text
from cbackprop.cli.console import counted, say
from cbackprop.cli.settings import check_outputs, plot_history, settings

__all__ = ["run"]

EPOCHS = 40


def run(options: Any) -> None:
    """Train, show the results, and compare the engines."""
    check_outputs(options)
    options.epochs = options.epochs or EPOCHS
    train, test = cb.datasets.digits.load_data()
    say(f"{len(train[0])} training and {len(test[0])} test images of digits, 8 by 8")
    click.echo()
    with settings(options.threads):
        model, seconds = fit(options, train, "compiled", 0 if options.quiet else "auto")
        click.echo()
        model.summary(print_fn=click.echo)
        _, accuracy = model.evaluate(*test, verbose=0)
        click.echo(f"\ntest accuracy {accuracy:.4f}\n")
        click.echo(confusion_text(test[1], model.predict(test[0], verbose=0).argmax(axis=1), [*map(str, range(10))]))
        click.echo(f"\ncompiled C  {seconds:8.3f} s for {counted(options.epochs, 'epoch')}")
        if options.save:
            model.save(options.save)
        if options.plot:
            plot_history(model.history, options.plot)
        if options.no_compare:
            return
        _, reference_seconds = fit(options, train, "reference", 0)
    click.echo(f"NumPy twin  {reference_seconds:8.3f} s for the same training")
    click.echo(f"ratio       {reference_seconds / seconds:8.1f}")


def fit(options: Any, data: tuple[Any, Any], engine: str, verbose: int | str) -> tuple[cb.Sequential, float]:
    """Train the classifier, always from the same seed; return the model and the seconds that `fit` took."""
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
