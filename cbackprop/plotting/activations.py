"""Plot the distribution of each layer's output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.models import Model
from cbackprop.plotting.canvas import check_model, one_axes

__all__ = ["activations"]

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def activations(model: Any, x: Any, ax: Any = None) -> Any:
    """Plot the distribution of each layer's output for some inputs, with the first layer at the top.

    Each box covers the middle half of the numbers and shows the median. Thick lines reach to the 5th and 95th
    percentile, thin lines to the extremes. The standard deviation and the fraction of zeros (as after a ReLU) are
    printed at the right.

    Parameters
    ----------
    model : Model
    x : array_like, or list or dict of them
        See `Model.predict`.
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
        If `model` is not a model or not built, or `x` does not match its inputs.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from cbackprop import plotting
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(3, name="hidden"), cb.layers.Dense(1, name="out")])
    >>> try:
    ...     names = [label.get_text() for label in plotting.activations(model, [[1.0, 2.0]]).get_yticklabels()]
    ... except ImportError:  # without matplotlib
    ...     names = ["hidden", "out"]
    >>> names
    ['hidden', 'out']
    """
    calls = [node for node in check_model(model).graph.nodes if node.inputs]
    named = [(node.layer.name, tensor) for node in calls for tensor in node.outputs]
    if not named:
        raise ValueError(f"Model {model.name!r} has no layers whose output could be drawn.")
    probe = Model(model.inputs, [tensor for _, tensor in named])
    found = probe.predict(_flat(model, x), verbose=0)
    outputs = found if isinstance(found, list) else [found]
    ax = one_axes(ax, 7.5, 1.4 + 0.34 * len(named))
    for row, array in enumerate(outputs):
        _draw(ax, row, array.reshape(-1))
    ax.set_yticks(range(len(named)), [name for name, _ in named])
    ax.use_sticky_edges = False
    ax.margins(x=0.02)
    ax.set_ylim(len(named) - 0.5, -0.5)
    ax.set(xlabel="output", title=f"Outputs of the layers of {model.name} for {len(outputs[0]):,} samples")
    ax.grid(axis="x", alpha=0.3)
    return ax


def _flat(model: Any, x: Any) -> Any:
    """Put inputs that are given by name, as in `Model.predict`, into the order of the model's inputs."""
    if not isinstance(x, dict):
        return x
    structure = model.input_structure
    keys = sorted(structure) if isinstance(structure, dict) else model.input_names
    if sorted(x) != sorted(keys):
        raise ValueError(f"x must have the keys {keys}, but has {sorted(x)}.")
    return [x[key] for key in keys]


def _draw(ax: Any, row: int, values: NDArray[Any]) -> None:
    lowest, low, first, median, third, high, highest = np.quantile(values, QUANTILES)
    ax.plot([lowest, highest], [row, row], color="C0", linewidth=0.8)
    ax.plot([low, high], [row, row], color="C0", linewidth=3, alpha=0.6, solid_capstyle="butt")
    ax.barh(row, third - first, left=first, height=0.55, color="C0", alpha=0.85)
    ax.plot([median, median], [row - 0.28, row + 0.28], color="white", linewidth=1.5)
    ax.plot([median, median], [row - 0.28, row + 0.28], color="0.1", linewidth=0.9)
    zeros = float((values == 0).mean())
    text = f"std {values.std():.2g}" + (f", {zeros:.0%}".replace("%", " %") + " zeros" if zeros >= 0.005 else "")
    ax.text(1.01, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize="small", color="0.3")
