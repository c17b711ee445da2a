"""Short forms of numbers for progress lines, limited to the width of the line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["as_many_as_fit", "important_first", "room_on_line", "short_number"]

# Numbers of at least LARGE, or below SMALL, are written as powers of ten.
LARGE = 1e7
SMALL = 1e-3


def short_number(value: Any, decimals: int = 4) -> str:
    """Format a number, or those of an array, with this many decimals. Very large and small ones get an exponent."""
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=decimals)
    size = abs(value)
    if LARGE <= size < np.inf:
        return f"{value:.2e}"
    return f"{value:.{decimals}f}" if size == 0 or not size < SMALL else f"{value:.1e}"


def important_first(names: Iterable[str]) -> list[str]:
    """Names of results in the order for a narrow terminal: losses first."""
    names = list(names)
    return sorted(names, key=lambda name: {"loss": 0, "val_loss": 1}.get(name, 2))


def as_many_as_fit(parts: Iterable[str], room: int | None, gap: str = " - ") -> str:
    """As many parts as fit on a line, but at least the first one."""
    line = ""
    for number, part in enumerate(parts):
        longer = f"{line}{gap}{part}" if number else part
        if number and room is not None and len(longer) > room:
            break
        line = longer
    return line


def room_on_line() -> int | None:
    """How many characters fit on a line of the terminal; ``None`` if standard output is not a terminal.

    The last column stays free, because some terminals start a new line when it is written.
    """
    return shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else None
