"""Load and write tables in CSV, TSV, Parquet and NPZ files.

Parquet files are read by polars, which is imported when needed.
"""

from __future__ import annotations

import csv
import math
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np

from cbackprop.suggestions import nearest
from cbackprop.tables.delimited import Texts, read_delimited
from cbackprop.tables.frame import Table, as_table
from cbackprop.validation import check_regular

__all__ = ["load_columns", "write"]

FORMATS = {".csv": "CSV", ".tsv": "TSV", ".parquet": "Parquet", ".npz": "NPZ"}


def load_columns(
    source: str | os.PathLike[str] | BinaryIO, arrays: Sequence[str] | None = None, encoding: str | None = None
) -> Texts | Table:
    """Read a file: the texts of a text file, or the columns of another file.

    Parameters
    ----------
    source, arrays, encoding
        See `read`.

    Raises
    ------
    OSError, ImportError, TypeError, ValueError
        See `read`.
    """
    if isinstance(arrays, str):
        raise TypeError(f"arrays must be several names, but got the string {arrays!r}.")
    if hasattr(source, "read"):
        return read_delimited(source.read(), "The input", None, encoding)
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source must be a path or a binary file, but got {type(source).__name__}.")
    path = os.fspath(source)
    suffix = check_suffix(path)
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path!r} is a folder, but the name of a file is needed.")
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    check_regular(path)
    if suffix == ".npz":
        return _read_npz(path, arrays)
    if suffix == ".parquet":
        return _read_parquet(path)
    with open(path, "rb") as file:
        content = file.read()
    return read_delimited(content, repr(path), "\t" if suffix == ".tsv" else None, encoding)


def check_suffix(path: str) -> str:
    """Return the suffix of a file name, if it is one of the supported formats.

    Raises
    ------
    ValueError
        If it is not.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in FORMATS:
        raise ValueError(f"The name of a table must end in {', '.join(FORMATS)}, but got {path!r}.")
    return suffix


def _polars(what: str) -> Any:
    try:
        import polars
    except ImportError as error:
        raise ImportError(f'{what} needs polars: pip install "cbackprop[tables]".') from error
    return polars


def _sentence(error: Exception) -> str:
    """The first line of another library's error message."""
    line = str(error).strip().partition("\n")[0].strip().rstrip(".:")
    return f"{line or type(error).__name__}."


def _read_parquet(path: str) -> Table:
    polars = _polars("reading Parquet")
    try:
        frame = polars.read_parquet(path)
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"{path!r} cannot be read as Parquet: {_sentence(error)}") from error
    return as_table(frame)


def _read_npz(path: str, arrays: Sequence[str] | None) -> Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            present = archive.files
            names = present if arrays is None else arrays
            found = {name: archive[name] for name in names if name in present}
    except (AttributeError, EOFError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path!r} cannot be read as NPZ: {_sentence(error)}") from error
    for name in names:
        if name not in found:
            raise ValueError(f"{path!r} has no array {name!r}. {nearest(name, present)}")
    columns: Table = {}
    for name, array in found.items():
        if array.ndim == 0:
            raise ValueError(f"{path!r} must hold arrays with a row for each sample, but {name!r} is one number.")
        if array.ndim == 1:
            added = {name: array}
        else:
            flat = array.reshape(len(array), math.prod(array.shape[1:]))
            added = {f"{name}{index}": flat[:, index] for index in range(flat.shape[1])}
        if repeated := [column for column in added if column in columns]:
            raise ValueError(f"{path!r} has more than one column {', '.join(map(repr, repeated[:10]))}: see {name!r}.")
        columns |= added
    return as_table(columns)


def write(table: Any, target: str | os.PathLike[str] | None = None) -> None:
    """Write a table to a file, or as CSV to standard output.

    Parameters
    ----------
    table : see `as_table`
    target : path, optional
        ``.csv``, ``.tsv``, ``.parquet`` or ``.npz``.

    Raises
    ------
    OSError
        If the file cannot be written.
    ImportError
        If polars is not installed, which is needed for Parquet.
    TypeError, ValueError
        If it is not a table, or the file has another suffix.

    Examples
    --------
    >>> from cbackprop import tables
    >>> tables.write({"x": [1.5, None], "y": ["a", "b"]})
    x,y
    1.5,a
    ,b
    """
    columns = as_table(table)
    if target is None:
        _write_rows(csv.writer(sys.stdout, lineterminator="\n"), columns)
        return
    path = os.fspath(target)
    WRITERS[check_suffix(path)](columns, path)


def _write_text(columns: Table, path: str) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        delimiter = "\t" if path.lower().endswith(".tsv") else ","
        _write_rows(csv.writer(file, delimiter=delimiter, lineterminator="\n"), columns)


def _write_rows(writer: Any, columns: Table) -> None:
    writer.writerow(columns)
    writer.writerows(zip(*map(_fields, columns.values()), strict=True))


def _fields(column: Any) -> Sequence[Any]:
    """The fields of a column as written: empty for missing values, "true" and "false" for booleans."""
    if column.dtype.kind == "M":
        return ["" if value == "NaT" else value for value in np.datetime_as_string(column).tolist()]
    return ["" if v is None or v != v else str(v).lower() if isinstance(v, bool) else v for v in column.tolist()]


def _write_parquet(columns: Table, path: str) -> None:
    polars = _polars("writing Parquet")
    series = [
        polars.Series(name, column.tolist() if column.dtype.kind == "O" else column, nan_to_null=True)
        for name, column in columns.items()
    ]
    polars.DataFrame(series).write_parquet(path)


def _write_npz(columns: Table, path: str) -> None:
    """Write an NPZ file, with texts as NumPy strings, so that no pickle is needed."""
    arrays = {name: column.astype(str) if column.dtype.kind == "O" else column for name, column in columns.items()}
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


WRITERS: dict[str, Callable[[Table, str], None]] = {
    ".csv": _write_text,
    ".tsv": _write_text,
    ".parquet": _write_parquet,
    ".npz": _write_npz,
}
