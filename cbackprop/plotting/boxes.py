"""The boxes of a model's plot: their text, their size, and how they are drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from cbackprop.plotting.layout import Layout, arrange

__all__ = ["Box", "draw", "make_box"]

FONT, SMALL = 10.0, 8.0
LINE, PADDING = 1.35, 7.5
LONGEST = 44
# Fill and edge colors by kind of layer: safe for color-blind people, and light enough for dark text.
COLORS = {
    "input": ("#f1f1f1", "#7a7a7a"),
    "weights": ("#d9e8f6", "#3b75af"),
    "normalization": ("#e6e0f3", "#7a5fb0"),
    "merging": ("#fdebc8", "#c68a1d"),
    "random": ("#fbdcd9", "#c5584d"),
    "other": ("#e2f1e2", "#4d8f4d"),
    "model": ("#fafafa", "#555555"),
}


@dataclass
class Box:
    """The box of a call of a layer: lines of text, or a title above the boxes of a nested model."""

    lines: list[str]
    kind: str
    width: float = 0.0
    height: float = 0.0
    inner: list[Box] = field(default_factory=list)
    layout: Layout | None = None
    sideways: bool = False


def make_box(graph: Any, title: str | None, shown: dict[str, bool]) -> Box:
    """Make the box of a graph, which contains the boxes of its calls."""
    nodes = _nodes(graph)
    calls = Counter(id(node.layer) for node in nodes)
    so_far: Counter[int] = Counter()
    inner = []
    for node in nodes:
        so_far[id(node.layer)] += 1
        which = f" · call {so_far[id(node.layer)]} of {calls[id(node.layer)]}" if calls[id(node.layer)] > 1 else ""
        inner.append(_call_box(node, which, shown))
    number = {id(tensor): index for index, node in enumerate(nodes) for tensor in node.outputs}
    for tensor in graph.inputs:  # a model may start at a tensor within another model
        if id(tensor) not in number:
            number[id(tensor)] = len(inner)
            inner.append(_text_box([f"output of {_shortened(tensor.name)}", str(tensor.shape)], "input"))
    edges = [(number[id(tensor)], index) for index, node in enumerate(nodes) for tensor in node.inputs]
    sideways = shown["sideways"]
    sizes = [(box.height, box.width) if sideways else (box.width, box.height) for box in inner]
    layout = arrange(sizes, edges)
    width, height = (layout.height, layout.width) if sideways else (layout.width, layout.height)
    box = Box([title] if title else [], "model", width, height, inner, layout, sideways)
    if title:
        box.width = max(width, _text_width(title, FONT)) + 2 * PADDING
        box.height = height + FONT * LINE + 3 * PADDING
    return box


def _nodes(graph: Any) -> list[Any]:
    """The inputs of a graph, including unused ones, and its calls."""
    begins = [tensor.node for tensor in graph.inputs if tensor.node is not None and not tensor.node.inputs]
    return list(dict.fromkeys([*begins, *(node for node in graph.nodes if node.inputs)]))


def _call_box(node: Any, which: str, shown: dict[str, bool]) -> Box:
    layer = node.layer
    name = _shortened(layer.name)
    title = (f"{name} ({type(layer).__name__})" if shown["names"] else type(layer).__name__) + which
    if node.graph is not None and shown["nested"]:
        return make_box(node.graph, f"{name} ({type(layer).__name__}){which}", shown)
    lines = [title]
    if shown["activations"] and layer.activation is not None:
        lines.append(f"activation: {getattr(layer.activation, '__name__', type(layer.activation).__name__)}")
    if shown["shapes"]:
        lines.append(_shapes(node))
    if shown["dtype"]:
        lines.append(", ".join(dict.fromkeys(tensor.dtype for tensor in node.outputs)))
    if shown["trainable"] and layer.variables:
        lines.append("trainable" if layer.trainable else "frozen")
    return _text_box(lines, _kind(node))


def _text_box(lines: list[str], kind: str) -> Box:
    """Make a box that has the size of its lines."""
    widths = [_text_width(line, FONT if index == 0 else SMALL) for index, line in enumerate(lines)]
    height = LINE * (FONT + SMALL * (len(lines) - 1)) + 2 * PADDING - 3
    return Box(lines, kind, max(widths) + 2 * PADDING + 4, height)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"


def _shapes(node: Any) -> str:
    after = ", ".join(str(tensor.shape) for tensor in node.outputs)
    counts = Counter(str(tensor.shape) for tensor in node.inputs)
    before = ", ".join(
        shape if count == 1 else f"{count} \N{MULTIPLICATION SIGN} {shape}" for shape, count in counts.items()
    )
    return f"{before} → {after}" if before else after


def _kind(node: Any) -> str:
    layer = node.layer
    if layer.n_inputs == 0:
        return "input"
    if node.graph is not None:
        return "model"
    if len(node.inputs) > 1:
        return "merging"
    if hasattr(layer, "stream"):
        return "random"
    if "Normalization" in type(layer).__name__:
        return "normalization"
    return "weights" if layer.variables else "other"


def _text_width(text: str, size: float) -> float:
    """The width of a line of text in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return 1.06 * float(width)  # on screens, letters are placed at whole pixels and take more room


