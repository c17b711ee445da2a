"""Sequences of different lengths as one array."""

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
    """Sequences as the rows of one array: short ones are filled up, long ones are cut.

    Parameters
    ----------
    sequences : sequence of sequences
        Of numbers, or of arrays that all have one shape.
    maxlen : int, optional
        The length that all get; that of the longest by default.
    dtype : dtype, default "int32"
        Of the result; ``object`` for texts of different lengths.
    padding : {"pre", "post"}, default "pre"
        Whether what is missing is put in front or behind.
    truncating : {"pre", "post"}, default "pre"
        Whether what is too much is taken off in front or behind.
    value : float or str, default 0.0
        What is filled in.

    Returns
    -------
    ndarray
        Of shape (sequences, maxlen, ...).

    Raises
    ------
    ValueError
        If `sequences` does not hold sequences, or arrays of different shapes, or an argument is not as said above.

    Notes
    -----
    With `maxlen` 0 nothing is left of any sequence; Keras then refuses those that are not empty.

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
