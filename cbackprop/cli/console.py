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

__all__ = ["EpochBar", "counted", "note", "number", "paragraph", "show_grid", "show_scores", "tracked"]


def note(text: str) -> None:
    """Print a line on standard error."""
    click.echo(f"note: {text}", err=True)


def counted(number: int, name: str) -> str:
    """A number with its noun: "1 epoch", "2 epochs"."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def paragraph(head: str, text: str) -> None:
    """Print a text behind its head, in lines as wide as the terminal; as one line if there is none."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, initial_indent=head, subsequent_indent="  ", break_on_hyphens=False)
        click.echo(text)
    else:
        click.echo(f"{head}{text}")


def show_grid(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first column is text and whose other columns are numbers."""
    grid = Grid(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        grid.add_column(name, justify="right" if index else "left")
    for row in rows:
        grid.add_row(*row)
    Console(markup=False, highlight=False, emoji=False).print(grid)


def show_scores(title: str, scores: dict[str, Any], baseline: dict[str, Any], targets: Sequence[Any]) -> None:
    """Print the scores of a model beside those of the trivial prediction, in a table for each target."""
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
    """Yield the items, with a progress bar of what has been done; without one if there is no terminal."""
    console = Console(stderr=True, markup=False, highlight=False)
    done = TextColumn(f"{{task.completed}}/{{task.total}} {what}", markup=False)
    shown = console.is_terminal and not quiet
    with Progress(done, BarColumn(20), TimeElapsedColumn(), console=console, disable=not shown, transient=True) as bar:
        task = bar.add_task("", total=total)
        for item in items:
            yield item
            bar.advance(task)


class EpochBar(cb.callbacks.Callback):
    """A progress bar of epochs with their results and the maximum time left; nothing without a terminal.

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
        self._task = self._bar.add_task("", total=epochs, results="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Advance the bar."""
        results = " ".join(f"{name} {number(value)}" for name, value in (logs or {}).items())
        self._bar.update(self._task, completed=epoch + 1, results=results)
