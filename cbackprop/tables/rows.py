"""Select rows of a table: split, and drop_missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop.tables.encoder import check_column
from cbackprop.tables.frame import Table, as_table, labels_of, missing_in
from cbackprop.validation import check_integer, check_number

__all__ = ["drop_missing", "split"]


def split(table: Any, share: float, classes: str | None = None, seed: int = 0) -> tuple[Table, Table]:
    """Split a table at random into rows to train on and rows to hold out.

    Parameters
    ----------
    table : see `as_table`
    share : float
        The fraction of rows to hold out, in (0, 1).
    classes : str, optional
        A column of classes. The same fraction of each class is held out, give or take one row, but never all of it.
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
    # Rows at equal distances are held out. Because rows are ordered by class, that is the same fraction of each class.
    held = np.diff(np.floor(np.arange(1, rows + 1) * share + 1e-9), prepend=0) > 0
    if classes is not None:
        _, first = np.unique(number[order], return_index=True)
        held[first[np.bincount(number[order[~held]], minlength=len(first)) == 0]] = False
    if not held.any() or held.all():
        raise ValueError(f"share must leave rows on both sides, but got {share:g} of {rows} rows.")
    return _take(columns, np.sort(order[~held])), _take(columns, np.sort(order[held]))


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
