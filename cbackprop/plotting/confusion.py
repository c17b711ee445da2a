"""Plot confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.plotting.canvas import one_axes, without_broken_math

__all__ = ["class_numbers", "confusion", "label_names"]

# With more classes, numbers would be too small to read.
LARGEST_WITH_NUMBERS = 25
# The color of the rarest mistake, where 0 is white.
FAINTEST = 0.25
AXES = {"true": 1, "pred": 0, "all": None}


def confusion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    labels: Sequence[Any] | None = None,
    normalize: str | None = None,
    ax: Any = None,
) -> Any:
    """Plot a confusion matrix: a row for each true class, a column for each predicted class.

    Right predictions are blue. Mistakes are orange, and so that a single one can be seen.

    Parameters
    ----------
    y_true : array_like
        Class numbers, or one-hot rows.
    y_pred : array_like
        Class numbers, a row of probabilities or logits for each sample, or the probabilities of class 1.
    labels : sequence, optional
        Names of the classes.
    normalize : {"true", "pred", "all"}, optional
        Show percentages of the true class, of the predicted class or of all samples. By default numbers of samples are
        shown.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an array does not hold classes, lengths differ, or there are too few labels.

    Examples
    --------
    >>> from cbackprop import plotting
    >>> try:
    ...     title = plotting.confusion([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]).get_title()
    ... except ImportError:  # without matplotlib
    ...     title = "2 of 3 right (66.7 %)"
    >>> title
    '2 of 3 right (66.7 %)'
    """
    if normalize is not None and normalize not in AXES:
        raise ValueError(f"normalize must be 'true', 'pred', 'all' or None, but got {normalize!r}.")
    truth, found = class_numbers("y_true", y_true), class_numbers("y_pred", y_pred)
    if len(truth) != len(found):
        raise ValueError(f"y_true and y_pred must be equally long, but got {len(truth)} and {len(found)} samples.")
    if not len(truth):
        raise ValueError("y_true and y_pred must hold samples, but are empty.")
    names = label_names(labels, 1 + int(max(truth.max(), found.max(), _width(y_true) - 1, _width(y_pred) - 1)))
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (truth, found), 1)
    size = min(10.0, max(3.6, 1.6 + 0.45 * len(names)))
    ax = one_axes(ax, size + 0.8, size)
    _draw(ax, counts, names, normalize)
    right = int(np.trace(counts))
    ax.set_title(f"{right:,} of {len(truth):,} right ({right / len(truth):.1%})".replace("%", " %"))
    return ax


def _width(values: ArrayLike) -> int:
    shape = np.shape(values)
    return shape[1] if len(shape) == 2 else 1


def class_numbers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """Class numbers (samples,) from class numbers, one-hot rows, probabilities or logits.

    Raises
    ------
    TypeError, ValueError
        If the array holds anything else; the message calls it `name`.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2):
        raise TypeError(
            f"{name} must hold class numbers or a row for each sample, but got {array.dtype}, {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite.")
    if array.ndim == 2 and array.shape[1] > 1:
        return np.asarray(array.argmax(axis=1), np.int64)
    array = array.reshape(-1)
    if array.dtype.kind == "f" and not np.array_equal(array, np.round(array)):
        if name != "y_pred" or array.min() < 0 or array.max() > 1:
            raise ValueError(f"{name} must hold class numbers, but got fractions.")
        array = array >= 0.5
    if array.size and array.min() < 0:
        raise ValueError(f"{name} must hold classes from 0, but got {array.min()}.")
    return array.astype(np.int64)


def label_names(labels: Sequence[Any] | None, classes: int) -> list[str]:
    """The names of so many classes: the given ones, or their numbers.

    Raises
    ------
    TypeError, ValueError
        If these are no names, or too few.
    """
    if labels is None:
        return [str(number) for number in range(max(classes, 2))]
    if isinstance(labels, str) or not hasattr(labels, "__len__"):
        raise TypeError(f"labels must be a list of names, but got {labels!r}.")
    if len(labels) < classes:
        raise ValueError(f"labels must name all {classes} classes, but got {len(labels)}.")
    return [str(label) for label in labels]


def _draw(ax: Any, counts: NDArray[np.int64], names: list[str], normalize: str | None) -> None:
    fractions = counts.astype(float)
    if normalize is not None:
        total = counts.sum(axis=AXES[normalize], keepdims=True)
        fractions = 100 * counts / np.maximum(total, 1)
    image = ax.imshow(fractions, cmap="Blues", vmin=0, vmax=max(fractions.max(), 1e-9))
    what = "samples" if normalize is None else f"% of {_OF[normalize]}"
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label=what)
    mistakes = _draw_mistakes(ax, counts, fractions)
    ticks = range(len(names))
    long = max(map(len, names)) > 3
    ax.set_xticks(ticks, names, rotation=45 if long else 0, ha="right" if long else "center", rotation_mode="anchor")
    ax.set_yticks(ticks, names)
    without_broken_math([*ax.get_xticklabels(), *ax.get_yticklabels()])
    ax.set(xlabel="predicted", ylabel="true")
    if len(names) > LARGEST_WITH_NUMBERS:
        return
    size = min(10.0, 90 / len(names))
    for (row, column), fraction in np.ndenumerate(fractions):
        text = f"{counts[row, column]}" if normalize is None else f"{fraction:.0f}"
        strength = fraction / fractions.max() if row == column else mistakes[row, column]
        color = "white" if strength > 0.5 else "0.25" if fraction else "0.7"
        ax.text(column, row, text, ha="center", va="center", color=color, fontsize=size)


def _draw_mistakes(ax: Any, counts: NDArray[np.int64], fractions: NDArray[Any]) -> NDArray[Any]:
    """Draw mistakes in a color of their own, in which a single one is seen beside thousands of right predictions.

    Returns how strong each color is, from 0 to 1: FAINTEST for the rarest mistake up to 1 for the most frequent one.
    """
    wrong = (counts > 0) & ~np.eye(len(counts), dtype=bool)
    strengths = np.zeros(counts.shape)
    if wrong.any():
        strengths[wrong] = FAINTEST + (1 - FAINTEST) * np.sqrt(fractions[wrong] / fractions[wrong].max())
        ax.imshow(np.ma.masked_where(~wrong, strengths), cmap="Oranges", vmin=0, vmax=1.2)
    return strengths


_OF = {"true": "the true class", "pred": "the predicted class", "all": "all samples"}
