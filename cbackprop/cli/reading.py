"""Read tables for commands, and print how their columns were read."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import click

from cbackprop import tables
from cbackprop.cli.console import say
from cbackprop.tables.columns import CategoryColumn
from cbackprop.tables.recognition import KINDS

__all__ = ["INPUT", "READING", "reading_options", "show_columns", "source_of", "table_for", "tell_readings"]

# The parameters of `reading_options`.
READING = ("decimal", "missing", "types", "encoding")
INPUT = "-"
NAMES = {"number": "numbers", "boolean": "true or false", "time": "dates or times", "category": "categories"}
NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]*)")
# At least this many consecutive names are shown as a range.
LONG = 4


def types_of(context: Any, parameter: Any, values: Sequence[str]) -> dict[str, str]:
    """Parse types such as "price=number"."""
    found = {}
    for value in values:
        name, _, kind = value.rpartition("=")
        if not name or kind not in KINDS:
            raise click.BadParameter(f"expected COLUMN=KIND with a kind among {', '.join(KINDS)}, but got {value!r}.")
        found[name] = kind
    return found


def missing_of(context: Any, parameter: Any, values: Sequence[str]) -> list[str] | None:
    """Parse texts such as "NA,-"."""
    return [part for value in values for part in value.split(",")] if values else None


def reading_options(command: Any) -> Any:
    """Add the options for reading text files to a command."""
    what_is_missing = "What means a missing value, instead of NA, null, none and so on; several, or A,B."
    encodings = "The encoding of a text file.  [default: UTF-8, or what the file says]"
    options = (
        click.option("--decimal", type=click.Choice([".", ","]), help="The mark before decimals in text files."),
        click.option("--missing", multiple=True, callback=missing_of, metavar="TEXT", help=what_is_missing),
        click.option(
            "--type",
            "types",
            multiple=True,
            callback=types_of,
            metavar="COLUMN=KIND",
            help=f"What a column holds: {', '.join(KINDS)}.",
        ),
        click.option("--encoding", help=encodings),
    )
    for option in reversed(options):
        command = option(command)
    return command


def source_of(data: str) -> Any:
    """The input of a command: a file, or CSV from standard input."""
    return sys.stdin.buffer if data == INPUT else data


def table_for(model: tables.TableModel, data: str, names: Iterable[str], options: dict[str, Any]) -> Any:
    """Read these columns of a table: as the options say, else as the model's reader does."""
    reader = model.reader
    if any(value not in (None, {}) for value in options.values()):
        reader = reader.relearned(**options)
    return reader.read(source_of(data), only=[*names])


def tell_readings(reader: tables.TableReader, tell: Callable[[str], None]) -> None:
    """Print what is unusual about the way columns were read."""
    for name, reading in reader.readings.items():
        if not str(reading):
            continue
        if reading.kind == "text":
            remedy = f"; if it is a category, say --type {name}=category" if reading.marks else ""
            tell(f"{name}: {reading}{remedy}")
        else:
            tell(f"{name} is read as {NAMES[reading.kind]}: {reading}")


def show_columns(model: tables.TableModel) -> None:
    """Print how each column was read."""
    kinds: dict[str, list[str]] = {}
    for column in model.encoder.columns:
        kind = column.kind
        if isinstance(column, CategoryColumn):
            what = "embedded categories" if column.embedded else "categories"
        else:
            reading = model.reader.readings.get(column.name)
            what = NAMES["boolean" if reading is not None and reading.kind == "boolean" else kind]
        kinds.setdefault(what, []).append(column.name)
    for name, reason in model.encoder.dropped.items():
        kinds.setdefault(f"left out ({reason})", []).append(name)
    if model.encoder.drop:
        kinds["left out (--drop)"] = [*model.encoder.drop]
    for target in model.targets:
        kinds.setdefault("predicted classes" if target.classes else "predicted numbers", []).append(target.name)
    for what, names in kinds.items():
        say(f"{what}: {', '.join(with_ranges(names))}", indent="  ")


def with_ranges(names: Sequence[str]) -> list[str]:
    """Names, with long runs of consecutive ones shortened, such as x0 to x9."""
    keys = []
    for place, name in enumerate(names):
        found = NUMBERED.fullmatch(name)
        keys.append((found[1], int(found[2]) - place) if found else (name, place))
    shown: list[str] = []
    for _, group in groupby(range(len(names)), key=lambda place: keys[place]):
        run = [names[place] for place in group]
        shown += [f"{run[0]} to {run[-1]}"] if len(run) >= LONG else run
    return shown
