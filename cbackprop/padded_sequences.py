"""PaddedSequences: sequences of different lengths as a data set, each batch as long as its longest sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.foreign_arrays import from_foreign
from cbackprop.random import draw_seed
from cbackprop.row_batches import RowBatches
from cbackprop.sequences import pad_sequences
from cbackprop.validation import ArgumentTypeError, check_boolean, check_choice, check_integer, type_name

__all__ = ["PaddedSequences"]

Array = NDArray[Any]
# The samples of this many batches at a time are sorted by length, so that batches have sequences of similar lengths.
SORTED_BATCHES = 50


class PaddedSequences(RowBatches):
    """Sequences of different lengths as a data set, for `fit`, `evaluate` and `predict`.

    Each batch is padded to its own longest sequence. In random order, samples of similar lengths come together: of each
    50 batches, samples are sorted by length before they are divided, and batches are then shuffled. So little is
    padded, and every epoch has other batches. Without `shuffle` samples stay in order.

    Parameters
    ----------
    x : sequence of array_like (steps, ...)
        Whole numbers, such as those of words, or vectors for each step.
    y : array_like (samples, ...), or sequence of array_like (steps, ...), optional
        Targets of samples, or of steps, as many as in `x`. Targets of padding have the weight 0.
    sample_weight : array_like (samples,), optional
    batch_size : int, default 32
    value : float, default 0.0
        The value of padding. ``Masking(value)`` or ``Embedding(..., mask_zero=True)`` hides it from the
        layers behind it, from losses and from metrics.
    padding : {"pre", "post"}, default "post"
        Whether padding comes in front of a sequence or behind it.
    shuffle : bool, default False
        Whether samples are in random order.
    seed : int, optional
        Seed of the order; random by default.
    workers : int, default 1
        See `PyDataset`.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, lengths do not match, there are no samples, or a sequence is empty.

    Notes
    -----
    A network whose input is ``Input((None,))`` or ``Input((None, features))`` takes batches of any length. Numbers do
    not depend on how far a sequence is padded if all layers that read several steps support masks.

    Examples
    --------
    >>> import cbackprop as cb
    >>> data = cb.utils.PaddedSequences([[3, 1], [2, 4, 1], [5]], [0.0, 1.0, 0.0], batch_size=2)
    >>> x, y = data[0]
    >>> x.tolist(), y.tolist()
    ([[3, 1, 0], [2, 4, 1]], [0.0, 1.0])
    >>> model = cb.Sequential([cb.Input((None,)), cb.layers.Embedding(6, 4, mask_zero=True), cb.layers.GRU(1)])
    >>> model.predict(data, verbose=0).shape
    (3, 1)
    """

    def __init__(
        self,
        x: Sequence[ArrayLike],
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        batch_size: int = 32,
        value: float = 0.0,
        padding: str = "post",
        shuffle: bool = False,
        seed: int | None = None,
        workers: int = 1,
    ) -> None:
        self.x = _sequences("x", x)
        self.lengths = np.array([len(sequence) for sequence in self.x])
        self.y, self.targets_are_sequences = self._targets(y)
        self.sample_weight = self._weights(sample_weight)
        self.value, self.padding = value, check_choice("padding", padding, ("pre", "post"))
        drawn = None
        if check_boolean("shuffle", shuffle):
            drawn = draw_seed() if seed is None else check_integer("seed", seed, 0)
        super().__init__(len(self.x), check_integer("batch_size", batch_size, 1), drawn, workers=workers)

    def _targets(self, y: Any) -> tuple[Any, bool]:
        """Targets, and whether each is a sequence as long as that of `x`."""
        if y is None:
            return None, False
        if not hasattr(y, "__len__") or len(y) != len(self.x):
            count = f"{len(y)}" if hasattr(y, "__len__") else repr(y)
            raise ValueError(f"y must have a target for each of the {len(self.x)} sequences, but got {count}.")
        if isinstance(y, (list, tuple)) and any(np.ndim(target) for target in y):
            sequences = _sequences("y", y)
            if [len(target) for target in sequences] != self.lengths.tolist():
                raise ValueError("y must hold sequences as long as those of x, one target for each step.")
            return sequences, True
        targets = np.asarray(from_foreign("y", y))
        if targets.shape[:1] != (len(self.x),):  # of a dict or a set, say
            raise ArgumentTypeError(f"y must be an array or a list of targets, but got {type_name(y)}.")
        return targets, False

    def _weights(self, sample_weight: Any) -> Array | None:
        if sample_weight is None:
            return None
        weights = np.asarray(from_foreign("sample_weight", sample_weight), np.float64)
        if weights.shape != (len(self.x),):
            raise ValueError(f"sample_weight must have the shape ({len(self.x)},), but got {weights.shape}.")
        return weights

    def rows(self, rows: Any) -> Any:
        """A batch: padded sequences, their targets, and weights if some are given or if padding has the weight 0."""
        chosen = np.arange(len(self.x))[rows]
        inputs = self._padded(self.x, chosen)
        if self.y is None:
            return inputs
        weights = None if self.sample_weight is None else self.sample_weight[chosen]
        if not self.targets_are_sequences:
            return (inputs, self.y[chosen]) if weights is None else (inputs, self.y[chosen], weights)
        lengths, steps = self.lengths[chosen], np.arange(inputs.shape[1])
        counts = steps < lengths[:, None] if self.padding == "post" else steps >= len(steps) - lengths[:, None]
        return inputs, self._padded(self.y, chosen, 0), counts * (1.0 if weights is None else weights[:, None])

    def _padded(self, sequences: list[Array], chosen: Array, value: float | None = None) -> Array:
        """Some sequences in one array."""
        value = self.value if value is None else value
        kinds = {sequences[i].dtype for i in chosen}
        return pad_sequences(
            [sequences[i] for i in chosen], dtype=np.result_type(*kinds), padding=self.padding, value=value
        )

    def on_epoch_end(self) -> None:
        """Draw another order, in which samples of similar lengths are neighbours."""
        super().on_epoch_end()
        if self._random is None or self._order is None or self.batch_size is None:
            return
        size = self.batch_size
        for begin in range(0, len(self._order), SORTED_BATCHES * size):
            part = self._order[begin : begin + SORTED_BATCHES * size]
            part[:] = part[np.argsort(self.lengths[part], kind="stable")]
        whole = len(self._order) // size * size  # the last batch may be smaller, and stays the last
        batches = self._order[:whole].reshape(-1, size)
        self._order[:whole] = self._random.permutation(batches).ravel()


def _sequences(name: str, value: Any) -> list[Array]:
    """Sequences as arrays with parts of one shape."""
    if not hasattr(value, "__len__") or isinstance(value, (str, bytes)):
        raise TypeError(f"{name} must be a list of sequences, but got {value!r}.")
    if not len(value):
        raise ValueError(f"{name} must hold at least one sequence, but is empty.")
    if isinstance(value, np.ndarray) and value.dtype != object:
        raise ValueError(f"{name} must be a list of sequences, but is one array: fit takes that as it is.")
    found: list[Array] = []
    for index, one in enumerate(value):
        found.append(_sequence(f"{name}[{index}]", one))
        if found[-1].shape[1:] != found[0].shape[1:]:
            raise ValueError(
                f"{name} must hold sequences of parts of one shape, but those of {name}[{index}] have the shape "
                f"{found[-1].shape[1:]}, and those of {name}[0] {found[0].shape[1:]}."
            )
    return found


def _sequence(name: str, value: Any) -> Array:
    """A sequence as an array."""
    array = np.asarray(from_foreign(name, value))
    if array.ndim == 0 or array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be a sequence of numbers, but got {value!r}.")
    if not len(array):
        raise ValueError(f"{name} is an empty sequence.")
    return array
