"""TableReader: find out what the columns of a table hold, and read others in the same way."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, BinaryIO, Self

import numpy as np

from cbackprop.suggestions import nearest
from cbackprop.tables.delimited import EncodingError, Texts
from cbackprop.tables.files import load_columns
from cbackprop.tables.frame import Array, Table, as_table, kind_of, labels_of
from cbackprop.tables.numerals import Numerals, decimal_of
from cbackprop.tables.reading import Reading
from cbackprop.tables.recognition import KINDS, Hints, find_reading

__all__ = ["TableReader", "columns_of", "read", "reading_of"]

AS_IT_IS = Reading("text", blanks=())


class TableReader:
    """Read tables, and find out what their texts mean.

    The first table decides how each column is read, from all its values:

    - numbers, also with thousands separators, a decimal comma, a currency, a percent sign or a unit
    - ``true`` and ``false``
    - dates and times in any usual form; times with a zone are converted to UTC
    - texts, if none of these fits

    A column is of a kind if all its texts are, except for marks such as ``-`` or ``unknown`` and a few other texts.
    These count as missing values. The result is kept in `readings`, and later tables are read in the same way.

    Parameters
    ----------
    decimal : {".", ","}, optional
        The decimal separator. By default the numbers decide.
    missing : iterable of str, optional
        Texts that mean a missing value in any column, in addition to empty ones. By default NA, N/A, NaN, null, None, ?
        and some variants of these.
    types : dict of str to str, optional
        Kinds of columns by name: "number", "date" or "category"; "date-dmy" or "date-mdy" if dates begin with the day
        or with the month.
    encoding : str, optional
        The encoding of the first text file, and of later ones that are not in UTF-8. By default, as the byte order mark
        says, or UTF-8.

    Attributes
    ----------
    readings : dict of str to Reading
        How each column is read.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.

    Examples
    --------
    >>> from cbackprop.tables import TableReader
    >>> reader = TableReader()
    >>> prices = [f"{1000 + 17 * row:,} USD" for row in range(20)]
    >>> reader.fit({"price": [*prices, "-"]}).transform({"price": ["1,250 USD", "900 USD", "-"]})
    {'price': array([1250.,  900.,   nan])}
    >>> reader.notes()
    {'price': "thousands with commas, unit 'USD'; taken for missing: '-' in row 20, counted from 0"}
    """

    def __init__(
        self,
        decimal: str | None = None,
        missing: Sequence[str] | None = None,
        types: Mapping[str, str] | None = None,
        encoding: str | None = None,
    ) -> None:
        if decimal not in (None, ".", ","):
            raise ValueError(f"decimal must be '.' or ',', but got {decimal!r}.")
        if isinstance(missing, str) or not all(isinstance(text, str) for text in missing or ()):
            raise TypeError(f"missing must be several texts, but got {missing!r}.")
        if not isinstance(encoding, (str, type(None))):
            raise TypeError(f"encoding must be a name, but got {encoding!r}.")
        self.decimal = decimal
        self.missing = None if missing is None else tuple(text.strip() for text in missing)
        self.types = _checked_types(types)
        self.encoding = encoding
        self.readings: dict[str, Reading] = {}
        self._before: dict[str, Reading] = {}

    def read(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        arrays: Sequence[str] | None = None,
        only: Collection[str] | None = None,
    ) -> Table:
        """Read a file. The first file decides how columns are read.

        Parameters
        ----------
        source, arrays
            See `read`.
        only : collection of str, optional
            Columns to read; others stay as they are. By default all.

        Returns
        -------
        dict of str to ndarray (rows,)

        Raises
        ------
        OSError, ImportError, TypeError, ValueError
            See `read`.
        """
        found = self.load(source, arrays)
        return (self if self.readings else self.fit(found)).transform(found, only)

    def load(self, source: str | os.PathLike[str] | BinaryIO, arrays: Sequence[str] | None = None) -> Texts | Table:
        """Load a file without finding out what its texts mean, for `fit` and `transform`.

        Parameters
        ----------
        source, arrays
            See `read`.

        Returns
        -------
        Texts or dict of str to ndarray
            Texts if it is a text file.

        Raises
        ------
        OSError, ImportError, TypeError, ValueError
            See `read`.
        """
        content = source.read() if hasattr(source, "read") else None
        if self.readings and self.encoding:  # `encoding` was for an earlier file
            try:
                return load_columns(source if content is None else io.BytesIO(content), arrays)
            except EncodingError:
                pass
        return load_columns(source if content is None else io.BytesIO(content), arrays, self.encoding)

    def fit(self, table: Any) -> Self:
        """Decide how columns are read.

        Parameters
        ----------
        table : see `as_table`; or Texts

        Raises
        ------
        TypeError, ValueError
            If it is not a table, a named column does not exist or is not of the given kind, or the order of day and
            month is ambiguous.
        """
        found = table if isinstance(table, Texts) else as_table(table)
        columns = columns_of(found)
        for name in self.types:
            if name not in columns:
                raise ValueError(f"The table has no column {name!r}. {nearest(name, columns)}")
        likely = self.decimal or self._likely(columns)
        separator = found.separator if isinstance(found, Texts) else ","
        readings = {}
        for name, values in columns.items():
            kind, missing = self._expected(name)
            hints = Hints(kind, missing, self.decimal, likely, separator, _where(found))
            try:
                readings[name] = reading_of(values, hints)
            except ValueError as error:
                raise ValueError(f"Column {name!r}{_of(found)} {error}.{_remedy(name, str(error))}") from None
        self.readings = readings
        return self

    def transform(self, table: Any, only: Collection[str] | None = None) -> Table:
        """Read the text columns of a table. Columns that `fit` did not see are not changed.

        Parameters
        ----------
        table : see `as_table`; or Texts
        only : collection of str, optional
            Columns to read; others stay as they are. By default all.

        Raises
        ------
        TypeError, ValueError
            If it is not a table, or a text is of another kind than its column.
        """
        found = table if isinstance(table, Texts) else as_table(table)
        read: Table = {}
        for name, values in columns_of(found).items():
            wanted = only is None or name in only
            reading = self.readings.get(name, AS_IT_IS) if wanted else AS_IT_IS
            try:
                read[name] = self._column(name, values, reading, _where(found))
            except ValueError as error:
                raise ValueError(f"Column {name!r}{_of(found)} {error}.{_hint(values, reading)}") from None
        return read

    def relearned(
        self,
        decimal: str | None = None,
        missing: Sequence[str] | None = None,
        types: Mapping[str, str] | None = None,
        encoding: str | None = None,
    ) -> Self:
        """A reader for a file in another format. `fit` finds columns of the same kinds in it.

        Parameters
        ----------
        decimal, missing, types, encoding
            See the class.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong.
        """
        reader = type(self)(decimal, missing, types, encoding)
        if decimal is None and missing is None and not types:
            reader.readings = self.readings
        reader._before = self.readings
        return reader

    def _expected(self, name: str) -> tuple[str | None, tuple[str, ...] | None]:
        """The kind and the missing values of a column, given by the user or by an earlier table."""
        before = self._before.get(name)
        if name in self.types or before is None:
            return self.types.get(name), self.missing
        order = f"-{before.dates.order}" if before.dates.order else ""
        kind = {"number": "number", "text": "category", "time": f"date{order}"}.get(before.kind)
        return kind, before.blanks if self.missing is None else self.missing

    def _likely(self, columns: Mapping[str, Any]) -> str | None:
        """The decimal separator in the unambiguous columns, if it is the same in all of them."""
        found = {
            decimal_of(values)
            for name, values in columns.items()
            if _are_texts(values) and self._expected(name)[0] in (None, "number")
        } - {None}
        return found.pop() if len(found) == 1 else None

    def _column(self, name: str, values: Any, reading: Reading, where: Callable[[int], str]) -> Array:
        """Read a column as `reading` says."""
        if _are_texts(values):
            return reading.read(list(values), where)
        kind = kind_of(values)
        if kind != reading.kind and (reading.kind == "time" or self.types.get(name) == "category"):
            return reading.read(labels_of(values), where)
        return _without(values, reading.blanks) if self.missing and kind == "number" else values

    def notes(self) -> dict[str, str]:
        """Notes on unusual ways in which columns are read, by the columns' names."""
        return {name: str(reading) for name, reading in self.readings.items() if str(reading)}

    def get_config(self) -> dict[str, Any]:
        """The reader as plain values that can be written as JSON."""
        return {
            "decimal": self.decimal,
            "missing": None if self.missing is None else list(self.missing),
            "types": dict(self.types),
            "encoding": self.encoding,
            "readings": {name: reading.get_config() for name, reading in self.readings.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the reader that `get_config` described.

        Raises
        ------
        TypeError, ValueError
            If the config is not that of a reader.
        """
        if not isinstance(config, dict) or set(config) != set(cls().get_config()):
            raise ValueError(f"The config of a reader must have the entries of one, but got {config!r:.100}.")
        arguments = dict(config)
        readings = arguments.pop("readings")
        if not isinstance(readings, dict):
            raise TypeError(f"readings must be a dict by name, but got {readings!r:.100}.")
        reader = cls(**arguments)
        reader.readings = {str(name): Reading.from_config(reading) for name, reading in readings.items()}
        return reader

    def __repr__(self) -> str:
        return f"<TableReader of {len(self.readings)} columns>" if self.readings else "<TableReader, not fitted>"


def _checked_types(types: Any) -> dict[str, str]:
    if not isinstance(types, (Mapping, type(None))):
        raise TypeError(f"types must be a dict of kinds by column, but got {types!r:.100}.")
    found = dict(types or {})
    for name, kind in found.items():
        if not isinstance(name, str) or kind not in KINDS:
            raise ValueError(f"types must be one of {', '.join(KINDS)} for each column, but got {kind!r} for {name!r}.")
    return found


def _hint(values: Any, reading: Reading) -> str:
    """Advice if texts are not in the format of their column."""
    if reading.kind == "text":
        return ""
    decimal = decimal_of(values) if reading.kind == "number" and _are_texts(values) else None
    if decimal not in (None, reading.numerals.decimal):
        name = "point" if decimal == "." else "comma"
        return f" If these numbers have a decimal {name}, say --decimal {decimal}"
    return " If it means a missing value, name it with --missing."


def _are_texts(values: Any) -> bool:
    """Whether a column contains texts: a list from a file, or an array of objects."""
    return isinstance(values, list) or (values.dtype.kind == "O" and kind_of(values) == "text")


def reading_of(values: Any, hints: Hints) -> Reading:
    """How to read a column."""
    if isinstance(values, list):
        return find_reading(values, hints)
    kind = kind_of(values)
    if kind == "text":
        # Outside of text files, a text column is one on purpose: "007" is not 7.
        given = hints.kind is None and all(value is None or value.isdecimal() for value in values)
        return Reading("text") if given else find_reading(values, hints)
    wanted = "time" if (hints.kind or "").startswith("date") else hints.kind
    if wanted == "category" or (wanted == "time" and kind == "number"):
        return find_reading(labels_of(values), hints)
    if wanted is not None and (wanted == "time") != (kind == "time"):
        raise ValueError(f"holds {kind}s, which are no {'dates' if wanted == 'time' else 'numbers'}")
    return Reading(kind)


def columns_of(found: Texts | Table) -> Mapping[str, Any]:
    """The columns of a loaded file."""
    return found.columns if isinstance(found, Texts) else found


def _where(found: Texts | Table) -> Callable[[int], str]:
    return found.where if isinstance(found, Texts) else "row {}, counted from 0".format


def _of(found: Texts | Table) -> str:
    return f" of {found.name}" if isinstance(found, Texts) else ""


def _remedy(name: str, problem: str) -> str:
    """Advice about a column that cannot be read."""
    if "apart" in problem:
        return f" Say which is first: --type {name}=date-dmy or --type {name}=date-mdy."
    return f" If its texts are categories, say --type {name}=category."


def _without(numbers: Array, blanks: Collection[str]) -> Array:
    """Numbers, with NaN for missing values."""
    marks = [number for number in map(Numerals().read, blanks) if number is not None]
    gone = np.isin(numbers, marks)
    return np.where(gone, np.nan, numbers) if gone.any() else numbers


def read(
    source: str | os.PathLike[str] | BinaryIO,
    text: Collection[str] = (),
    arrays: Sequence[str] | None = None,
    *,
    decimal: str | None = None,
    missing: Sequence[str] | None = None,
    types: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> Table:
    """Read a table from a file.

    `TableReader` finds out what texts mean. Columns of a .csv may also be separated by semicolons, tabs or bars.

    Parameters
    ----------
    source : path or binary file
        A ``.csv``, ``.tsv``, ``.parquet`` or ``.npz`` file. An open file is read as CSV.
    text : collection of str, default ()
        Columns to read as texts. Names that the table does not have are ignored.
    arrays : sequence of str, optional
        Names of the arrays to read from an NPZ file; all by default. An array of one axis gives a column of its name.
        An array of several axes, such as ``x``, gives columns ``x0``, ``x1`` and so on.
    decimal, missing, types, encoding
        See `TableReader`.

    Returns
    -------
    dict of str to ndarray (rows,)

    Raises
    ------
    OSError
        If the file cannot be opened.
    ImportError
        If it is a Parquet file, and polars is not installed.
    TypeError, ValueError
        If an argument is wrong, or the file does not contain such a table.

    Examples
    --------
    >>> import os, tempfile
    >>> from cbackprop import tables
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "data.csv")
    ...     tables.write({"x": [1.5, 2.5], "y": ["a", None]}, path)
    ...     tables.read(path)
    {'x': array([1.5, 2.5]), 'y': array(['a', None], dtype=object)}
    """
    if isinstance(text, str):
        raise TypeError(f"text must be several names, but got the string {text!r}.")
    reader = TableReader(decimal, missing, types, encoding)
    found = load_columns(source, arrays, encoding)
    reader.types |= {name: "category" for name in text if name in columns_of(found)}
    return reader.fit(found).transform(found)
