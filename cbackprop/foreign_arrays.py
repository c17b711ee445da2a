"""Convert arrays and tables of other libraries to NumPy arrays, without importing these libraries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.validation import a_type

__all__ = ["from_foreign"]

Array = NDArray[Any]
# Arrow's names of the types of numbers.
ARROW_NUMBERS = ("bool", "halffloat", "float", "double", *(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64)))


def from_foreign(name: str, value: Any, missing: bool = False) -> Any:
    """`value` as a NumPy array if it is a table or an array of another library; any other value unchanged.

    Tables of pandas, polars and pyarrow become arrays (rows, columns), and their columns arrays (rows,). Arrays that
    support DLPack, such as those of torch and JAX, are not copied.

    Parameters
    ----------
    name : str
        Its name in messages.
    value : object
    missing : bool, default False
        Whether values of tables may be missing. They then become NaN.

    Raises
    ------
    TypeError
        If a column holds anything but numbers, or an array cannot be read.
    ValueError
        If a value is missing and `missing` is False.

    Examples
    --------
    >>> from cbackprop.foreign_arrays import from_foreign
    >>> from_foreign("x", [1, 2])
    [1, 2]
    """
    if isinstance(value, (np.ndarray, np.generic, list, tuple, int, float)):
        return value
    for base in type(value).__mro__:
        reader = READERS.get(base.__module__.partition(".")[0])
        if reader is not None:
            return reader(name, value, missing)
    return _from_dlpack(name, value) if hasattr(value, "__dlpack__") else value


def _from_dlpack(name: str, value: Any) -> Any:
    try:
        return np.from_dlpack(value)
    except Exception as error:  # other libraries may raise anything
        if hasattr(value, "__array__"):
            with contextlib.suppress(Exception):
                return np.asarray(value)
        kind = type(value).__name__
        raise TypeError(f"{name}, of type {kind}, cannot be read as an array of the CPU: {error}") from None


def _stack(columns: Iterable[Array]) -> Array:
    """Stack columns side by side, in a type that can hold all of them."""
    arrays = list(columns)
    if not arrays:
        return np.empty((0, 0))
    table = np.empty((len(arrays[0]), len(arrays)), np.result_type(*arrays))
    for index, array in enumerate(arrays):
        table[:, index] = array
    return table


def _column(
    where: str, kind: str, is_number: bool, allowed: bool, missing: Array | None, read: Callable[[], Array]
) -> Array:
    """Check that a column holds only numbers, and return it, with NaN for missing values if they are allowed."""
    if not is_number:
        remedy = "encode it as numbers, names by numpy.unique(names, return_inverse=True)[1]"
        remedy = "drop it, or encode it as numbers" if where.endswith("]") else remedy
        raise TypeError(f"{where} holds {kind}, not numbers: {remedy}.")
    if allowed:
        array = read()
        return array.astype(np.float64) if array.dtype == object else array  # None becomes NaN
    if missing is None:
        array = read()
        missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(0, bool)
    if missing.any():
        raise ValueError(f"{where} has no value in row {int(missing.argmax())}: fill or drop missing values.")
    return read()


def _from_pandas(name: str, value: Any, missing: bool) -> Any:
    if not hasattr(value, "iloc"):
        return np.asarray(value)
    if value.ndim == 1:
        return _pandas_column(name, value, missing)
    columns = enumerate(value.columns)
    return _stack(_pandas_column(f"{name}[{label!r}]", value.iloc[:, i], missing) for i, label in columns)


def _pandas_column(where: str, series: Any, allowed: bool) -> Array:
    kind = getattr(series.dtype, "kind", "O")
    plain = isinstance(series.dtype, np.dtype)
    wide = {"f": np.float64, "i": np.int64, "u": np.uint64, "b": np.bool_}.get(kind)

    missing = None if plain else np.asarray(series.isna())
    gaps = missing is not None and bool(missing.any())

    def read() -> Array:
        array: Array
        if gaps:
            array = series.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            array = series.to_numpy() if plain else series.to_numpy(dtype=wide)
        return array

    return _column(where, str(series.dtype), kind in "fiub", allowed, missing, read)


def _from_polars(name: str, value: Any, missing: bool) -> Any:
    if hasattr(value, "collect"):
        raise TypeError(f"{name} is {a_type(value)}: call its collect() first.")
    if not hasattr(value, "get_columns"):
        return _polars_column(name, value, missing)
    return _stack(_polars_column(f"{name}[{series.name!r}]", series, missing) for series in value.get_columns())


def _polars_column(where: str, series: Any, allowed: bool) -> Array:
    is_number = series.dtype.is_integer() or series.dtype.is_float() or str(series.dtype) == "Boolean"
    missing = np.asarray(series.is_null().to_numpy()) if series.null_count() else None
    return _column(where, str(series.dtype), is_number, allowed, missing, series.to_numpy)


def _from_pyarrow(name: str, value: Any, missing: bool) -> Any:
    if not hasattr(value, "column_names"):
        return _arrow_column(name, value, missing)
    columns = enumerate(value.column_names)
    return _stack(_arrow_column(f"{name}[{label!r}]", value.column(i), missing) for i, label in columns)


def _arrow_column(where: str, column: Any, allowed: bool) -> Array:
    kind = str(column.type)

    def read() -> Array:
        array: Array = column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(zero_copy_only=False)
        return array

    missing = np.asarray(column.is_null().to_pylist()) if column.null_count else None
    return _column(where, kind, kind in ARROW_NUMBERS, allowed, missing, read)


READERS: dict[str, Callable[[str, Any, bool], Any]] = {
    "pandas": _from_pandas,
    "polars": _from_polars,
    "pyarrow": _from_pyarrow,
}
