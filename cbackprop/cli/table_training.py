"""``cbackprop train DATA``: train a model on a table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import click

import cbackprop as cb
from cbackprop import tables
from cbackprop.cli.console import counted, note, say, show_scores
from cbackprop.cli.early_stopping import fit_until_best
from cbackprop.cli.files import listed
from cbackprop.cli.reading import show_columns, source_of, tell_readings
from cbackprop.cli.settings import check_outputs, plot_history, settings
from cbackprop.tables.doubts import CellWarning
from cbackprop.tables.reader import columns_of

__all__ = ["run"]

EPOCHS = 200
UNITS = [64, 64]
Table = dict[str, Any]


def run(data: str, options: Any) -> None:
    """Read the table, split it, train, report scores, and save."""
    check_outputs(options)
    options.epochs = options.epochs or EPOCHS
    tell = (lambda text: None) if options.quiet else note
    table, targets, reader = read_for_training(data, options)
    tell_readings(reader, tell)
    table = with_targets(table, targets, tell)
    with warnings.catch_warnings(action="ignore", category=CellWarning):  # already printed
        train_on(table, targets, reader, options, tell)


def train_on(
    table: Table, targets: Sequence[str], reader: tables.TableReader, options: Any, tell: Callable[[str], None]
) -> None:
    """Split the table, train, report scores, and save."""
    encoders = [tables.TargetEncoder(name, options.task).fit(table[name]) for name in targets]
    train, held_out = divide(table, encoders, options)
    with settings(options.threads, options.floatx):
        cb.utils.set_random_seed(options.seed)
        model = make(train, encoders, reader, options)
        used = model.column_names + model.target_names
        model.split = tables.Split.of(table, used, options.validation, classes_of(encoders), options.seed)
        tell_dropped(model, tell)
        history, seconds = fit(model, train, held_out, options)
        if options.save:
            model.save(options.save)
        report(model, train, held_out, history, seconds)
        if options.plot:
            plot_history(history, options.plot)


def read_for_training(data: str, options: Any) -> tuple[Table, list[str], tables.TableReader]:
    """The table, the names of its targets, and the reader that read it."""
    arrays = None
    if data.lower().endswith(".npz") and not options.target:
        arrays = [options.x_name, options.y_name]
    loader = tables.TableReader(encoding=options.encoding)
    found = loader.load(source_of(data), arrays)
    names = [*columns_of(found)]
    if options.target:
        targets = named(options.target, names)
    elif arrays:
        targets = list(tables.read(data, arrays=[options.y_name]))
    else:
        raise click.UsageError(f"--target is missing: which column to predict? The columns are {', '.join(names)}.")
    categories = [*named(options.categorical, names), *named(options.drop, names)]
    types = dict.fromkeys(categories, "category") | options.types
    reader = tables.TableReader(options.decimal, options.missing, types, options.encoding).fit(found)
    return reader.transform(found), targets, reader


def named(names: Sequence[str], table: Iterable[str]) -> list[str]:
    """Column names. A name that no column has may be several names separated by commas."""
    parts = [[name] if name in table else [part.strip() for part in name.split(",")] for name in names]
    found = list(dict.fromkeys(part for group in parts for part in group))
    for name in found:
        tables.check_column(name, table)
    return found


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
    try:
        return tables.split(table, options.validation, classes_of(encoders), options.seed)
    except ValueError as error:
        raise ValueError(f"--validation{str(error).removeprefix('share')}") from None


def classes_of(encoders: Sequence[Any]) -> str | None:
    """The target of which each class is held out in the same proportion; ``None`` if no target has classes."""
    return next((target.name for target in encoders if target.classes), None)


def make(train: Table, encoders: Sequence[Any], reader: tables.TableReader, options: Any) -> tables.TableModel:
    """Build the network from the training rows only, so that held-out rows do not influence it."""
    config = {} if options.learning_rate is None else {"learning_rate": options.learning_rate}
    return tables.build(
        train,
        [tables.TargetEncoder(target.name, target.task) for target in encoders],
        units=UNITS if options.layers is None else options.layers,
        activation=options.activation,
        dropout=options.dropout,
        optimizer=cb.optimizers.get({"class_name": options.optimizer, "config": config}),
        encoder=tables.TableEncoder(options.embed_above, categories_of(train, options), named(options.drop, train)),
        embedding=options.embedding,
        reader=reader,
    )


def categories_of(table: Table, options: Any) -> list[str]:
    """The columns that the user declares as categories."""
    given = [name for name, kind in options.types.items() if kind == "category"]
    targets = named(options.target, table)
    return [name for name in dict.fromkeys([*named(options.categorical, table), *given]) if name not in targets]


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
    return fit_until_best(partial(model.fit, train, held_out, batch_size=options.batch_size), held_out, options)


def report(model: tables.TableModel, train: Table, held_out: Table | None, history: Any, seconds: float) -> None:
    """Print the results."""
    values = history.history["loss" if held_out is None else "val_loss"]
    best = 1 + min(range(len(values)), key=values.__getitem__)
    rows = counted(count_rows(train), "row")
    columns = counted(len(model.encoder.columns), "column")
    weights = counted(model.model.count_params(), "weight")
    say(
        f"{rows} of {columns}; {weights} trained for {counted(len(values), 'epoch')} in {seconds:.2f} s; "
        f"those of epoch {best} are kept"
    )
    show_columns(model)
    if held_out is None:
        show_scores(f"{rows} trained on", model.evaluate(train), model.baseline(train), model.targets)
        return
    rows = counted(count_rows(held_out), "row")
    show_scores(f"{rows} held out", model.evaluate(held_out), model.baseline(held_out), model.targets)
