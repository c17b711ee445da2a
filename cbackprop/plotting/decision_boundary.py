"""Plot what a classifier of two numbers decides everywhere in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.plotting.canvas import check_model, one_axes, predicted, without_broken_math
from cbackprop.plotting.confusion import class_numbers, label_names
from cbackprop.validation import check_integer

__all__ = ["decision_boundary"]

# The picture reaches beyond the samples by this fraction of their range.
MARGIN = 0.1


def decision_boundary(
    model: Any,
    x: ArrayLike,
    y: ArrayLike | None = None,
    labels: Sequence[Any] | None = None,
    resolution: int = 200,
    ax: Any = None,
) -> Any:
    """Plot the classes that a model predicts in the plane, and the samples.

    Each place has the color of the class that is predicted there, the stronger the higher its probability is. Lines are
    where the predicted class changes.

    Parameters
    ----------
    model : Model
        It takes rows of two numbers, and gives a probability or logit for each class, or one number for class 1.
    x : array_like (samples, 2)
        They decide which part of the plane is shown.
    y : array_like, optional
        The true classes: numbers, or one-hot rows. Without them, samples are drawn in one color.
    labels : sequence, optional
        Names of the classes.
    resolution : int, default 200
        At how many places along each axis the model predicts.
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
        If the model does not take two numbers, or an argument does not match it.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from cbackprop import plotting
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1, "sigmoid")])
    >>> try:
    ...     name = plotting.decision_boundary(model, [[0.0, 0.0], [1.0, 2.0]], [0, 1]).get_xlabel()
    ... except ImportError:  # without matplotlib
    ...     name = "x[:, 0]"
    >>> name
    'x[:, 0]'
    """
    check_model(model)
    shapes = [tensor.shape[1:] for tensor in model.inputs]
    if shapes != [(2,)] or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise ValueError(f"model must take rows of two numbers and give one row for each, but takes {shapes}.")
    points = _points(x)
    check_integer("resolution", resolution, 2, 5000)
    truth = None if y is None else class_numbers("y", y)
    if truth is not None and len(truth) != len(points):
        raise ValueError(f"x and y must be equally long, but got {len(points)} and {len(truth)} samples.")
    sides = [_side(points[:, axis], resolution) for axis in (0, 1)]
    grid = np.stack(np.meshgrid(*sides), axis=-1)
    probabilities = _probabilities(predicted(model, grid.reshape(-1, 2)))
    classes = probabilities.shape[1]
    names = label_names(labels, max(classes, 1 + int(truth.max()) if truth is not None and truth.size else 0))
    ax = one_axes(ax, 4.8, 4.2)
    colors = _colors(len(names))
    _draw_plane(ax, sides, probabilities.reshape(resolution, resolution, classes), colors)
    _draw_samples(ax, points, truth, names, colors)
    ax.set(xlabel="x[:, 0]", ylabel="x[:, 1]", xlim=sides[0][[0, -1]], ylim=sides[1][[0, -1]])
    if truth is not None:
        inner = _probabilities(predicted(model, points)).argmax(axis=1)
        right = int((inner == truth).sum())
        ax.set_title(f"{right:,} of {len(truth):,} right ({right / len(truth):.1%})".replace("%", " %"))
    return ax


def _points(x: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(x)
    if points.dtype.kind not in "fiub" or points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"x must hold rows of two numbers, but got {points.dtype}, {points.shape}.")
    points = points.astype(np.float64)
    if not np.isfinite(points).all():
        raise ValueError("x must be finite.")
    return points


def _side(values: NDArray[np.float64], resolution: int) -> NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    beyond = MARGIN * (high - low) or 1.0
    return np.linspace(low - beyond, high + beyond, resolution)


def _probabilities(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """A probability for each class (rows, classes). Outputs that are no probabilities are taken for logits."""
    found = outputs.astype(np.float64)
    proper = found.min() >= 0 and found.max() <= 1 + 1e-6
    if found.shape[1] == 1:
        one = found if proper else 0.5 * (1 + np.tanh(0.5 * found))
        return np.concatenate([1 - one, one], axis=1)
    if proper and np.allclose(found.sum(axis=1), 1, atol=1e-3):
        return found
    raised = np.exp(found - found.max(axis=1, keepdims=True))
    softmax: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return softmax


def _colors(classes: int) -> NDArray[np.float64]:
    """A color for each class (classes, 3), those of matplotlib's own cycle."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if classes <= 10:
        return np.array([to_rgb(f"C{number}") for number in range(classes)])
    return np.array([to_rgb(color) for color in colormaps["turbo"](np.linspace(0.05, 0.95, classes))])


def _draw_plane(ax: Any, sides: list[Any], probabilities: NDArray[np.float64], colors: NDArray[np.float64]) -> None:
    """White where all classes are equally probable, pale in the color of a class where it is certain."""
    classes = probabilities.shape[2]
    best = probabilities.argmax(axis=2)
    certainty = (probabilities.max(axis=2) * classes - 1) / max(classes - 1, 1)
    strength = (0.15 + 0.4 * np.clip(certainty, 0, 1))[..., np.newaxis]
    picture = 1 - strength * (1 - colors[best])
    extent = (*sides[0][[0, -1]], *sides[1][[0, -1]])
    ax.imshow(picture, origin="lower", extent=extent, aspect="auto", interpolation="nearest")
    for number in np.unique(best)[1:]:
        rest = np.delete(probabilities, number, axis=2).max(axis=2)
        ax.contour(*sides, probabilities[..., number] - rest, levels=[0], colors="0.3", linewidths=1)


def _draw_samples(
    ax: Any, points: NDArray[np.float64], truth: Any, names: list[str], colors: NDArray[np.float64]
) -> None:
    style = {"s": 14, "edgecolors": "white", "linewidths": 0.5}
    if truth is None:
        ax.scatter(*points.T, color="0.3", **style)
        return
    for number in np.unique(truth):
        ax.scatter(*points[truth == number].T, color=colors[number], label=names[number], **style)
    without_broken_math(ax.legend(title="class", fontsize="small").get_texts())
