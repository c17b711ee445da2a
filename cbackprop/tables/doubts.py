"""Warn of text columns that could be read as numbers or times, and report how columns were read."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

from cbackprop.tables.frame import Table, kind_of
from cbackprop.tables.reader import TableReader, reading_of
from cbackprop.tables.recognition import Hints

__all__ = ["CellWarning", "doubt_of", "warn_of_doubts", "warn_of_readings"]


class CellWarning(UserWarning):
    """A text column is read as numbers or times, or could be."""


def doubt_of(column: Any) -> str:
    """Why a text column may contain something else, as the end of a sentence; empty if it does not seem so."""
    if kind_of(column) != "text":
        return ""
    try:
        reading = reading_of(column, Hints(where="row {}, counted from 0".format))
    except ValueError as error:
        return str(error)
    if reading.kind == "text":
        return reading.why and f"is {reading.why}"
    return f"could be read as {reading.kind}s" + (f" ({reading})" if str(reading) else "")


def warn_of_doubts(table: Table, but: Collection[str], stacklevel: int) -> None:
    """Warn of columns that should probably not be texts. `stacklevel` counts frames up from the caller."""
    for name, column in table.items():
        if name not in but and (doubt := doubt_of(column)):
            warnings.warn(
                f"Column {name!r} counts as texts, but {doubt}. TableReader reads such texts; if these are categories, "
                f"give categorical=[{name!r}].",
                CellWarning,
                stacklevel=stacklevel + 1,
            )


def warn_of_readings(reader: TableReader, stacklevel: int) -> None:
    """Warn of texts that are read as numbers or times. `stacklevel` counts frames up from the caller."""
    for name, reading in reader.readings.items():
        if reading.kind != "text" and str(reading):
            warnings.warn(
                f"Column {name!r} is read as {reading.kind}s: {reading}.", CellWarning, stacklevel=stacklevel + 1
            )
        elif reading.why:
            warnings.warn(f"Column {name!r} is {reading.why}.", CellWarning, stacklevel=stacklevel + 1)
