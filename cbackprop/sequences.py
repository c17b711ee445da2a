"""pad_sequences: put sequences of different lengths into one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cbackprop.validation import check_integer

__all__ = ["pad_sequences"]


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray[Any]:
    """Put sequences into the rows of one array: pad short ones and truncate long ones.

    Parameters
    ----------
    sequences : sequence of sequences
        Sequences of numbers, or of arrays that all have the same shape.
    maxlen : int, optional
        The length of all rows; by default that of the longest sequence.
    dtype : dtype, default "int32"
        The type of the result; ``object`` for texts of different lengths.
    padding : {"pre", "post"}, default "pre"
        Whether to pad at the beginning or at the end.
    truncating : {"pre", "post"}, default "pre"
        Whether to remove items at the beginning or at the end.
    value : float or str, default 0.0
        The padding value.

    Returns
    -------
    ndarray
        Has the shape (sequences, maxlen, ...).

    Raises
    ------
    ValueError
        If `sequences` does not hold sequences, or holds arrays of different shapes, or another argument is wrong.

    Notes
    -----
    With `maxlen` 0 all rows are empty. Keras refuses sequences that are not empty in this case.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.pad_sequences([[1], [2, 3], [4, 5, 6]])
    array([[0, 0, 1],
           [0, 2, 3],
           [4, 5, 6]], dtype=int32)
    >>> cb.utils.pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2, padding="post", truncating="post")
    array([[1, 0],
           [2, 3],
           [4, 5]], dtype=int32)
    """
    for name, where in (("padding", padding), ("truncating", truncating)):
        if where not in ("pre", "post"):
            raise ValueError(f"{name} must be 'pre' or 'post', but got {where!r}.")
    rows = _rows(sequences)
    length = max(map(len, rows), default=0) if maxlen is None else check_integer("maxlen", maxlen, 0)
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "OUS":
        raise ValueError(f"value is the text {value!r}, which dtype {kind} cannot hold: texts need dtype=object.")
    shape = next((np.shape(row)[1:] for row in rows if len(row)), ())
    result = np.full((len(rows), length, *shape), value, kind)
    for index, row in enumerate(rows):
        kept = np.asarray(row[max(len(row) - length, 0) :] if truncating == "pre" else row[:length], kind)
        if len(kept) and kept.shape[1:] != shape:
            raise ValueError(
                f"sequences must hold parts of one shape, but sequence {index} has parts of shape {kept.shape[1:]}, "
                f"and those before {shape}."
            )
        if len(kept):
            result[index, slice(len(kept)) if padding == "post" else slice(length - len(kept), None)] = kept
    return result


def _rows(sequences: Any) -> list[Any]:
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"sequences must be a list of sequences, but got {type(sequences).__name__}.")
    rows = list(sequences)
    for index, row in enumerate(rows):
        if not hasattr(row, "__len__"):
            raise ValueError(f"sequences must hold sequences, but its element {index} is {row!r}.")
    return rows
