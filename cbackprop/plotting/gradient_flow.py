"""Plot the size of gradients in each layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.plotting.canvas import check_model, one_axes

__all__ = ["gradient_flow"]


def gradient_flow(model: Any, x: Any, y: Any, sample_weight: Any = None, ax: Any = None) -> Any:
    """Plot the root mean square of each weight's gradient and of the weight itself, with the first layer at the top.

    Gradients that shrink by orders of magnitude towards the first layers are vanishing; those that grow are exploding.
    The ratio of gradient to weight is printed at the right. Where one of them is infinite or NaN, it has no bar.

    Parameters
    ----------
    model : Model
        A compiled model.
    x, y : array_like, or lists or dicts of them
        See `Model.fit`.
    sample_weight : array_like, optional
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    RuntimeError
        If the model is not compiled.
    TypeError, ValueError
        If `model` is not a model or has no trainable weights, or the data does not match it.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from cbackprop import plotting
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1, name="out")])
    >>> model.compile("sgd", "mse")
    >>> try:
    ...     ax = plotting.gradient_flow(model, [[1.0, 2.0]], [[3.0]])
    ...     names = [label.get_text() for label in ax.get_yticklabels()]
    ... except ImportError:  # without matplotlib
    ...     names = ["out/kernel", "out/bias"]
    >>> names
    ['out/kernel', 'out/bias']
    """
    check_model(model)
    gradients = [_size(gradient) for gradient in model.gradients(x, y, sample_weight)]
    variables = model.trainable_variables
    if not variables:
        raise ValueError(f"Model {model.name!r} has no trainable weights.")
    if len(gradients) != len(variables):
        raise ValueError(f"Layers of model {model.name!r} became trainable after it was compiled: compile it again.")
    values = [_size(variable.numpy()) for variable in variables]
    ax = one_axes(ax, 7.5, 1.5 + 0.4 * len(variables))
    rows = np.arange(len(variables))
    for offset, sizes, label, color in ((-0.2, values, "weight", "0.7"), (0.2, gradients, "gradient", "C0")):
        ax.barh(rows + offset, [size if np.isfinite(size) else 0.0 for size in sizes], 0.38, label=label, color=color)
    present = [size for size in gradients + values if 0 < size < np.inf]
    if present:
        ax.set_xscale("log")
    ax.set_yticks(rows, [variable.path for variable in variables], parse_math=False)
    ax.set_ylim(len(variables) - 0.5, -0.5)
    for row, gradient, value in zip(rows, gradients, values, strict=True):
        text = _ratio(gradient, value)
        ax.text(1.01, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize="small", color="0.3")
    ax.set_xlim(left=min(present, default=1.0) / 3)
    ax.set_xlabel("root mean square")
    ax.set_title(f"Gradients of {model.name}", loc="left", parse_math=False)
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderpad=0)
    return ax


def _ratio(gradient: float, value: float) -> str:
    """What is printed at the right of a weight."""
    if not np.isfinite([gradient, value]).all():
        return "not finite"
    return "no gradient" if gradient == 0 else f"ratio {gradient / value:.1e}" if value else "weight is 0"


def _size(array: Any) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0
