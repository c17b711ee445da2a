"""Convert tables of any library to NumPy columns by name, without importing these libraries.

A column is an array (rows,) of one of four kinds: numbers (float64 with NaN for missing values, or int64), booleans,
times (datetime64[us] with NaT for missing values), or objects: texts or booleans with ``None`` for missing values.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.tables.dates import Dates
from cbackprop.tables.marks import is_mark
from cbackprop.tables.numerals import Numerals

__all__ = ["Array", "Table", "as_table", "kind_of", "labels_of", "missing_in", "numbers_from", "numbers_of", "times_of"]

Array = NDArray[Any]
Table = dict[str, Array]

BOOLEANS = {"true": 1.0, "false": 0.0}
TIME = np.dtype("datetime64[us]")


def as_table(frame: Any) -> Table:
    """Convert a table to a dict of NumPy columns by name.

    Parameters
    ----------
    frame : table of pandas, polars or pyarrow, dict of columns, list of rows as dicts, or array (rows, columns)
        Columns of an array are named ``x0``, ``x1`` and so on. Empty texts count as missing, and so do entries that a
        row lacks.

    Returns
    -------
    dict of str to ndarray (rows,)

    Raises
    ------
    TypeError
        If it is not a table, or a column holds anything but numbers, texts, booleans and times.
    ValueError
        If it has no columns or no rows, or columns of different lengths.

    Examples
    --------
    >>> from cbackprop.tables import as_table
    >>> as_table({"city": ["Rome", None], "rain": [3, 1]})
    {'city': array(['Rome', None], dtype=object), 'rain': array([3, 1])}
    """
    pairs = _columns_of(frame)
    table = {name: _as_column(name, values) for name, values in pairs}
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"A table must have one column of each name, but {_first_repeated(names)!r} occurs twice.")
    if not table:
        raise ValueError("The table has no columns.")
    lengths = {name: len(column) for name, column in table.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"All columns must have the same number of rows, but got {lengths}.")
    if not next(iter(lengths.values())):
        raise ValueError("The table has no rows.")
    return table


def _first_repeated(names: list[str]) -> str:
    return next(name for index, name in enumerate(names) if name in names[:index])


def _columns_of(frame: Any) -> list[tuple[str, Any]]:
    """Names and columns; columns are arrays or lists."""
    if isinstance(frame, Mapping):
        return [(str(name), values) for name, values in frame.items()]
    if hasattr(frame, "iloc") and hasattr(frame, "columns"):
        return [(str(label), _from_pandas(frame.iloc[:, i])) for i, label in enumerate(frame.columns)]
    if hasattr(frame, "get_columns"):
        return [(series.name, _from_polars(series)) for series in frame.get_columns()]
    if hasattr(frame, "column_names"):
        return [(name, frame.column(i).to_pylist()) for i, name in enumerate(frame.column_names)]
    if isinstance(frame, (list, tuple)) and all(isinstance(row, Mapping) for row in frame):
        if not frame:
            raise ValueError("The table has no rows.")
        names = dict.fromkeys(name for row in frame for name in row)
        return [(str(name), [row.get(name) for row in frame]) for name in names]
    if isinstance(frame, np.ndarray) and frame.ndim == 2:
        return [(f"x{i}", frame[:, i]) for i in range(frame.shape[1])]
    raise TypeError(
        "A table must be a table of pandas, polars or pyarrow, a dict of columns, a list of rows as dicts, or an array "
        "(rows, columns), "
        f"but got {type(frame).__name__}."
    )


def _from_pandas(series: Any) -> Any:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufM":
        return series.to_numpy()
    return [None if gone else value for value, gone in zip(series.tolist(), series.isna(), strict=True)]


def _from_polars(series: Any) -> Any:
    kind = series.dtype
    if (kind.is_numeric() and not kind.is_decimal()) or str(kind) == "Date" or str(kind).startswith("Datetime"):
        return series.to_numpy()
    return series.to_list()


def _as_column(name: str, values: Any) -> Array:
    if isinstance(values, np.ma.MaskedArray):
        values = values.tolist()
    array = values if isinstance(values, np.ndarray) else None
    if array is None:
        if hasattr(values, "to_numpy") or hasattr(values, "to_pylist"):
            return _series(name, values)
        if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
            raise TypeError(f"Column {name!r} must be a sequence, but got {type(values).__name__}.")
        return _from_objects(name, list(values))
    if array.ndim != 1:
        raise ValueError(f"Column {name!r} must have one axis, but got shape {array.shape}.")
    kind = array.dtype.kind
    if kind == "b":
        return array
    if kind in "iu":
        return array.astype(np.int64 if array.dtype != np.uint64 or not _too_large(array) else np.float64)
    if kind == "f":
        with np.errstate(over="ignore"):  # a long double may become infinite, which counts as missing
            return array.astype(np.float64)
    if kind == "M":
        return array.astype(TIME)
    return _from_objects(name, array.tolist())


def _too_large(array: Array) -> bool:
    return bool(array.size and array.max() > np.iinfo(np.int64).max)


def _series(name: str, values: Any) -> Array:
    """Convert a single column of pandas, polars or pyarrow."""
    if hasattr(values, "iloc"):
        return _as_column(name, _from_pandas(values))
    return _as_column(name, values.to_pylist() if hasattr(values, "to_pylist") else _from_polars(values))


def _from_objects(name: str, values: list[Any]) -> Array:
    """Convert Python objects to an array of the kind that fits them."""
    values = [_plain(value) for value in values]
    types = {type(value) for value in values} - {type(None)}
    if not types:
        return np.full(len(values), np.nan)
    if types == {bool}:
        return np.array(values, object if None in values else np.bool_)
    if types <= {int, float, bool}:
        return numbers_from(values, whole=float not in types)
    if types == {np.datetime64}:
        return np.array([np.datetime64("NaT") if value is None else value for value in values], TIME)
    if types <= {str, int, float, bool}:
        return np.array([None if value is None else label(value) for value in values], object)
    strange = next(t for t in types if len(types) > 1 or t not in (str, int, float, bool))
    raise TypeError(
        f"Column {name!r} must hold numbers, texts, booleans or times, and one kind of them, "
        f"but holds {', '.join(sorted(t.__name__ for t in types)) if len(types) > 1 else strange.__name__}."
    )


def numbers_from(values: list[Any], whole: bool) -> Array:
    """A column of numbers: int64 if all are whole and none is missing, otherwise float64."""
    try:
        if whole and None not in values:
            return np.array(values, np.int64)
    except OverflowError:
        pass
    return np.array([np.nan if value is None else _float(value) for value in values], np.float64)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _plain(value: Any) -> Any:
    """Convert a value to a Python number, text or boolean, or to np.datetime64; missing values to None."""
    if isinstance(value, str):
        return value.strip() or None
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    if isinstance(value, decimal.Decimal):
        value = float(value)
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    if isinstance(value, datetime.date):
        value = np.datetime64(value, "us")
    return None if isinstance(value, np.datetime64) and np.isnat(value) else value


def kind_of(column: Array) -> str:
    """The kind of a column: "number", "boolean", "time" or "text"."""
    if column.dtype.kind == "O":
        first = next((value for value in column if value is not None), None)
        return "boolean" if isinstance(first, bool) else "text"
    return {"b": "boolean", "M": "time"}.get(column.dtype.kind, "number")


def missing_in(column: Array) -> Array:
    """Where a column has no value. Infinite numbers count as missing."""
    if column.dtype.kind == "O":
        return np.array([value is None for value in column], np.bool_)
    if column.dtype.kind == "M":
        return np.isnat(column)
    return ~np.isfinite(column)


def label(value: Any) -> str:
    """The value as a text, the same for 1 and 1.0."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def labels_of(column: Array) -> list[str | None]:
    """A column as texts, with None for missing values."""
    gone = missing_in(column).tolist()
    return [None if g else label(value) for value, g in zip(column.tolist(), gone, strict=True)]


