"""``cbackprop train DATA``: train a model on a table."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import click

import cbackprop as cb
from cbackprop import tables
from cbackprop.cli.console import EpochBar, counted, note, show_scores
from cbackprop.cli.files import listed, read_table
from cbackprop.cli.settings import check_outputs, plot_history, settings
from cbackprop.tables.doubts import CellWarning, doubts

__all__ = ["run"]

EPOCHS = 200
UNITS = [64, 64]
Table = dict[str, Any]


def run(data: str, options: Any) -> None:
    """Read the table, split it, train, report scores, and save."""
    check_outputs(options)
    options.epochs = options.epochs or EPOCHS
    tell = (lambda text: None) if options.quiet else note
    table, targets = read_for_training(data, options)
    tell_doubts(table, targets, options, tell)
    table = with_targets(table, targets, tell)
    with warnings.catch_warnings(action="ignore", category=CellWarning):  # already printed
        train_on(table, targets, options, tell)


def train_on(table: Table, targets: Sequence[str], options: Any, tell: Any) -> None:
    """Split the table, train, report scores, and save."""
    encoders = [tables.TargetEncoder(name, options.task).fit(table[name]) for name in targets]
    train, held_out = divide(table, encoders, options)
    with settings(options.threads, options.floatx):
        cb.utils.set_random_seed(options.seed)
        model = make(train, encoders, options)
        tell_dropped(model, tell)
        history, seconds = fit(model, train, held_out, options)
        if options.save:
            model.save(options.save)
        report(model, train, held_out, history, seconds)
        if options.plot:
            plot_history(history, options.plot)


def read_for_training(data: str, options: Any) -> tuple[Table, list[str]]:
    """The table, and the names of its targets."""
    if data.lower().endswith(".npz") and not options.target:
        table = read_table(data, arrays=[options.x_name, options.y_name])
        return table, list(tables.read(data, arrays=[options.y_name]))
    # Whether "a,b" is one column or two is known only after reading, and by then texts have become numbers.
    wanted = [part for name in options.categorical for part in (name, *name.split(","))]
    table = read_table(data, text=wanted)
    if not options.target:
        raise click.UsageError(f"--target is missing: which column is to be predicted? There are {listed([*table])}.")
    return table, named(options.target, table)


def named(names: Sequence[str], table: Table) -> list[str]:
    """Names of columns. A name that no column has may be several names separated by commas."""
    parts = [[name] if name in table else [part.strip() for part in name.split(",")] for name in names]
    found = list(dict.fromkeys(part for group in parts for part in group))
    for name in found:
        tables.check_column(name, table)
    return found


def tell_doubts(table: Table, targets: Sequence[str], options: Any, tell: Any) -> None:
    """Print which cells make columns of numbers or times count as texts."""
    named_so = {*named(options.categorical, table), *named(options.drop, table)}
    if options.task != "auto":
        named_so |= {*targets}
    for name, doubt in doubts(table, named_so).items():
        remedy = "if these are classes, say --task classification"
        if name not in targets:
            remedy = f"if these are categories, say --categorical {name}"
        tell(f"{name} counts as texts because of {doubt}. Mend such cells, or leave them empty; {remedy}")


def with_targets(table: Table, targets: Sequence[str], tell: Any) -> Table:
    """The rows in which no target is missing."""
    kept = tables.drop_missing(table, targets)
    rows, left = count_rows(table), count_rows(kept)
    if left < rows:
        tell(f"left out because a target is missing: {rows - left:,} of {counted(rows, 'row')}")
    return kept


def count_rows(table: Table) -> int:
    """The number of rows of a table."""
    return len(next(iter(table.values())))


def divide(table: Table, encoders: Sequence[Any], options: Any) -> tuple[Table, Table | None]:
    """Split a table into rows to train on and rows to hold out, if any."""
    if not options.validation:
        return table, None
    classes = next((target.name for target in encoders if target.classes), None)
    try:
        return tables.split(table, options.validation, classes, options.seed)
    except ValueError as error:
        raise ValueError(f"--validation{str(error).removeprefix('share')}") from None


def make(train: Table, encoders: Sequence[Any], options: Any) -> tables.TableModel:
    """Build the network from the training rows only, so that held-out rows do not influence it."""
    config = {} if options.learning_rate is None else {"learning_rate": options.learning_rate}
    return tables.build(
        train,
        [tables.TargetEncoder(target.name, target.task) for target in encoders],
        units=UNITS if options.layers is None else options.layers,
        activation=options.activation,
        dropout=options.dropout,
        optimizer=cb.optimizers.get({"class_name": options.optimizer, "config": config}),
        encoder=tables.TableEncoder(options.embed_above, named(options.categorical, train), named(options.drop, train)),
        embedding=options.embedding,
    )


def tell_dropped(model: tables.TableModel, tell: Any) -> None:
    """Print which columns are left out, and why."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in model.encoder.dropped.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        what, each = ("a column", "it") if len(names) == 1 else ("columns", "each")
        tell(f"{what} left out, because {each} {reason}: {listed(names)}")


def fit(model: tables.TableModel, train: Table, held_out: Table | None, options: Any) -> tuple[Any, float]:
    """Train until the validation loss no longer falls, and keep the weights of its lowest value."""
    stop = cb.callbacks.EarlyStopping(
        "loss" if held_out is None else "val_loss",
        patience=options.patience or options.epochs,
        restore_best_weights=True,
    )
    logs = [cb.callbacks.TensorBoard(options.tensorboard)] if options.tensorboard else []
    start = time.perf_counter()
    with EpochBar(options.epochs, options.quiet) as bar:
        history = model.fit(
            train,
            held_out,
            batch_size=options.batch_size,
            epochs=options.epochs,
            verbose=0,
            callbacks=[stop, bar, *logs],
        )
    return history, time.perf_counter() - start


def report(model: tables.TableModel, train: Table, held_out: Table | None, history: Any, seconds: float) -> None:
    """Print the results."""
    values = history.history["loss" if held_out is None else "val_loss"]
    best = 1 + min(range(len(values)), key=values.__getitem__)
    rows = counted(count_rows(train), "row")
    columns = counted(len(model.encoder.columns), "column")
    weights = counted(model.model.count_params(), "weight")
    click.echo(
        f"{rows} of {columns}; {weights} trained for {counted(len(values), 'epoch')} in {seconds:.2f} s; "
        f"those of epoch {best} are kept"
    )
    if held_out is None:
        show_scores(f"{rows} trained on", model.evaluate(train), model.baseline(train), model.targets)
        return
    rows = counted(count_rows(held_out), "row")
    show_scores(f"{rows} held out", model.evaluate(held_out), model.baseline(held_out), model.targets)
