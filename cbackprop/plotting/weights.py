"""Plot weights as histograms or images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop.plotting.canvas import check_model, several_axes
from cbackprop.plotting.tiles import columns_for, draw_tiles
from cbackprop.validation import check_integer, check_items

__all__ = ["weights"]

BINS = 40


def weights(
    model: Any,
    kind: str = "histogram",
    layers: list[str] | None = None,
    ax: Any = None,
    shape: tuple[int, ...] | None = None,
) -> list[Any]:
    """Plot the weights of each layer as histograms or images.

    Parameters
    ----------
    model : Model
    kind : {"histogram", "image"}, default "histogram"
        A histogram of the values, or an image with a pixel for each number and a column for each unit. In images,
        positive numbers are red and negative ones blue. The kernel of a convolution of images is drawn as a picture of
        each filter: grey with one input channel (white is positive), in colors with three, and otherwise with a row
        for each input channel and a column for each filter.
    layers : list of str, optional
        Names of the layers or nested models whose weights are plotted; all by default.
    ax : Axes or list of Axes, optional
        Where to draw; a new figure by default.
    shape : tuple (height, width) or (height, width, channels), optional
        The shape of the images whose pixels are the inputs of a Dense layer. Of kernels with as many inputs, the
        weights of each unit are drawn as such an image. This needs ``kind="image"``.

    Returns
    -------
    list of Axes
        One for each weight.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If `model` is not a model or has no weights, `kind` or a layer is unknown, or no kernel has inputs for `shape`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from cbackprop import plotting
    >>> model = cb.Sequential([cb.Input((4,)), cb.layers.Dense(3, name="hidden")])
    >>> try:
    ...     titles = [ax.get_title() for ax in plotting.weights(model)]
    ... except ImportError:  # without matplotlib
    ...     titles = ["hidden/kernel (4, 3)", "hidden/bias (3,)"]
    >>> titles
    ['hidden/kernel (4, 3)', 'hidden/bias (3,)']
    """
    if kind not in ("histogram", "image"):
        raise ValueError(f"kind must be 'histogram' or 'image', but got {kind!r}.")
    variables = _variables(check_model(model), layers)
    picture = _checked_shape(shape, kind, variables)
    panels = several_axes(ax, len(variables), 3.6, 2.6, columns=4)
    for variable, panel in zip(variables, panels, strict=True):
        values = variable.numpy()
        draw = _histogram if kind == "histogram" else _filters if values.ndim == 4 else _image
        if picture is not None and _fits(values, picture):
            _filters(panel, values.reshape(*picture, -1))
        else:
            draw(panel, values)
        panel.set_title(f"{_shortened(variable.path)} {variable.shape}", fontsize="medium", parse_math=False)
    return panels


def _variables(model: Any, layers: list[str] | None) -> list[Any]:
    if layers is None:
        found = model.weights
    else:
        if isinstance(layers, str):
            raise TypeError(f"layers must be a list of names, but got {layers!r}.")
        found = [variable for name in layers for variable in model.get_layer(name).weights]
    if not found:
        raise ValueError(f"Model {model.name!r} has no weights to draw.")
    return list(found)


def _checked_shape(shape: Any, kind: str, variables: list[Any]) -> tuple[int, int, int] | None:
    """The shape (height, width, channels) of images, if one is given."""
    if shape is None:
        return None
    if kind != "image":
        raise ValueError(f"shape is for kind='image', but kind is {kind!r}.")
    sizes = [check_integer("shape", size, 1) for size in check_items("shape", shape, "a tuple (height, width)")]
    if len(sizes) not in (2, 3):
        raise ValueError(f"shape must be (height, width) or (height, width, channels), but got {shape!r}.")
    height, width, channels = (*sizes, 1)[:3]
    if not any(_fits(variable.numpy(), (height, width, channels)) for variable in variables):
        found = ", ".join(f"{variable.path} {variable.shape}" for variable in variables[:6])
        raise ValueError(
            f"shape {shape!r} needs a kernel with {height * width * channels} inputs, but there are {found}."
        )
    return height, width, channels


def _fits(values: Any, picture: tuple[int, int, int]) -> bool:
    return values.ndim == 2 and values.shape[0] == math.prod(picture)


def _shortened(path: str) -> str:
    return path if len(path) <= 28 else f"{path[:12]}…{path[-15:]}"


def _histogram(ax: Any, values: Any) -> None:
    flat = values.reshape(-1)
    ax.hist(flat, bins=min(BINS, max(5, int(np.sqrt(flat.size)) + 1)), color="C0")
    ax.axvline(0, color="0.5", linewidth=0.8)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel(f"value (mean {flat.mean():.2g}, std {flat.std():.2g})", fontsize="medium")
    ax.set_ylabel("weights")


def _image(ax: Any, values: Any) -> None:
    matrix = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
    limit = float(np.abs(matrix).max()) or 1.0
    image = ax.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    ax.figure.colorbar(image, ax=ax)
    ax.set(xlabel="unit", ylabel="input" if matrix.shape[0] > 1 else "")
    if matrix.shape[0] == 1:
        ax.set_yticks([])
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.get_major_locator().set_params(integer=True) if matrix.shape[0] > 1 else None


def _filters(ax: Any, kernel: Any) -> None:
    """Draw a kernel (height, width, channels, filters)."""
    height, width, channels, filters = kernel.shape
    limit = float(np.abs(kernel).max()) or 1.0
    if channels == 3:
        draw_tiles(ax, np.moveaxis(kernel, -1, 0) / (2 * limit) + 0.5, columns_for(filters))
        return
    pictures = kernel.transpose(2, 3, 0, 1).reshape(-1, height, width)
    in_rows = channels > 1 and filters > 1
    columns = filters if in_rows else columns_for(len(pictures))
    cmap = "gray" if channels == 1 else "RdBu_r"
    image = draw_tiles(ax, pictures, columns, cmap, (-limit, limit))
    ax.figure.colorbar(image, ax=ax, shrink=0.7)
    if in_rows:
        ax.set(xlabel="filter", ylabel="input channel")
