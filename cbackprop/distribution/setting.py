"""The distribution that models are trained with: a setting of the process, as in Keras."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from cbackprop.distribution.data_parallel import DataParallel
from cbackprop.validation import type_name

__all__ = ["distribution", "set_distribution", "together", "writes_files"]

_current: DataParallel | None = None


def distribution() -> DataParallel | None:
    """The current distribution; ``None`` if models are trained by this process alone.

    References
    ----------
    Keras 3, which has the same function.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.distribution.distribution() is None
    True
    """
    return _current


def set_distribution(value: DataParallel | None) -> None:
    """Train all models by all ranks from now on; or with ``None`` by each process alone.

    Call it on all ranks, before models are made: then all ranks draw the same initial weights.

    Parameters
    ----------
    value : DataParallel or None

    Raises
    ------
    TypeError
        If it is neither.

    References
    ----------
    Keras 3, which has the same function.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.distribution.set_distribution(None)
    """
    global _current
    if value is not None and not isinstance(value, DataParallel):
        raise TypeError(f"value must be a DataParallel or None, but got {type_name(value)}.")
    _current = value


def together() -> AbstractContextManager[None]:
    """A ``with`` block for a run that all ranks make. An exception on one rank ends the run on all ranks."""
    return nullcontext() if _current is None else _current.communicator.together()


def writes_files() -> bool:
    """Whether this process writes files and shows progress: rank 0 does, or any process that is alone."""
    return _current is None or _current.rank == 0
