"""TableEncoder: encode tables as numbers for networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from cbackprop.number_types import check_float_type
from cbackprop.suggestions import nearest
from cbackprop.tables.columns import (
    CategoryColumn,
    Column,
    NumberColumn,
    TimeColumn,
    column_from_config,
    useless,
)
from cbackprop.tables.doubts import warn_of_doubts
from cbackprop.tables.frame import Table, as_table, kind_of
from cbackprop.validation import check_integer

__all__ = ["TableEncoder", "check_column", "check_columns"]

KINDS: dict[str, Any] = {"number": NumberColumn, "boolean": NumberColumn, "time": TimeColumn}


class TableEncoder:
    """Encode the columns of a table as numbers, as `fit` chose for each column.

    - numbers and booleans: standardized (mean 0, standard deviation 1); missing values become the median
    - texts: a column of zeros and ones for each text that occurs, and one for missing texts; unknown texts become
      zeros. With many different texts, the number of the text instead, for an `Embedding`
    - times: days since 1970 as a number, and sine and cosine of the position in the year, the week and the day
    - a column with missing (or infinite) values gets a second column that marks them

    Columns that are empty, constant, or different in each row (such as names or row numbers) are dropped.

    Parameters
    ----------
    embed_above : int, default 32
        Text columns with more different values than this are numbered, for an embedding.
    categorical : iterable of str, default ()
        Columns of numbers that mean categories.
    drop : iterable of str, default ()
        Columns to drop.

    Attributes
    ----------
    columns : list of Column
        The encoded columns, with what `fit` found out about them.
    dropped : dict of str to str
        The dropped columns, and why.
    feature_names : list of str
        Names of the columns of numbers that ``transform`` returns.
    width : int
        The number of these columns.
    embedded : list of CategoryColumn
        Columns of texts that are numbered.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.

    References
    ----------
    Guo and Berkhahn, "Entity embeddings of categorical variables", arXiv:1604.06737, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.tables import TableEncoder
    >>> encoder = TableEncoder().fit({"city": ["Rome", "Oslo", None], "rain": [1.0, 3.0, 5.0]})
    >>> encoder.feature_names
    ['city is Oslo', 'city is Rome', 'city is missing', 'rain']
    >>> encoder.transform({"rain": [3.0], "city": ["Oslo"]})
    array([[1., 0., 0., 0.]], dtype=float32)
    """

    def __init__(self, embed_above: int = 32, categorical: Iterable[str] = (), drop: Iterable[str] = ()) -> None:
        self.embed_above = check_integer("embed_above", embed_above, 0)
        self.categorical = _names("categorical", categorical)
        self.drop = _names("drop", drop)
        self._columns: list[Column] | None = None
        self.dropped: dict[str, str] = {}

    def fit(self, table: Any) -> Self:
        """Choose the encoding of each column.

        Parameters
        ----------
        table : see `as_table`

        Raises
        ------
        TypeError, ValueError
            If it is not a table, a named column does not exist, or no column can be used.

        Warns
        -----
        UserWarning
            If a column of texts that is not in `categorical` could be read as numbers or times; see `TableReader`.
        """
        columns = as_table(table)
        warn_of_doubts(columns, (*self.categorical, *self.drop), 2)
        return self._fit(columns)

    def _fit(self, columns: Table) -> Self:
        """`fit` without warnings."""
        for name in (*self.categorical, *self.drop):
            check_column(name, columns)
        taken: list[Column] = []
        dropped: dict[str, str] = {}
        for name, values in columns.items():
            if name in self.drop:
                continue
            why = useless(name, values) if name not in self.categorical else None
            if why is not None:
                dropped[name] = why
            elif kind_of(values) == "text" or name in self.categorical:
                taken.append(CategoryColumn.fit(name, values, self.embed_above))
            else:
                taken.append(KINDS[kind_of(values)].fit(name, values))
        if not taken:
            reasons = ", ".join(f"{name!r} {why}" for name, why in list(dropped.items())[:5]) or "all are dropped"
            raise ValueError(f"The table has no column to learn from: {reasons}.")
        self._columns, self.dropped = taken, dropped
        return self

    @property
    def columns(self) -> list[Column]:
        """The encoded columns, with what `fit` found out about them."""
        if self._columns is None:
            raise RuntimeError("Call fit first: the encoder does not know any columns yet.")
        return self._columns

    @property
    def embedded(self) -> list[CategoryColumn]:
        """Columns of texts that are numbered."""
        return [column for column in self.columns if isinstance(column, CategoryColumn) and column.embedded]

    @property
    def _plain(self) -> list[Column]:
        embedded = self.embedded
        return [column for column in self.columns if column not in embedded]

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns of numbers that `transform` returns."""
        return [name for column in self._plain for name in column.feature_names]

    @property
    def width(self) -> int:
        """The number of columns of numbers that `transform` returns."""
        return len(self.feature_names)

    @property
    def text_columns(self) -> list[str]:
        """Columns whose values are texts even if they look like numbers: "007" is not 7."""
        return [column.name for column in self.columns if isinstance(column, CategoryColumn)]

    def transform(self, table: Any, dtype: str = "float32") -> Any:
        """Encode a table. Columns are found by name; other columns are ignored.

        Parameters
        ----------
        table : see `as_table`
        dtype : {"float32", "float64"}, default "float32"

        Returns
        -------
        ndarray (rows, width)
            If no column is embedded. Otherwise a dict with this array as "numbers" (unless width is 0), and with
            "categories", int64 of shape (rows, number of embedded columns). The numbers of each column start after
            those of the column before, so that one `Embedding` with `vocabulary` rows serves all columns.

        Raises
        ------
        TypeError, ValueError
            If a column is missing, or contains values of another kind than in `fit`.
        RuntimeError
            Before `fit`.
        """
        dtype, given = check_float_type(dtype), as_table(table)
        check_columns([column.name for column in self.columns], given)
        plain = [column.encode(given[column.name]) for column in self._plain]
        numbers = np.concatenate(plain, axis=1).astype(dtype) if plain else None
        if not self.embedded:
            return numbers
        ids = [column.ids(given[column.name]) for column in self.embedded]
        starts = np.cumsum([0, *(column.size for column in self.embedded[:-1])])
        found = {} if numbers is None else {"numbers": numbers}
        return found | {"categories": np.column_stack(ids) + starts}

    def fit_transform(self, table: Any, dtype: str = "float32") -> Any:
        """`fit`, then `transform`."""
        columns = as_table(table)
        warn_of_doubts(columns, (*self.categorical, *self.drop), 2)
        return self._fit(columns).transform(columns, dtype)

    @property
    def vocabulary(self) -> int:
        """How many numbers the embedded columns use in total."""
        return sum(column.size for column in self.embedded)

    def get_config(self) -> dict[str, Any]:
        """The encoder as plain values that can be written as JSON."""
        return {
            "embed_above": self.embed_above,
            "categorical": list(self.categorical),
            "drop": list(self.drop),
            "columns": None if self._columns is None else [column.get_config() for column in self._columns],
            "dropped": dict(self.dropped),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the encoder that `get_config` described.

        Raises
        ------
        TypeError, ValueError
            If the config is not that of an encoder.
        """
        arguments = check_config("encoder", config, cls().get_config())
        columns, dropped = arguments.pop("columns"), arguments.pop("dropped")
        encoder = cls(**arguments)
        if not isinstance(dropped, dict) or not all(isinstance(part, str) for pair in dropped.items() for part in pair):
            raise TypeError(f"dropped must be a dict of reasons by name, but got {dropped!r:.100}.")
        encoder.dropped = dict(dropped)
        if columns is not None:
            if not isinstance(columns, list) or not columns:
                raise ValueError(f"columns must be a list of at least one, but got {columns!r:.100}.")
            encoder._columns = [column_from_config(column) for column in columns]
            names = [column.name for column in encoder._columns]
            if len(set(names)) < len(names):
                raise ValueError(f"columns must have different names, but got {names!r:.200}.")
        return encoder

    def __repr__(self) -> str:
        if self._columns is None:
            return "<TableEncoder, not fitted>"
        return f"<TableEncoder of {len(self.columns)} columns to {self.width + len(self.embedded)}>"


def check_column(name: str, table: Iterable[str]) -> None:
    """Check that a table has a column of this name.

    Raises
    ------
    ValueError
        If it does not; the message lists similar names.

    Examples
    --------
    >>> from cbackprop.tables import check_column
    >>> check_column("age", {"age": [1, 2]})
    """
    if name not in table:
        raise ValueError(f"The table has no column {name!r}. {nearest(name, table)}")


def check_columns(names: Iterable[str], table: Iterable[str]) -> None:
    """Check that a table has columns of these names.

    Raises
    ------
    ValueError
        If it does not; the message names all that are missing.
    """
    gone = [name for name in names if name not in table]
    if len(gone) == 1:
        check_column(gone[0], table)
    if gone:
        raise ValueError(f"The table has no column {', '.join(map(repr, gone[:-1]))} or {gone[-1]!r}.")


def check_config(what: str, config: Any, known: Iterable[str]) -> dict[str, Any]:
    """Check that a config has these entries and no others, and return a copy.

    Raises
    ------
    ValueError
        If it does not.
    """
    if not isinstance(config, dict) or set(config) != set(known):
        raise ValueError(f"The config of an {what} must have the entries {sorted(known)}, but got {config!r:.100}.")
    return dict(config)


def _names(argument: str, names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{argument} must be names of columns, but got {names!r}.")
    found = tuple(names)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"{argument} must be names of columns, but got {name!r} of type {type(name).__name__}.")
    return found
