"""Confusion matrices as text."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["confusion_text"]

# With more classes a matrix would be wider than most terminals.
MOST_CLASSES = 20
LONGEST_NAME = 16
LISTED = 10
CORNER = "true \\ predicted"


def confusion_text(truth: Any, prediction: Any, names: Sequence[str]) -> str:
    """The confusion matrix as text: rows are the true classes, columns the predicted ones; dots are zeros.

    With many classes, the most frequent mistakes are listed instead.
    """
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (truth, prediction), 1)
    if len(names) > MOST_CLASSES:
        return _mistakes(counts, names)
    short = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names]
    # Columns are named if there is room for that, and numbered otherwise.
    room = shutil.get_terminal_size().columns
    width = max(3, len(str(counts.max())), *map(len, short)) + 1
    if width * len(names) + max(len(CORNER), *map(len, short)) > room:
        short = [f"{number} {name}" for number, name in enumerate(short)]
        heads = [str(number) for number in range(len(names))]
        width = max(3, len(str(counts.max())), len(heads[-1])) + 1
    else:
        heads = short
    margin = max(len(CORNER), *map(len, short))
    if margin + width * len(names) > room and sys.stdout.isatty():
        return _mistakes(counts, names)
    lines = [CORNER.rjust(margin) + "".join(f"{head:>{width}}" for head in heads)]
    for name, row in zip(short, counts, strict=True):
        lines.append(f"{name:>{margin}}" + "".join(f"{count or '.':>{width}}" for count in row))
    return "\n".join(lines)


def _mistakes(counts: Any, names: Sequence[str]) -> str:
    """The most frequent mistakes, one on a line."""
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:LISTED]
    pairs = [(int(place) // len(names), int(place) % len(names)) for place in order]
    lines = [f"{wrong[pair]:>6}  {names[pair[0]]} taken for {names[pair[1]]}" for pair in pairs if wrong[pair]]
    return "\n".join(["most frequent mistakes:", *lines]) if lines else "no mistakes"
