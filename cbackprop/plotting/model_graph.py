"""Plot the graph of a model."""

from __future__ import annotations

import os
from typing import Any

from cbackprop.plotting.boxes import draw, make_box
from cbackprop.plotting.canvas import bare_figure, check_model, one_axes, pyplot
from cbackprop.validation import check_boolean, check_number

__all__ = ["plot_model"]

POINTS_PER_INCH = 72.0
MARGIN = 12.0


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] | None = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    ax: Any = None,
) -> Any:
    """Draw the graph of a model: a box for each call of a layer, from the inputs at the top to the outputs.

    Parameters
    ----------
    model : Model
    to_file : str or path, optional
        Also write the plot to this file; its suffix gives the format (``.svg``, ``.png``, ``.pdf``). ``None`` writes
        nothing.
    show_shapes : bool, default False
        Show the shapes of inputs and outputs; ``None`` stands for the batch.
    show_dtype : bool, default False
        Show the dtype of outputs.
    show_layer_names : bool, default False
        Show the names of layers as well as their classes.
    rankdir : {"TB", "LR"}, default "TB"
        From top to bottom, or from left to right.
    expand_nested : bool, default False
        Draw the layers within nested models.
    dpi : float, default 200
        Dots per inch of bitmap files.
    show_layer_activations : bool, default False
        Show the activations of layers.
    show_trainable : bool, default False
        Show whether layers are trainable.
    splines : optional
        Accepted for scripts written for Keras; lines are always straight within rows and curved between them.
    ax : Axes, optional
        Where to draw; by default a new figure of the necessary size.

    Returns
    -------
    Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed. No other package is needed.
    TypeError, ValueError
        If `model` is not a model or not built, or another argument is wrong.
    OSError
        If the file cannot be written.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((4,)), cb.layers.Dense(1)], name="small")
    >>> try:
    ...     title = cb.utils.plot_model(model, to_file=None, show_shapes=True).get_label()
    ... except ImportError:  # without matplotlib
    ...     title = "small"
    >>> title
    'small'
    """
    check_model(model)
    shown = {
        "shapes": check_boolean("show_shapes", show_shapes),
        "dtype": check_boolean("show_dtype", show_dtype),
        "names": check_boolean("show_layer_names", show_layer_names),
        "activations": check_boolean("show_layer_activations", show_layer_activations),
        "trainable": check_boolean("show_trainable", show_trainable),
        "nested": check_boolean("expand_nested", expand_nested),
        "sideways": rankdir == "LR",
    }
    if rankdir not in ("TB", "LR"):
        raise ValueError(f"rankdir must be 'TB' or 'LR', but got {rankdir!r}.")
    dpi = check_number("dpi", dpi, 1, 10_000)
    if to_file is not None and not isinstance(to_file, (str, os.PathLike)):
        raise TypeError(f"to_file must be a string, a path or None, but got {to_file!r}.")
    pyplot() if ax is None else one_axes(ax, 1, 1)
    box = make_box(model.graph, None, shown)
    width, height = box.width + 2 * MARGIN, box.height + 2 * MARGIN
    if ax is None:
        ax = bare_figure(width / POINTS_PER_INCH, height / POINTS_PER_INCH)
    ax.set_label(model.name)
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.set_axis_off()
    draw(ax, box, MARGIN, MARGIN)
    if to_file is not None:
        ax.figure.savefig(to_file, dpi=dpi)
    return ax
