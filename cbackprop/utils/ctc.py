"""ctc_decode: what the logits of a network that was trained by `losses.CTC` say."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.row_function import float_type_of
from cbackprop.losses.target import as_array, check_finite, check_prediction
from cbackprop.validation import check_boolean, check_choice, check_integer

__all__ = ["ctc_decode"]

Array = NDArray[Any]


def ctc_decode(
    inputs: ArrayLike,
    sequence_lengths: ArrayLike,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[NDArray[np.int32], Array]:
    """Find the labels that logits say.

    ``"greedy"`` takes the likeliest class of each step, and leaves out repetitions and blanks. ``"beam_search"`` looks
    for the likeliest sequences of labels, which may have many alignments: after each step it keeps the `beam_width`
    likeliest beginnings, with the probabilities of all ways to them.

    Parameters
    ----------
    inputs : array_like (batch, steps, classes)
        Logits, before a softmax.
    sequence_lengths : array_like of int (batch,)
        How many steps of each sample count.
    strategy : {"greedy", "beam_search"}, default "greedy"
    beam_width : int, default 100
        Of the beam search.
    top_paths : int, default 1
        How many sequences of labels a beam search returns.
    merge_repeated : bool, default True
        Whether the greedy search leaves out repetitions.
    mask_index : int, default 0
        The class that is the blank.

    Returns
    -------
    labels : ndarray of int32 (paths, batch, steps)
        Class numbers, and -1 behind them. A greedy search has one path.
    scores : ndarray (batch, paths)
        Of the beam search, the logarithms of the probabilities; of the greedy search, minus the sum of the largest
        logits.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    Graves, "Supervised sequence labelling with recurrent neural networks", Springer 2012, chapter 7.5. Arguments,
    defaults and results are those of ``keras.ops.ctc_decode``.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> logits = np.log([[[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.2, 0.1, 0.7]]])
    >>> labels, scores = cb.utils.ctc_decode(logits, [4])
    >>> labels.tolist()
    [[[1, 2, -1, -1]]]
    """
    check_choice("strategy", strategy, ("greedy", "beam_search"))
    width = check_integer("beam_width", beam_width, 1)
    paths = check_integer("top_paths", top_paths, 1)
    merges = check_boolean("merge_repeated", merge_repeated)
    logits = check_prediction("inputs", inputs, float_type_of(inputs))
    if logits.ndim != 3 or 0 in logits.shape:
        raise ValueError(f"inputs must be logits (batch, steps, classes), but got shape {logits.shape}.")
    blank = check_integer("mask_index", mask_index, 0, logits.shape[2] - 1)
    lengths = _check_lengths(sequence_lengths, logits.shape)
    if strategy == "greedy":
        return _greedy(logits, lengths, merges, blank)
    if paths > width:
        raise ValueError(f"top_paths must be at most beam_width, {width}, but got {paths}.")
    labels = np.full((paths, *logits.shape[:2]), -1, np.int32)
    scores = np.full((len(logits), paths), -np.inf, logits.dtype)
    for sample, (x, length) in enumerate(zip(logits, lengths, strict=True)):
        for rank, (found, score) in enumerate(_beam_search(x[:length], width, blank)[:paths]):
            labels[rank, sample, : len(found)] = found
            scores[sample, rank] = score
    return labels, scores


def _check_lengths(value: Any, shape: tuple[int, ...]) -> Array:
    lengths = as_array("sequence_lengths", value)
    check_finite("sequence_lengths", lengths)
    if lengths.shape != shape[:1]:
        raise ValueError(f"sequence_lengths must have the shape {shape[:1]}, but got {lengths.shape}.")
    if ((lengths < 0) | (lengths > shape[1]) | (lengths != np.floor(lengths))).any():
        raise ValueError(f"sequence_lengths must be whole numbers in [0, {shape[1]}], but got {lengths.tolist()}.")
    return lengths.astype(np.intp)


def _greedy(logits: Array, lengths: Array, merges: bool, blank: int) -> tuple[NDArray[np.int32], Array]:
    """The likeliest class of each step."""
    counted = np.arange(logits.shape[1]) < lengths[:, None]
    best = np.where(counted, logits.argmax(axis=2), blank)
    scores = -np.where(counted, logits.max(axis=2), 0).sum(axis=1, keepdims=True)
    kept = best != blank
    if merges:
        kept[:, 1:] &= best[:, 1:] != best[:, :-1]
    labels = np.full((1, *best.shape), -1, np.int32)
    for sample, (classes, shown) in enumerate(zip(best, kept, strict=True)):
        labels[0, sample, : shown.sum()] = classes[shown]
    return labels, scores.astype(logits.dtype)


def _beam_search(x: Array, width: int, blank: int) -> list[tuple[tuple[int, ...], float]]:
    """The likeliest sequences of labels of one sample, and the logarithms of their probabilities.

    Paths to a prefix that end in its last label and paths that end in a blank are counted separately, because only the
    latter can be followed by the same label again.
    """
    log_p = x.astype(np.float64)
    log_p -= np.logaddexp.reduce(log_p, axis=1, keepdims=True)
    begun: list[tuple[int, ...]] = [()]
    in_label, in_blank = np.array([-np.inf]), np.array([0.0])
    for row in log_p:
        last = np.array([labels[-1] if labels else blank for labels in begun])
        total = np.logaddexp(in_label, in_blank)
        longer = np.broadcast_to(total[:, None], (len(begun), len(row))).copy()
        longer[np.arange(len(begun)), last] = in_blank
        longer += row
        longer[:, blank] = -np.inf
        same_label, same_blank = in_label + row[last], total + row[blank]
        places = {labels: place for place, labels in enumerate(begun)}
        for place, labels in enumerate(begun):
            if labels and (before := places.get(labels[:-1])) is not None:
                same_label[place] = np.logaddexp(same_label[place], longer[before, labels[-1]])
                longer[before, labels[-1]] = -np.inf
        everything = np.concatenate([np.logaddexp(same_label, same_blank), longer.ravel()])
        order = np.argsort(-everything, kind="stable")[:width]
        kept = order[np.isfinite(everything[order])]
        old = kept[kept < len(begun)]
        new = np.stack(np.unravel_index(kept[kept >= len(begun)] - len(begun), longer.shape), axis=1)
        in_label = np.concatenate([same_label[old], longer[new[:, 0], new[:, 1]]])
        in_blank = np.concatenate([same_blank[old], np.full(len(new), -np.inf)])
        begun = [*(begun[i] for i in old), *((*begun[i], int(label)) for i, label in new)]
    total = np.logaddexp(in_label, in_blank)
    return [(begun[i], float(total[i])) for i in np.argsort(-total, kind="stable")]