def draw(ax: Any, box: Box, left: float, top: float) -> None:
    """Draw the content of a box whose upper left corner is at this position, in points."""
    scale = _scale(ax)
    _draw_inside(ax, box, left, top, scale)


def _scale(ax: Any) -> float:
    """The size of a point of the plot in points of the figure: 1 unless the plot is scaled to given axes."""
    extent = ax.get_window_extent()
    per_point = ax.figure.dpi / 72
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    return min(extent.width / abs(x1 - x0), extent.height / abs(y1 - y0)) / per_point


def _draw_inside(ax: Any, box: Box, left: float, top: float, scale: float) -> None:
    assert box.layout is not None
    if box.lines:
        _frame(ax, box, left, top, scale)
        style = {"va": "center", "fontsize": FONT * scale, "color": "0.2", "parse_math": False}
        ax.text(left + PADDING, top + PADDING + FONT * 0.6, box.lines[0], **style)
        inner_width = box.layout.height if box.sideways else box.layout.width
        left, top = left + (box.width - inner_width) / 2, top + FONT * LINE + 1.5 * PADDING
    for points in box.layout.routes:
        turned = [(y, x) if box.sideways else (x, y) for x, y in points]
        _line(ax, [(left + x, top + y) for x, y in turned], box.sideways, scale)
    for inner, (x, y) in zip(box.inner, box.layout.centers, strict=True):
        x, y = (y, x) if box.sideways else (x, y)
        corner = left + x - inner.width / 2, top + y - inner.height / 2
        if inner.layout is not None:
            _draw_inside(ax, inner, *corner, scale)
        else:
            _frame(ax, inner, *corner, scale)
            _lines(ax, inner, *corner, scale)


def _frame(ax: Any, box: Box, left: float, top: float, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    fill, edge = COLORS[box.kind]
    style = "round,pad=0,rounding_size=4"
    ax.add_patch(
        FancyBboxPatch(
            (left, top), box.width, box.height, style, facecolor=fill, edgecolor=edge, linewidth=scale, zorder=2
        )
    )


def _lines(ax: Any, box: Box, left: float, top: float, scale: float) -> None:
    y = top + PADDING - 1.5
    for index, line in enumerate(box.lines):
        size = FONT if index == 0 else SMALL
        y += size * LINE / 2
        color = "0.1" if index == 0 else "0.35"
        x = left + box.width / 2
        style = {"ha": "center", "va": "center", "color": color, "zorder": 3, "parse_math": False}
        ax.text(x, y, line, fontsize=size * scale, **style)
        y += size * LINE / 2


def _line(ax: Any, points: list[tuple[float, float]], sideways: bool, scale: float) -> None:
    """Draw a line with an arrow: straight within rows, curved between them."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    corners, codes = [points[0]], [Path.MOVETO]
    for index, (before, after) in enumerate(pairwise(points)):
        if index % 2 == 0:
            if max(abs(before[0] - after[0]), abs(before[1] - after[1])) > 0.01:
                corners.append(after)
                codes.append(Path.LINETO)
            continue
        middle = ((before[0] + after[0]) / 2, (before[1] + after[1]) / 2)
        bends = (
            [(middle[0], before[1]), (middle[0], after[1])]
            if sideways
            else [(before[0], middle[1]), (after[0], middle[1])]
        )
        corners += [*bends, after]
        codes += [Path.CURVE4] * 3
    ax.add_patch(
        FancyArrowPatch(
            path=Path(corners, codes),
            arrowstyle="-|>",
            mutation_scale=8 * scale,
            color="0.45",
            linewidth=scale,
            zorder=2.5,
        )
    )
