"""Samples: arrays as a dataset of single samples; and the reverse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cbackprop.tensor import flatten, map_structure
from cbackprop.validation import check_integer

__all__ = ["Samples", "stacked"]


class Samples:
    """A dataset of single samples for PyTorch's loaders, with a length and a sample at each index.

    Parameters
    ----------
    arrays : nested tuples, lists and dicts of ndarray
        Arrays with the same number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop.utils.samples import Samples
    >>> samples = Samples((np.zeros((5, 3)), np.arange(5)))
    >>> len(samples), samples[4][1]
    (5, np.int64(4))
    """

    def __init__(self, arrays: Any) -> None:
        self.arrays = arrays
        self._count = len(flatten(arrays)[0])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        row = check_integer("index", index, -self._count)
        if row >= self._count:
            raise IndexError(f"index must be below {self._count}, the number of samples, but got {index}.")
        return map_structure(lambda array: array[row], self.arrays)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(self._count))


def stacked(dataset: Any) -> Any:
    """Stack the samples of a dataset with a length and indices to arrays that are nested like a sample.

    Raises
    ------
    ValueError
        If there are no samples, or their nesting differs.
    """
    samples = [dataset[index] for index in range(len(dataset))]
    if not samples:
        raise ValueError(f"dataset must hold at least one sample, but this {type(dataset).__name__} is empty.")
    columns = [_leaves(sample) for sample in samples]
    if any(len(leaves) != len(columns[0]) for leaves in columns):
        raise ValueError("The samples of dataset must all have the same parts, but some have more than others.")
    remaining = iter([np.stack([np.asarray(leaf) for leaf in column]) for column in zip(*columns, strict=True)])
    return _nested(samples[0], remaining)


def _leaves(sample: Any) -> list[Any]:
    """The leaves of a sample, which may be arrays or numbers."""
    if isinstance(sample, dict):
        return [leaf for item in sample.values() for leaf in _leaves(item)]
    if isinstance(sample, (list, tuple)):
        return [leaf for item in sample for leaf in _leaves(item)]
    return [sample]


def _nested(sample: Any, leaves: Iterator[Any]) -> Any:
    """Nest leaves like a sample."""
    if isinstance(sample, dict):
        return {name: _nested(item, leaves) for name, item in sample.items()}
    if isinstance(sample, (list, tuple)):
        return type(sample)([_nested(item, leaves) for item in sample])
    return next(leaves)
