"""Find columns that count as texts only because of a few cells, while nearly all cells are numbers or times."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from cbackprop.tables.frame import Table, kind_of

__all__ = ["CellWarning", "doubt_of", "doubts", "warn_of_doubt"]

# A sample of this many cells, spread over a column, shows whether all of them need to be checked.
SAMPLE = 500
# Whole numbers beside other texts may all be codes, if there are at most this many different ones, which repeat. They
# are not codes if at most this fraction of the cells are other texts.
MOST_CODES = 20
FEW = 0.1
WITH_COMMA = re.compile(r"[+-]?\d+(,\d+)?")


class CellWarning(UserWarning):
    """A few cells of a column are of another kind than nearly all of its cells."""


def doubts(table: Table, but: Collection[str] = ()) -> dict[str, str]:
    """For each column that should probably not be texts, the result of `doubt_of`.

    Parameters
    ----------
    table : dict of str to ndarray
        A table in the form of `as_table`.
    but : collection of str
        Columns that are not checked.
    """
    found = {name: doubt_of(column) for name, column in table.items() if name not in but}
    return {name: doubt for name, doubt in found.items() if doubt}


def doubt_of(column: Any) -> str:
    """The end of a message: which cell makes a column of numbers or times count as texts. Empty if there is none."""
    if kind_of(column) != "text":
        return ""
    rows = np.flatnonzero([value is not None for value in column])
    cells = [column[row] for row in rows]
    for what, reads in (("numbers", _is_number), ("times", _is_time)):
        if (odd := _few_others(cells, reads)) is not None:
            right = sum(map(reads, cells))
            return f"{_cell(cells, rows, odd)}: {right:,} of {len(cells):,} values are {what}"
    if (odd := _first_comma(cells)) is not None:
        return f"{_cell(cells, rows, odd)}: numbers are written with a point, not a comma"
    if cells and all(map(_is_number, cells)) and not all(float(cell).is_integer() for cell in cells):
        return f"{_cell(cells, rows, 0)}: all values are numbers, but given as texts"
    return ""


def warn_of_doubt(what: str, doubt: str, remedy: str, stacklevel: int) -> None:
    """Warn of a doubtful column, at the line this many frames up from the caller."""
    warnings.warn(
        f"{what} counts as texts because of {doubt}. Mend such cells, or leave them empty; {remedy}.",
        CellWarning,
        stacklevel=stacklevel + 1,
    )


def _cell(cells: list[Any], rows: Any, index: int) -> str:
    return f"{cells[index][:50]!r} in row {rows[index]}, counted from 0"


def _few_others(cells: list[Any], reads: Callable[[Any], bool]) -> int | None:
    """The first cell that `reads` refuses, if it accepts most cells and they are not codes among others."""
    for some in (cells[:: max(len(cells) // SAMPLE, 1)], cells):
        readable = [reads(cell) for cell in some]
        if 2 * sum(readable) <= len(some):
            return None
    if all(readable):
        return None
    right = [cell for cell, can in zip(cells, readable, strict=True) if can]
    are_codes = 2 * len(set(right)) <= len(right) and len(set(right)) <= MOST_CODES
    if are_codes and len(cells) - len(right) > FEW * len(cells):
        return None
    return readable.index(False)


def _first_comma(cells: list[Any]) -> int | None:
    """The first number with a decimal comma, if all cells are numbers and some are written like this."""
    if not all(WITH_COMMA.fullmatch(cell) for cell in cells[:SAMPLE]) or not all(map(WITH_COMMA.fullmatch, cells)):
        return None
    return next((index for index, cell in enumerate(cells) if "," in cell), None)


def _is_number(cell: Any) -> bool:
    try:
        return float(cell) == float(cell)
    except ValueError:
        return False


def _is_time(cell: Any) -> bool:
    """Whether this is a time in the format of ISO 8601. A single year or a word is not."""
    if not cell[:4].isdigit() or "-" not in cell:
        return False
    try:
        return not np.isnat(np.datetime64(cell, "us"))
    except ValueError:
        return False
