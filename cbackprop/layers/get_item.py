"""GetItem: NumPy's basic indexing of samples; the layer behind ``tensor[:, a:b]``."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import Layer, registry
from cbackprop.tensor import Shape

__all__ = ["GetItem"]


@registry.register()
class GetItem(Layer):
    """Take a part of each sample by NumPy's basic indexing: ``output = input[key]``.

    Parameters
    ----------
    key : int, slice, Ellipsis, None, or a tuple of them
        The index, as written between brackets. Its first entry is for the batch and must be ``:`` or an ellipsis.
        Integers and slices may be negative to count from the end, slices may have a negative step, and ``None`` makes
        a new axis of length 1. In a config a slice is the list ``[start, stop, step]``, and the ellipsis ``"..."``.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, ...), output of the shape that NumPy gives. ``dL/dinput`` is dL/doutput at the elements that were
    taken, and 0 elsewhere. The output has no mask, as in Keras.

    Raises
    ------
    TypeError
        If `key` holds anything else, such as an array.
    ValueError
        If it takes only a part of the batch, has more entries than the input has axes, is out of range, or takes no
        elements.

    References
    ----------
    NumPy's basic indexing, https://numpy.org/doc/stable/user/basics.indexing.html. Keras has the same operation under
    this name.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x = cb.Input((6, 4))
    >>> x[:, 1:3].shape, x[:, -1].shape, x[..., ::2].shape
    ((None, 2, 4), (None, 4), (None, 6, 2))
    >>> cb.layers.GetItem((slice(None), 0))(x).shape
    (None, 4)
    """

    implementation = "reshaping.GetItem"
    reads_output = False

    def __init__(self, key: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        entries = key if isinstance(key, (tuple, list)) and not _is_written_slice(key) else (key,)
        self.key = [_written(entry) for entry in entries]
        if self.key.count("...") > 1:
            raise ValueError(f"key must hold at most one ellipsis (...), but got {key!r}.")
        if self.key[:1] not in ([[None, None, None]], ["..."]):
            raise ValueError(
                f"key must take the whole batch, as in x[:, 0] or x[..., 0], but got {_shown(self.key)}: "
                "a network sees one sample at a time."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape that NumPy gives; unknown sizes stay unknown."""
        entries, sizes = self._entries(len(input_shape)), list(input_shape[1:])
        shape: list[int | None] = []
        for entry in entries:
            if entry is None:
                shape.append(1)
                continue
            size = sizes.pop(0)
            if isinstance(entry, slice):
                length = _length(entry, size)
                if length == 0:
                    raise ValueError(f"{self._label()} takes nothing of an axis of {size}: key is {_shown(self.key)}.")
                shape.append(length)
            elif size is not None and not -size <= entry < size:
                raise ValueError(f"{self._label()} takes element {entry} of {size}: key is {_shown(self.key)}.")
        return (input_shape[0], *shape)

    def places(self, sample_shape: Sequence[int]) -> NDArray[np.intp]:
        """For each element of the output, its flat index in a sample of this shape."""
        elements = np.arange(np.prod(sample_shape, dtype=np.intp), dtype=np.intp).reshape(tuple(sample_shape))
        return np.asarray(elements[self._entries(len(sample_shape) + 1)])

    def _entries(self, ndim: int) -> tuple[Any, ...]:
        """One entry for each axis of a sample, with ``None`` for each new axis."""
        key = self.key if "..." in self.key else [*self.key, "..."]
        given = sum(entry not in (None, "...") for entry in key)
        if given > ndim:
            raise ValueError(f"{self._label()} has {given} entries for {ndim} axes: key is {_shown(self.key)}.")
        at = key.index("...")
        whole = [[None, None, None]] * (ndim - given)
        return tuple(
            slice(*entry) if isinstance(entry, list) else entry for entry in [*key[:at], *whole, *key[at + 1 :]]
        )[1:]

    def entries_of(self, ndim: int) -> list[int | slice]:
        """The entry of each axis of a sample, without the batch and without new axes."""
        return [entry for entry in self._entries(ndim) if entry is not None]

    def _label(self) -> str:
        return f"{type(self).__name__} {self.name!r}"


def _is_written_slice(key: Any) -> bool:
    """Whether a list is one slice in the form of configs, ``[start, stop, step]``, rather than several entries."""
    return isinstance(key, list) and len(key) == 3 and all(part is None or isinstance(part, int) for part in key)


def _written(entry: Any) -> Any:
    """An entry in the form of configs: an integer, ``None``, ``"..."``, or ``[start, stop, step]``."""
    if entry is None or entry is Ellipsis or (isinstance(entry, str) and entry == "..."):
        return None if entry is None else "..."
    if isinstance(entry, slice):
        entry = [entry.start, entry.stop, entry.step]
    if isinstance(entry, (list, tuple)) and len(entry) == 3:
        written = [None if part is None else _whole(part, entry) for part in entry]
        if written[2] == 0:
            raise ValueError("The step of a slice in key must not be 0.")
        return written
    return _whole(entry, entry)


def _whole(number: Any, entry: Any) -> int:
    try:
        if isinstance(number, (bool, np.bool_)):
            raise TypeError
        return operator.index(number)
    except TypeError:
        raise TypeError(
            f"key must hold integers, slices of them, ... and None, but got {entry!r}. To index by arrays or booleans, "
            "use a layer in Python: layers.Lambda(function, backward=...)."
        ) from None


def _length(part: slice, size: int | None) -> int | None:
    """How many elements of an axis a slice takes; ``None`` if the size is unknown."""
    if size is None:
        return None
    return len(range(*part.indices(size)))


def _shown(key: Sequence[Any]) -> str:
    """The key as it is written between brackets."""
    parts = []
    for entry in key:
        if isinstance(entry, list):
            start, stop, step = ("" if part is None else str(part) for part in entry)
            parts.append(f"{start}:{stop}" + (f":{step}" if step else ""))
        else:
            parts.append(str(entry))
    return f"[{', '.join(parts)}]"
