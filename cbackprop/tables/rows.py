"""Select rows of a table: `split`, `drop_missing`, and `Split`, which finds held-out rows again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from cbackprop.tables.encoder import check_column
from cbackprop.tables.frame import Table, as_table, labels_of, missing_in
from cbackprop.validation import check_integer, check_number

__all__ = ["Split", "drop_missing", "split"]


def split(table: Any, share: float, classes: str | None = None, seed: int = 0) -> tuple[Table, Table]:
    """Split a table at random into rows to train on and rows to hold out.

    Parameters
    ----------
    table : see `as_table`
    share : float
        The fraction of rows to hold out, in (0, 1).
    classes : str, optional
        A column of classes. The same fraction of each class is held out (within one row), but never all of it.
    seed : int, default 0
        Seed of the random choice.

    Returns
    -------
    train, held_out : dict of str to ndarray

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or one of the two would have no rows.

    Examples
    --------
    >>> from cbackprop.tables import split
    >>> train, held_out = split({"x": range(10), "y": ["a", "b"] * 5}, 0.4, classes="y")
    >>> sorted(held_out["y"])
    ['a', 'a', 'b', 'b']
    """
    columns = as_table(table)
    share = check_number("share", share, 0, 1, open_minimum=True, open_maximum=True)
    rows = len(next(iter(columns.values())))
    order = np.random.default_rng(check_integer("seed", seed, 0)).permutation(rows)
    number = np.zeros(rows, int)
    if classes is not None:
        check_column(classes, columns)
        labels = np.array(["" if label is None else label for label in labels_of(columns[classes])])
        number = np.unique(labels, return_inverse=True)[1]
        order = order[np.argsort(number[order], kind="stable")]
    # Evenly spaced rows are held out. Rows are ordered by class, so this takes the same fraction of each class.
    held = np.diff(np.floor(np.arange(1, rows + 1) * share + 1e-9), prepend=0) > 0
    if classes is not None:
        _, first = np.unique(number[order], return_index=True)
        held[first[np.bincount(number[order[~held]], minlength=len(first)) == 0]] = False
    if not held.any() or held.all():
        raise ValueError(f"share must leave rows on both sides, but got {share:g} of {rows} rows.")
    return _take(columns, np.sort(order[~held])), _take(columns, np.sort(order[held]))


@dataclass(frozen=True)
class Split:
    """The table that a model was trained on, and which of its rows were held out, by the arguments of `split`.

    Parameters
    ----------
    digest : str
        What `digest_of` returns for the table.
    names : list of str
        The columns used for it.
    share : float
        The fraction of rows held out; 0 if there are none.
    classes : str, optional
    seed : int

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.

    Examples
    --------
    >>> from cbackprop.tables import Split
    >>> table = {"a": [1, 2, 3, 4], "b": ["x", "y", "x", "y"]}
    >>> made = Split.of(table, ["a", "b"], 0.25, seed=1)
    >>> made.fits({"b": ["x", "y", "x", "y"], "a": [1, 2, 3, 4]}), made.fits({"a": [1], "b": ["x"]})
    (True, False)
    >>> made.held_out(table)
    {'a': array([4]), 'b': array(['y'], dtype=object)}
    """

    digest: str
    names: list[str]
    share: float
    classes: str | None
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.names, list) or not all(isinstance(name, str) for name in (*self.names, self.digest)):
            raise TypeError("digest and names must be texts.")
        check_number("share", self.share, 0, 1, open_maximum=True)
        check_integer("seed", self.seed, 0)

    @classmethod
    def of(cls, table: Any, names: Sequence[str], share: float, classes: str | None = None, seed: int = 0) -> Self:
        """Note how a table was split.

        Parameters
        ----------
        table : see `as_table`
        names : sequence of str
            The columns that the model uses.
        share, classes, seed
            See `split`.

        Raises
        ------
        TypeError, ValueError
            If it is not a table, or an argument is wrong.
        """
        return cls(_digest_of(as_table(table), names), list(names), share, classes, seed)

    def fits(self, table: Any) -> bool:
        """Whether this is the same table, in these columns.

        Raises
        ------
        TypeError, ValueError
            If it is not a table.
        """
        columns = as_table(table)
        return all(name in columns for name in self.names) and _digest_of(columns, self.names) == self.digest

    def held_out(self, table: Any) -> Table:
        """The rows of the table that were held out.

        Raises
        ------
        ValueError
            If it is another table, or no rows were held out.
        """
        if not self.fits(table):
            raise ValueError("This is not the table that the model was trained on, so no rows of it were held out.")
        if not self.share:
            raise ValueError("No rows were held out: the model was trained on the whole table.")
        return split(table, self.share, self.classes, self.seed)[1]

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return asdict(self)


def _digest_of(columns: Table, names: Sequence[str]) -> str:
    """A hash that differs for different tables."""
    found = hashlib.sha256()
    for name in names:
        values = columns[name]
        numbers = values.astype(np.float64) if values.dtype.kind in "iub" else values
        content = repr(labels_of(values)).encode() if values.dtype.kind == "O" else numbers.tobytes()
        found.update(f"{name!r}{len(values)}".encode() + content)
    return found.hexdigest()


def drop_missing(table: Any, names: Sequence[str]) -> Table:
    """Keep the rows of a table that have a value in each of these columns.

    Raises
    ------
    TypeError, ValueError
        If it is not a table, a column does not exist, or no row remains.

    Examples
    --------
    >>> from cbackprop.tables import drop_missing
    >>> drop_missing({"a": [1.0, None, 3.0], "b": [None, 2.0, 4.0]}, ["a"])
    {'a': array([1., 3.]), 'b': array([nan,  4.])}
    """
    columns = as_table(table)
    for name in names:
        check_column(name, columns)
    gone = np.logical_or.reduce([missing_in(columns[name]) for name in names])
    if gone.all():
        raise ValueError(f"No row has a value of {' and '.join(map(repr, names))}.")
    return _take(columns, ~gone)


def _take(table: Table, rows: Any) -> Table:
    return {name: values[rows] for name, values in table.items()}
