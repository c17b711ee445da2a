"""The table that `Model.summary` prints."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from cbackprop.models.costs import adds_of_plan, fixed_plan, training_bytes
from cbackprop.models.description import NO_SHAPE, Row, branches, byte_size, check_line_length, describe, totals
from cbackprop.validation import check_boolean

__all__ = ["columns_of", "cost_lines", "summary_text"]

GAP = 2
# Tables are at most as wide as the terminal; if there is none, as in a file, they have at most this width.
WIDTH_OF_FILES = 100
# If a table is too wide, these columns are narrowed, the widest first, down to these widths.
NARROWEST = {"Layer (type)": 12, "Connected to": 12, "Output shape": 9}
NUMBERS = ("Param #", "Multiply-adds")


def summary_text(
    model: Any,
    line_length: int | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
    show_costs: bool = False,
) -> str:
    """A line for each layer: name and class, output shape, number of weights, and inputs if the graph branches;
    totals."""
    length = check_line_length(line_length)
    costs = check_boolean("show_costs", show_costs)
    rows = describe(model, check_boolean("expand_nested", expand_nested), layer_range, costs)
    columns = columns_of(model, rows, check_boolean("show_trainable", show_trainable), costs)
    limit = length or shutil.get_terminal_size((WIDTH_OF_FILES, 24)).columns
    widths = _widths(columns, limit, length)
    if sum(widths) + GAP * (len(widths) - 1) > limit and "Connected to" in columns:
        del columns["Connected to"]
        widths = _widths(columns, limit, length)
    width = sum(widths) + GAP * (len(widths) - 1)
    cells = list(zip(*columns.values(), strict=True))
    lines = [
        f"Model: {model.name!r}",
        "=" * width,
        *_lines(list(columns), widths, [[name] for name in columns]),
        "-" * width,
    ]
    for row in cells:
        lines += _lines(list(columns), widths, list(row))
    lines.append("=" * width)
    if not model.built:
        return "\n".join([*lines, f"Model {model.name!r} {NO_SHAPE}"])
    found = totals(model)
    fixed, fixed_size = found.params - found.trainable, found.size - found.trainable_size
    sums = [
        f"Total params: {found.params:,} ({byte_size(found.size)})",
        f"Trainable params: {found.trainable:,} ({byte_size(found.trainable_size)})",
        f"Non-trainable params: {fixed:,} ({byte_size(fixed_size)})",
    ]
    return "\n".join([*lines, *sums, *cost_lines(model)])


def cost_lines(model: Any) -> list[str]:
    """The cost of a sample: multiply-adds, and memory in training. Empty if it depends on the data."""
    plan = fixed_plan(model)
    if plan is None:
        return []
    lines = [f"Multiply-adds per sample: {adds_of_plan(plan):,}"]
    memory = training_bytes(model, plan)
    return lines if memory is None else [*lines, f"Memory per sample in training: {byte_size(memory)}"]


def columns_of(
    model: Any, rows: list[Row], show_trainable: bool, show_costs: bool = False
) -> dict[str, list[list[str]]]:
    """The cells of each column, one for each row. A cell is a list of lines."""
    columns: dict[str, list[list[str]]] = {
        "Layer (type)": [[f"{'  ' * row.level}{row.name} ({row.kind})"] for row in rows],
        "Output shape": [list(row.shapes) or ["?"] for row in rows],
        "Param #": [["?" if row.params is None else f"{row.params:,}"] for row in rows],
    }
    if show_costs:
        columns["Multiply-adds"] = [["?" if row.adds is None else f"{row.adds:,}"] for row in rows]
    if branches(model):
        columns["Connected to"] = [list(row.sources) or [""] for row in rows]
    if show_trainable:
        columns["Trainable"] = [[{None: "-", True: "yes", False: "no"}[row.trainable]] for row in rows]
    return columns


def _widths(columns: dict[str, list[list[str]]], limit: int, exact: int | None) -> list[int]:
    """The widths of the columns: as wide as their contents, then reduced to fit `limit`, or widened to `exact`."""
    widths = {name: max(len(line) for cell in [[name], *cells] for line in cell) for name, cells in columns.items()}
    missing = sum(widths.values()) + GAP * (len(widths) - 1) - limit
    while missing > 0:
        wide = [name for name, narrowest in NARROWEST.items() if widths.get(name, 0) > narrowest]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
        missing -= 1
    if exact is not None and missing < 0:
        widths["Output shape"] -= missing
    return list(widths.values())


def _lines(names: list[str], widths: list[int], cells: list[list[str]]) -> list[str]:
    """The lines of one row of the table. Numbers are aligned to the right."""
    fitted = [
        [part for line in cell for part in _fit(line, width, wraps=name in ("Connected to", "Output shape"))]
        for name, width, cell in zip(names, widths, cells, strict=True)
    ]
    lines = []
    for number in range(max(map(len, fitted))):
        parts = []
        for name, width, cell in zip(names, widths, fitted, strict=True):
            text = cell[number] if number < len(cell) else ""
            parts.append(f"{text:>{width}}" if name in NUMBERS else f"{text:<{width}}")
        lines.append((" " * GAP).join(parts).rstrip())
    return lines


def _fit(text: str, width: int, wraps: bool) -> list[str]:
    """A text broken into lines of this width, or shortened to one line."""
    if len(text) <= width:
        return [text]
    if wraps and ", " in text:
        parts = text.split(", ")
        return [_shortened(part + "," * (number < len(parts)), width) for number, part in enumerate(parts, 1)]
    return [_shortened(text, width)]


def _shortened(text: str, width: int) -> str:
    """A text shortened to this width: the name first, and the class only if needed."""
    if len(text) <= width:
        return text
    name, bracket, kind = text.partition(" (")
    left = width - len(bracket + kind) - 2
    return f"{name[:left]}..{bracket}{kind}" if bracket and left >= 4 else f"{text[: width - 2]}.."
