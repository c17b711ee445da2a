"""Output of the commands: tables on standard output, progress and notes on standard error.

Colors and progress bars appear only in terminals; rich leaves them out elsewhere.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as Grid

import cbackprop as cb
from cbackprop.callbacks.short_number import as_many_as_fit, important_first

__all__ = ["EpochBar", "counted", "note", "number", "say", "show_grid", "show_scores", "tracked"]


# The space between columns, and the minimum width of the first one, which contains text.
GAP = 3
NARROWEST = 12
# The width of a line with an epoch bar, other than the epoch number and the results: bar, two times, and spaces.
BESIDE = 20 + 2 * 8 + 4 + 6


def note(text: str) -> None:
    """Print a line on standard error."""
    say(f"note: {text}", err=True)


def say(text: str, err: bool = False, indent: str = "") -> None:
    """Print a text, wrapped to the width of the terminal. Without a terminal, print one line."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    click.echo(text, err=err)


def counted(number: int, name: str) -> str:
    """A number with its noun: "1 epoch", "2 epochs"."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def show_grid(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first column is text and whose other columns are numbers.

    If the terminal is too narrow, each row is printed as a list of names and numbers.
    """
    console = Console(markup=False, highlight=False, emoji=False)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    if min(widths[0], NARROWEST) + sum(widths[1:]) + GAP * len(widths) > console.width and len(header) > 2:
        for row in rows:
            pairs = list(zip(header[1:], row[1:], strict=True))
            show_grid(f"{row[0]}: {title}" if title else row[0], ("", ""), pairs)
        return
    grid = Grid(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        grid.add_column(name, justify="right" if index else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    with console.capture() as printed:
        console.print(grid)
    click.echo("\n".join(line.rstrip() for line in printed.get().rstrip().split("\n")) + "\n")


def show_scores(title: str, scores: dict[str, Any], baseline: dict[str, Any], targets: Sequence[Any]) -> None:
    """Print the scores of a model beside those of a trivial prediction, in a table for each target."""
    for target in targets:
        mine = scores if len(targets) == 1 else scores[target.name]
        trivial = baseline if len(targets) == 1 else baseline[target.name]
        guess = "commonest class" if target.classes else "mean"
        rows = [(name, number(value), number(trivial[name])) for name, value in mine.items()]
        show_grid(f"{target.name}: {title}", ("", "model", guess), rows)


def number(value: float) -> str:
    """Format a number with four decimals; very large and small ones with four digits."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"


def tracked(items: Iterable[Any], total: int, what: str, quiet: bool) -> Iterator[Any]:
    """Yield the items while showing a progress bar (none without a terminal)."""
    console = Console(stderr=True, markup=False, highlight=False)
    done = TextColumn(f"{{task.completed}}/{{task.total}} {what}", markup=False)
    shown = console.is_terminal and not quiet
    with Progress(done, BarColumn(20), TimeElapsedColumn(), console=console, disable=not shown, transient=True) as bar:
        task = bar.add_task("", total=total)
        for item in items:
            yield item
            bar.advance(task)


class EpochBar(cb.callbacks.Callback):
    """A progress bar of epochs, with their results and the maximum remaining time. Nothing without a terminal.

    Parameters
    ----------
    epochs : int
    quiet : bool
    """

    def __init__(self, epochs: int, quiet: bool) -> None:
        console = Console(stderr=True, markup=False, highlight=False)
        columns = (
            TextColumn("epoch {task.completed}/{task.total}", markup=False),
            BarColumn(20),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[results]}", markup=False),
        )
        shown = console.is_terminal and not quiet
        self._bar = Progress(*columns, console=console, disable=not shown, transient=True, refresh_per_second=8)
        self._epochs = epochs
        self._task = self._bar.add_task("", total=epochs, results="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Advance the bar."""
        logs = logs or {}
        results = as_many_as_fit(
            [f"{name} {number(logs[name])}" for name in important_first(logs)],
            self._bar.console.width - len(f"epoch {epoch + 1}/{self._epochs}") - BESIDE,
            gap="  ",
        )
        self._bar.update(self._task, completed=epoch + 1, results=results)
