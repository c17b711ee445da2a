"""Arrays and tables of other libraries, as NumPy arrays. None of these libraries is imported here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_foreign"]

Array = NDArray[Any]
# The types of numbers in Arrow's own words.
ARROW_NUMBERS = ("bool", "halffloat", "float", "double", *(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64)))


def from_foreign(name: str, value: Any) -> Any:
    """`value` as a NumPy array, if it is a table or an array of another library; else as it is.

    Tables of pandas, polars and pyarrow become arrays (rows, columns), their columns arrays (rows,). What exports its
    memory by DLPack, as torch's and JAX's arrays do, is not copied.

    Parameters
    ----------
    name : str
        What to call it in messages.
    value : object

    Raises
    ------
    TypeError
        If a column holds anything but numbers, or an array cannot be read.
    ValueError
        If a value is missing.

    Examples
    --------
    >>> from cbackprop.foreign import from_foreign
    >>> from_foreign("x", [1, 2])
    [1, 2]
    """
    if isinstance(value, (np.ndarray, np.generic, list, tuple, int, float)):
        return value
    for base in type(value).__mro__:
        reader = READERS.get(base.__module__.partition(".")[0])
        if reader is not None:
            return reader(name, value)
    return _from_dlpack(name, value) if hasattr(value, "__dlpack__") else value


def _from_dlpack(name: str, value: Any) -> Any:
    try:
        return np.from_dlpack(value)
    except Exception as error:  # which ones there are, is up to the other library
        if hasattr(value, "__array__"):
            with contextlib.suppress(Exception):
                return np.asarray(value)
        kind = type(value).__name__
        raise TypeError(f"{name}, of type {kind}, cannot be read as an array of the CPU: {error}") from None


def _stack(columns: Iterable[Array]) -> Array:
    """Columns side by side, in a type that holds them all."""
    arrays = list(columns)
    if not arrays:
        return np.empty((0, 0))
    table = np.empty((len(arrays[0]), len(arrays)), np.result_type(*arrays))
    for index, array in enumerate(arrays):
        table[:, index] = array
    return table


def _column(where: str, kind: str, is_number: bool, missing: Array | None, read: Callable[[], Array]) -> Array:
    """One column, once it is known to hold numbers alone."""
    if not is_number:
        remedy = "drop it, or encode it as numbers" if where.endswith("]") else "encode it as numbers"
        raise TypeError(f"{where} holds {kind}, not numbers: {remedy}.")
    if missing is None:
        array = read()
        missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(0, bool)
    if missing.any():
        raise ValueError(f"{where} has no value in row {int(missing.argmax())}: fill or drop what is missing.")
    return read()


def _from_pandas(name: str, value: Any) -> Any:
    if not hasattr(value, "iloc"):
        return np.asarray(value)
    if value.ndim == 1:
        return _pandas_column(name, value)
    return _stack(_pandas_column(f"{name}[{label!r}]", value.iloc[:, i]) for i, label in enumerate(value.columns))


def _pandas_column(where: str, series: Any) -> Array:
    kind = getattr(series.dtype, "kind", "O")
    plain = isinstance(series.dtype, np.dtype)
    wide = {"f": np.float64, "i": np.int64, "u": np.uint64, "b": np.bool_}.get(kind)

    def read() -> Array:
        array: Array = series.to_numpy() if plain else series.to_numpy(dtype=wide)
        return array

    missing = None if plain else np.asarray(series.isna())
    return _column(where, str(series.dtype), kind in "fiub", missing, read)


def _from_polars(name: str, value: Any) -> Any:
    if hasattr(value, "collect"):
        raise TypeError(f"{name} is a {type(value).__name__}: call its collect() first.")
    if not hasattr(value, "get_columns"):
        return _polars_column(name, value)
    return _stack(_polars_column(f"{name}[{series.name!r}]", series) for series in value.get_columns())


def _polars_column(where: str, series: Any) -> Array:
    is_number = series.dtype.is_integer() or series.dtype.is_float() or str(series.dtype) == "Boolean"
    missing = np.asarray(series.is_null().to_numpy()) if series.null_count() else None
    return _column(where, str(series.dtype), is_number, missing, series.to_numpy)


def _from_pyarrow(name: str, value: Any) -> Any:
    if not hasattr(value, "column_names"):
        return _arrow_column(name, value)
    return _stack(_arrow_column(f"{name}[{label!r}]", value.column(i)) for i, label in enumerate(value.column_names))


def _arrow_column(where: str, column: Any) -> Array:
    kind = str(column.type)

    def read() -> Array:
        array: Array = column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(zero_copy_only=False)
        return array

    missing = np.asarray(column.is_null().to_pylist()) if column.null_count else None
    return _column(where, kind, kind in ARROW_NUMBERS, missing, read)


READERS: dict[str, Callable[[str, Any], Any]] = {
    "pandas": _from_pandas,
    "polars": _from_polars,
    "pyarrow": _from_pyarrow,
}
