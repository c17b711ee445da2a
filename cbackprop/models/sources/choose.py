"""Choose the source for the data that the user passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cbackprop.models.sources.arrays import ArraySource
from cbackprop.models.sources.batches import BatchSource, Indexed, Once, Passes, Repeated
from cbackprop.models.sources.blocks import BlockSource, holds_files
from cbackprop.models.sources.source import Source
from cbackprop.row_batches import RowBatches
from cbackprop.validation import a_type

__all__ = ["is_dataset", "open_source"]

# An object with one of these attributes is an array, table or matrix of samples, not an iterable of batches.
ARRAY_SIGNS = ("__array__", "__array_interface__", "__dlpack__", "__dataframe__", "toarray")


def open_source(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: bool = False,
    epochs: int = 1,
    at_once: int = 1,
) -> Source:
    """The source for these samples. They are not read yet.

    Parameters
    ----------
    x, y, sample_weight, class_weight, batch_size
        As in `fit`.
    steps : int, optional
        Batches in an epoch.
    shuffle : bool
    epochs : int
        The number of epochs, or of evaluations.
    at_once : int
        Batches that are always taken together (`steps_per_execution`).

    Raises
    ------
    ValueError
        If targets or weights are given with a dataset, which yields its own, or the dataset has no batches.
    """
    dataset = _dataset(x)
    if dataset is None:
        source = BlockSource if holds_files(x, y, sample_weight) else ArraySource
        return source(x, y, sample_weight, class_weight, batch_size, steps, shuffle, at_once)
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"{name} must not be given when x is {a_type(x)}: it yields its own, in batches (x, y) or "
                "(x, y, sample_weight)."
            )
    return BatchSource(dataset, class_weight, steps, shuffle, epochs, at_once)


def is_dataset(x: Any) -> bool:
    """Whether `x` yields batches, so that it must be iterated."""
    return _dataset(x) is not None


def _dataset(x: Any) -> Once | None:
    """`x` as a dataset; ``None`` if it is not one."""
    if isinstance(x, (Mapping, list, tuple)):
        return None
    if isinstance(x, RowBatches):
        return Passes(x)
    if hasattr(x, "on_epoch_end") and hasattr(x, "__getitem__"):
        return Indexed(x)
    if any(hasattr(x, name) for name in ARRAY_SIGNS):
        return None
    if isinstance(x, Iterator):
        return Once(x)
    if hasattr(x, "__iter__") and not hasattr(x, "__getitem__"):
        return Repeated(x)
    return None
