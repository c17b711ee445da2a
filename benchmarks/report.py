"""The output of benchmarks: Markdown tables, JSON, and, with matplotlib, plots."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


def number(value: float | None) -> str:
    """A number with three digits or more; an empty text for None."""
    if value is None:
        return ""
    if 0 < value < 0.1:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def header(titles: Sequence[str]) -> list[str]:
    """A table's first two lines: the first column to the left, the others to the right."""
    return [line(titles), "|---" + "|---:" * (len(titles) - 1) + "|"]


class Report:
    """Lines that are printed at once and kept, and data that goes with them.

    Parameters
    ----------
    name : str
        Of the files, ``name.md`` and so on.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.data: dict[str, Any] = {}

    def say(self, *lines: str) -> None:
        for text in lines:
            print(text, flush=True)
            self.lines.append(text)

    def table(self, title: str, titles: Sequence[str]) -> None:
        self.say("", f"## {title}", "", *header(titles))

    def row(self, *cells: str) -> None:
        self.say(line(cells))

    def write(self, directory: Path | None, draw: Callable[[Any], None]) -> None:
        """Write Markdown, JSON, and what `draw` makes on a matplotlib figure; without a directory nothing."""
        if directory is None:
            return
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.name}.md").write_text("\n".join([f"# {self.name}", "", *self.lines]) + "\n")
        (directory / f"{self.name}.json").write_text(json.dumps(self.data, indent=1) + "\n")
        self._plot(directory / f"{self.name}.png", draw)

    def _plot(self, path: Path, draw: Callable[[Any], None]) -> None:
        try:
            from matplotlib.figure import Figure
        except ImportError:
            print("No plot: matplotlib is not installed.")
            return
        figure = Figure(layout="constrained")
        draw(figure)
        figure.savefig(path, dpi=120)
