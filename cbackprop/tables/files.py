"""Read and write tables in CSV, TSV, Parquet and NPZ files.

CSV, TSV and Parquet are read by polars, which is imported when it is needed.
"""

from __future__ import annotations

import csv
import math
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, BinaryIO

import numpy as np

from cbackprop.suggestions import nearest
from cbackprop.tables.frame import Table, as_table

__all__ = ["read", "write"]

FORMATS = {".csv": "CSV", ".tsv": "TSV", ".parquet": "Parquet", ".npz": "NPZ"}
# Texts that mean a missing value in a text file.
MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "none", "?"]
# Characters that may separate the columns of a .csv. If several are equally frequent, the first is used.
SEPARATORS = ",;\t|"
TIMES = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.f"]


def read(
    source: str | os.PathLike[str] | BinaryIO, text: Collection[str] = (), arrays: Sequence[str] | None = None
) -> Table:
    """Read a table from a file.

    A column of a text file is read as numbers, booleans or times if all its values are of that kind. Empty fields, NA,
    NaN, null, None and ? are missing values. Columns of a .csv may also be separated by semicolons, tabs or bars.

    Parameters
    ----------
    source : path or binary file
        A ``.csv``, ``.tsv``, ``.parquet`` or ``.npz`` file. An open file is read as CSV.
    text : collection of str, default ()
        Columns of text files to read as texts.
    arrays : sequence of str, optional
        Names of the arrays to read from an NPZ file; all by default. An array of one axis gives a column of its name.
        An array of several axes, such as ``x``, gives columns ``x0``, ``x1`` and so on.

    Returns
    -------
    dict of str to ndarray (rows,)

    Raises
    ------
    OSError
        If the file cannot be opened.
    ImportError
        If polars is needed and not installed.
    TypeError, ValueError
        If the file does not contain such a table.

    Examples
    --------
    >>> import os, tempfile
    >>> from cbackprop import tables
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "data.npz")
    ...     tables.write({"x": [1.5, 2.5], "y": [0, 1]}, path)
    ...     tables.read(path)
    {'x': array([1.5, 2.5]), 'y': array([0, 1])}
    """
    for argument, names in (("text", text), ("arrays", arrays)):
        if isinstance(names, str):
            raise TypeError(f"{argument} must be several names, but got the string {names!r}.")
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        suffix = check_suffix(path)
        if os.path.isdir(path):
            raise IsADirectoryError(f"{path!r} is a folder, but the name of a file is needed.")
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no file {path!r}.")
        name = repr(path)
    elif hasattr(source, "read"):
        path, suffix, name = source, ".csv", "The input"  # type: ignore[assignment]
    else:
        raise TypeError(f"source must be a path or a binary file, but got {type(source).__name__}.")
    if suffix == ".npz":
        return _read_npz(path, arrays)
    format_name = FORMATS[suffix]
    polars = _polars(f"reading {format_name}")
    try:
        if suffix == ".parquet":
            return as_table(polars.read_parquet(path))
        return as_table(_typed(polars, _read_text(polars, path, suffix), text))
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"{name} cannot be read as {format_name}: {_sentence(error)}") from error


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
    """The beginning of another library's error message, on one line."""
    line = str(error).strip().partition("\n")[0].strip().rstrip(".:")
    return f"{line or type(error).__name__}."


def _read_text(polars: Any, source: Any, suffix: str) -> Any:
    """Read all columns as texts."""
    content = source.read() if hasattr(source, "read") else _bytes(source)
    if not content.strip():
        raise ValueError(f"{'The input' if hasattr(source, 'read') else repr(source)} is empty.")
    return polars.read_csv(
        content,
        separator="\t" if suffix == ".tsv" else _separator(content),
        infer_schema=False,
        encoding="utf8-lossy",
        null_values=MISSING,
    )


def _separator(content: bytes) -> str:
    """The most frequent separator in the header line."""
    header = content.lstrip().partition(b"\n")[0]
    return max(SEPARATORS, key=lambda separator: header.count(separator.encode()))


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _typed(polars: Any, frame: Any, text: Collection[str]) -> Any:
    """Convert each column to the first type that fits all its values."""
    frame = frame.rename({name: name.strip() for name in frame.columns})
    columns = []
    for series in frame.get_columns():
        series = series.str.strip_chars()
        series = series.set(series.is_in(MISSING), None)
        columns.append(series if series.name in text else _inferred(polars, series))
    return polars.DataFrame(columns)


def _inferred(polars: Any, series: Any) -> Any:
    count = series.null_count()
    if count == len(series):
        return series
    for kind in (polars.Int64, polars.Float64):
        found = series.cast(kind, strict=False)
        if found.null_count() == count:
            return found
    lowered = series.str.to_lowercase()
    if lowered.drop_nulls().is_in(["true", "false"]).all():
        return lowered == "true"
    for layout in TIMES:
        found = series.str.replace("T", " ").str.to_datetime(layout, strict=False, time_unit="us")
        if found.null_count() == count:
            return found
    return series


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
            columns[name] = array
        else:
            flat = array.reshape(len(array), math.prod(array.shape[1:]))
            columns |= {f"{name}{index}": flat[:, index] for index in range(flat.shape[1])}
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