def numbers_of(name: str, column: Array) -> Array:
    """A column as float64, with NaN for missing values. Texts are read as numbers or "true" and "false".

    Raises
    ------
    ValueError
        If a value is neither.
    """
    kind = kind_of(column)
    if kind == "time":
        raise ValueError(f"Column {name!r} must hold numbers, but holds times.")
    if column.dtype.kind != "O":
        found = column.astype(np.float64)
        found[~np.isfinite(found)] = np.nan
        return found
    found = np.full(len(column), np.nan)
    for row, value in enumerate(column):
        if value is not None:
            found[row] = _read_number(name, row, value)
    return found


def _read_number(name: str, row: int, value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if value.lower() in BOOLEANS:
        return BOOLEANS[value.lower()]
    if is_mark(value):
        return np.nan
    number = Numerals().read(value)
    if number is None:
        raise ValueError(f"Column {name!r} must hold numbers, but holds {value[:50]!r} in row {row}.")
    return number if np.isfinite(number := _float(number)) else np.nan


def times_of(name: str, column: Array) -> Array:
    """A column as datetime64[us], with NaT for missing values. Texts must show the order of day and month.

    Raises
    ------
    ValueError
        If a text has another format, or the column holds numbers.
    """
    if column.dtype.kind == "M":
        return column
    found = np.full(len(column), np.datetime64("NaT"), TIME)
    gone = missing_in(column)
    for row in np.flatnonzero(~gone):
        value = column[row]
        moment = None
        if isinstance(value, str):
            moment = Dates().read(value) or Dates(zoned=True).read(value)
        if moment is None:
            raise ValueError(f"Column {name!r} must hold times, but holds {str(value)[:50]!r} in row {row}.")
        found[row] = moment
    return found
