"""Plot a small network as units and the weights between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.plotting.canvas import check_model, one_axes

__all__ = ["network"]

# Of more units than this in a layer, only the first and the last ones are drawn.
MOST = 12
SHOWN = 10
RADIUS = 0.32
# A unit is saturated if its slope is below this share of the steepest one for all samples.
FLAT = 0.05
STEEPEST = {"sigmoid": 0.25}
MARKS = {"dead": ("0.55", "dead: output and slope are 0"), "saturated": ("gold", "saturated: the slope is nearly 0")}


@dataclass
class Column:
    """A column of units: its names, how many there are, and the kernel (inputs, units) that leads to it, if any.

    `colored_by` is what gives edges their colors: the kernel, or its gradient. `marks` has the units that a trace shows
    to be dead or saturated.
    """

    name: str
    below: list[str]
    units: int
    kernel: NDArray[Any] | None
    colored_by: NDArray[Any] | None = None
    marks: dict[int, str] = field(default_factory=dict)


def network(model: Any, trace: Any = None, ax: Any = None) -> Any:
    """Draw a network as units and edges: a column of circles for each layer, and a line for each weight.

    Lines are red for positive weights and blue for negative ones. The larger a weight is, compared with the largest one
    of its layer, the thicker is its line. If a layer has more than 12 units, only the first and the last ones are
    drawn. Layers without a kernel that keep the number of units, such as activations and dropout, are named below the
    units.

    Parameters
    ----------
    model : Model
        A chain of Dense layers, and of layers that do not change the number of units. For all other models, see
        `plot_model`.
    trace : Trace, optional
        A step of this model, from `Model.trace`. Then colors show gradients: red where the gradient is positive, so
        that the step makes the weight smaller, and blue where it is negative. A unit is filled if it is dead (output
        and slope are 0 for all samples) or saturated (the slope is nearly 0 for all samples).
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
        If it is not such a model, or the trace is not one of it.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from cbackprop import plotting
    >>> model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(4, "tanh"), cb.layers.Dense(1)])
    >>> try:
    ...     lines = len(plotting.network(model).lines)
    ... except ImportError:  # without matplotlib
    ...     lines = 16
    >>> lines
    16
    """
    columns = _columns(check_model(model))
    if trace is not None:
        _look_at(trace, model, columns)
    tallest = max(min(column.units, MOST) for column in columns)
    ax = one_axes(ax, 1.0 + 1.9 * len(columns), 1.3 + 0.42 * tallest)
    places = [_places(column.units) for column in columns]
    for number, column in enumerate(columns):
        if column.kernel is not None:
            _draw_edges(ax, number, places[number - 1], places[number], column)
    for number, column in enumerate(columns):
        _draw_units(ax, number, places[number], column, tallest)
    ax.set(xlim=(-0.6, len(columns) - 0.4), ylim=(-tallest / 2 - 1.9, tallest / 2 + 0.3), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    _name_marks(ax, columns)
    return ax


def _look_at(trace: Any, model: Any, columns: list[Column]) -> None:
    """Take colors and marks from a trace."""
    if not hasattr(trace, "layers") or not hasattr(trace, "weights"):
        raise TypeError(f"trace must be one of Model.trace, but got {type(trace).__name__}.")
    calls = iter(trace.layers)  # in the order of the columns: layers of nested models may have the same name
    for column in columns[1:]:
        layer = next((call for call in calls if f"/{call.name}".endswith(f"/{column.name}")), None)
        if layer is None or column.kernel is None or layer.a.shape[1:] != (column.units,):
            raise ValueError(
                f"trace is not one of model {model.name!r}: it has no layer {column.name!r} like this one."
            )
        held = layer.weight("kernel")
        if held.before.shape != column.kernel.shape:
            raise ValueError(
                f"trace is not one of model {model.name!r}: the kernel of its layer {column.name!r} has the shape "
                f"{held.before.shape}, not {column.kernel.shape}."
            )
        gradient = held.gradient
        column.colored_by = np.zeros_like(column.kernel) if gradient is None else gradient
        if layer.slope is not None and layer.function != "linear":
            steepest = np.abs(layer.slope).max(axis=0) / STEEPEST.get(layer.function, 1.0)
            silent = (layer.a == 0).all(axis=0) & (steepest == 0)
            column.marks = {
                unit: "dead" if silent[unit] else "saturated" for unit, size in enumerate(steepest) if size < FLAT
            }


def _name_marks(ax: Any, columns: list[Column]) -> None:
    """Say what filled units are, if there are any."""
    present = {mark for column in columns for mark in column.marks.values()}
    for mark, (color, text) in MARKS.items():
        if mark in present:
            ax.scatter([], [], c=color, edgecolors="0.3", label=text)
    if present:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.08), ncols=len(present), frameon=False, fontsize="small")


def _columns(model: Any) -> list[Column]:
    """The columns of a chain of layers."""
    shapes = [tensor.shape[1:] for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 1:
        raise ValueError(f"model must take rows of numbers, but takes inputs of the shapes {shapes}. Use plot_model.")
    columns = [Column(model.inputs[0].name, [], shapes[0][0], None)]
    for layer in _chain(model):
        kernel: Any = getattr(layer, "kernel", None)
        if type(layer).__name__ == "Dense":
            activation = layer.get_config()["activation"]
            below = [activation] if isinstance(activation, str) and activation != "linear" else []
            columns.append(Column(layer.name, below, layer.units, kernel.numpy()))
        elif kernel is None and layer.compute_output_shape((1, columns[-1].units)) == (1, columns[-1].units):
            columns[-1].below.append(layer.name)
        else:
            raise ValueError(f"Layer {layer.name!r} ({type(layer).__name__}) cannot be drawn as units. Use plot_model.")
    return columns


def _chain(model: Any) -> list[Any]:
    """The layers from the input to the output, those of nested models among them."""
    nodes = [node for node in model.graph.nodes if node.inputs]
    used = [id(tensor) for node in nodes for tensor in node.inputs]
    if len(model.outputs) != 1 or len(set(used)) < len(used) or len(used) > len(nodes):
        raise ValueError(f"Model {model.name!r} is not a chain of layers. Use plot_model.")
    layers = []
    for node in nodes:
        layers += _chain(node.layer) if getattr(node.layer, "is_model", False) else [node.layer]
    return layers


def _places(units: int) -> list[tuple[int, float]]:
    """The units that are drawn, each with its height; with a gap where others are left out."""
    if units <= MOST:
        return [(unit, (units - 1) / 2 - unit) for unit in range(units)]
    first, last = SHOWN - SHOWN // 2, SHOWN // 2
    shown = [*range(first), *range(units - last, units)]
    heights = [*range(first), *range(first + 1, SHOWN + 1)]
    return [(unit, SHOWN / 2 - height) for unit, height in zip(shown, heights, strict=True)]


def _draw_edges(ax: Any, number: int, left: Any, right: Any, column: Column) -> None:
    kernel = column.kernel
    assert kernel is not None
    colored_by = kernel if column.colored_by is None else column.colored_by
    sizes, colors = _shares(kernel), _shares(colored_by)
    for start, low in left:
        for end, high in right:
            size, color = float(sizes[start, end]), float(colors[start, end])
            ax.plot(
                [number - 1, number],
                [low, high],
                color="C3" if color > 0 else "C0",
                linewidth=0.3 + 2.2 * abs(size),
                alpha=0.15 + 0.75 * abs(color),
                zorder=1,
                solid_capstyle="round",
            )


def _shares(array: NDArray[Any]) -> NDArray[Any]:
    """The numbers in parts of the largest one. Infinite ones are as large as can be; NaN is not shown."""
    values = np.asarray(array, np.float64)
    finite = np.abs(values[np.isfinite(values)]).max(initial=0) or 1.0
    return np.nan_to_num(values / finite, nan=0.0, posinf=1.0, neginf=-1.0)


def _draw_units(ax: Any, number: int, places: Any, column: Column, tallest: int) -> None:
    size = (2 * RADIUS * 0.38 * 72) ** 2
    fills = [MARKS[column.marks[unit]][0] if unit in column.marks else "white" for unit, _ in places]
    ax.scatter([number] * len(places), [height for _, height in places], s=size, c=fills, edgecolors="0.3", zorder=2)
    if column.units > MOST:
        ax.text(number, 0, "⋮", ha="center", va="center", fontsize="large", color="0.3")
    below = "\n".join([column.name, f"{column.units:,} unit{'s' * (column.units != 1)}", *column.below[:3]])
    ax.text(number, -tallest / 2 - 0.35, below, ha="center", va="top", fontsize="small", parse_math=False)
