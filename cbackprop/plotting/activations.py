"""Plot the output of each layer: its distribution, or its feature maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.models import Model
from cbackprop.models.data import make_inputs
from cbackprop.plotting.canvas import check_model, one_axes, predicted, several_axes
from cbackprop.plotting.channel_axes import formats_of
from cbackprop.plotting.tiles import columns_for, draw_tiles
from cbackprop.validation import check_choice, check_items

__all__ = ["activations"]

# The samples whose feature maps are drawn.
MOST_SAMPLES = 8
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def activations(model: Any, x: Any, kind: str = "distribution", layers: list[str] | None = None, ax: Any = None) -> Any:
    """Plot the output of each layer for some inputs: its distribution, or images of its channels.

    A distribution is drawn for each layer, with the first one at the top. Each box covers the middle half of the
    numbers and shows the median. Thick lines reach to the 5th and 95th percentile, thin lines to the extremes. The
    standard deviation and the fraction of zeros (as after a ReLU) are printed at the right.

    Images (feature maps) are drawn of layers with the output (samples, height, width, channels): a picture for each
    channel, all of a layer with the same colors. With several samples there is a row for each, up to 8.

    Parameters
    ----------
    model : Model
    x : array_like, or list or dict of them
        See `Model.predict`.
    kind : {"distribution", "image"}, default "distribution"
    layers : list of str, optional
        Names of the layers whose outputs are plotted; all by default.
    ax : Axes, or list of Axes for images, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes, or list of Axes
        For images one for each layer.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If `model` is not a model or not built, or an argument does not match it.

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
    check_choice("kind", kind, ("distribution", "image"))
    named = _outputs(check_model(model), layers)
    if kind == "image":
        return _images(model, x, [(layer, tensor) for layer, tensor in named if len(tensor.shape) == 4], ax)
    outputs = _computed(model, _flat(model, x), named)
    ax = one_axes(ax, 7.5, 1.4 + 0.34 * len(named))
    for row, array in enumerate(outputs):
        _draw(ax, row, array.reshape(-1))
    ax.set_yticks(range(len(named)), [layer.name for layer, _ in named], parse_math=False)
    ax.use_sticky_edges = False
    ax.margins(x=0.02)
    ax.set_ylim(len(named) - 0.5, -0.5)
    ax.set_xlabel("output")
    ax.set_title(f"Outputs of the layers of {model.name} for {len(outputs[0]):,} samples", parse_math=False)
    ax.grid(axis="x", alpha=0.3)
    return ax


def _outputs(model: Any, names: list[str] | None) -> list[tuple[Any, Any]]:
    """The calls of layers whose outputs are to be drawn, as pairs of the layer and the symbolic output."""
    calls = [node for node in model.graph.nodes if node.inputs]
    if names is not None:
        wanted = [model.get_layer(name) for name in check_items("layers", names, "a list of names")]
        calls = [node for node in calls if node.layer in wanted]
    if not calls:
        raise ValueError(f"Model {model.name!r} has no layers whose output could be drawn.")
    return [(node.layer, tensor) for node in calls for tensor in node.outputs]


def _computed(model: Any, x: Any, named: list[tuple[Any, Any]]) -> list[NDArray[Any]]:
    """The outputs for these inputs."""
    found = predicted(Model(model.inputs, [tensor for _, tensor in named]), x)
    return found if isinstance(found, list) else [found]


def _images(model: Any, x: Any, named: list[tuple[Any, Any]], ax: Any) -> list[Any]:
    """Draw the channels of these outputs."""
    if not named:
        raise ValueError("kind='image' needs layers with an output (samples, height, width, channels).")
    inputs = [array if array is None else array[:MOST_SAMPLES] for array in make_inputs(model, x)]
    outputs = _computed(model, inputs if len(inputs) > 1 else inputs[0], named)
    panels = several_axes(ax, len(named), 4.2, 3.8, columns=3)
    formats = formats_of(model)
    for panel, (layer, tensor), array in zip(panels, named, outputs, strict=True):
        maps = array if formats[id(tensor)] == "channels_first" else np.moveaxis(array, -1, 1)
        samples, channels, height, width = maps.shape
        columns = columns_for(channels) if samples == 1 else channels
        image = draw_tiles(panel, maps.reshape(-1, height, width), columns, "viridis")
        panel.figure.colorbar(image, ax=panel, shrink=0.7)
        panel.set_title(f"{layer.name} ({height}, {width}, {channels})", fontsize="medium", parse_math=False)
        if samples > 1:
            panel.set(xlabel="channel", ylabel="sample")
    return panels


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
