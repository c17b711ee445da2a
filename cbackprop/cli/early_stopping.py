"""Train as commands do: with a progress bar, until the loss no longer falls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cbackprop as cb
from cbackprop.cli.console import EpochBar

__all__ = ["fit_until_best"]


def fit_until_best(fit: Callable[..., Any], held_out: Any, options: Any) -> tuple[Any, float]:
    """Train until the validation loss no longer falls, and keep the weights of its lowest value.

    Parameters
    ----------
    fit : callable
        Takes `epochs`, `verbose` and `callbacks`.
    held_out : object
        The validation data; ``None`` if there is none. Then the loss itself is watched.
    options : object
        The options of the command.

    Returns
    -------
    history : History
    seconds : float
    """
    stop = cb.callbacks.EarlyStopping(
        "loss" if held_out is None else "val_loss",
        patience=options.patience or options.epochs,
        restore_best_weights=True,
    )
    logs = [cb.callbacks.TensorBoard(options.tensorboard)] if options.tensorboard else []
    start = time.perf_counter()
    with EpochBar(options.epochs, options.quiet) as bar:
        history = fit(epochs=options.epochs, verbose=0, callbacks=[stop, bar, *logs])
    return history, time.perf_counter() - start
