"""Sparse samples, of which only the numbers other than 0 are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.validation import contiguous

__all__ = ["SparseRows", "dense_rows"]


class SparseRows:
    """Rows of a sparse matrix, as in SciPy's CSR format.

    Parameters
    ----------
    starts : ndarray of int64, (rows + 1,)
        Where each row begins in `columns` and `values`; the last entry is where the last row ends.
    columns : ndarray of int32
        Ascending in each row.
    values : ndarray of float
    width : int
        Number of columns.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.engine.sparse import SparseRows
    >>> rows = SparseRows(np.array([0, 1, 3]), np.array([2, 0, 1], np.int32), np.array([5.0, 6.0, 7.0]), 3)
    >>> rows.dense(slice(None), np.float64)
    array([[0., 0., 5.],
           [6., 7., 0.]])
    """

    def __init__(self, starts: NDArray[Any], columns: NDArray[Any], values: NDArray[Any], width: int) -> None:
        # Starts are copied, because the user may write to the matrix while the engine uses them as indices. Columns are
        # compared with the width whenever they are read.
        self.starts = np.array(starts, np.int64)
        self.columns = contiguous(columns, np.int32)
        self.values = contiguous(values)
        self.shape = (len(self.starts) - 1, width)
        ends = self.starts[[0, -1]] if len(self.starts) else (-1, -1)
        if not (0 <= ends[0] <= ends[1] <= len(self.columns) == len(self.values)) or (np.diff(self.starts) < 0).any():
            raise ValueError("The index arrays of a sparse matrix do not fit each other.")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> SparseRows:
        """Consecutive rows, without copying columns and values."""
        begin, end, _ = rows.indices(len(self))
        return SparseRows(self.starts[begin : max(begin, end) + 1], self.columns, self.values, self.shape[1])

    def copy(self, dtype: Any = None) -> SparseRows:
        """A copy of the rows, with values of `dtype` (by default of the same dtype)."""
        return SparseRows(self.starts, self.columns.copy(), np.array(self.values, dtype), self.shape[1])

    def dense(self, rows: Any, dtype: Any) -> NDArray[Any]:
        """Some rows (a slice or their indices) as a dense array."""
        numbers = np.arange(len(self))[rows]
        result = np.zeros((len(numbers), self.shape[1]), dtype)
        for out, row in zip(result, numbers, strict=True):
            stored = slice(self.starts[row], self.starts[row + 1])
            columns = self.columns[stored]
            known = (columns >= 0) & (columns < self.shape[1])  # the user may have changed columns since the check
            np.add.at(out, columns[known], self.values[stored][known])
        return result


def dense_rows(array: NDArray[Any] | SparseRows, rows: Any, dtype: Any) -> NDArray[Any]:
    """Some rows of an array or of sparse rows, as a dense array of `dtype`."""
    if isinstance(array, SparseRows):
        return array.dense(rows, dtype)
    with np.errstate(over="ignore"):  # the check of inputs finds numbers that overflow
        return np.asarray(array[rows], dtype)
