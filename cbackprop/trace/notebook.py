"""A trace as shaded tables for notebooks: without scripts, and with colors for light and dark pages."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.trace.numbers import number, shape_of, summary

if TYPE_CHECKING:
    from cbackprop.trace.trace import Trace

__all__ = ["heat_table", "to_notebook"]

Array = NDArray[Any]
MOST_ROWS, MOST_COLUMNS = 12, 12
CELL = "padding:0.15em 0.5em;text-align:right;font-variant-numeric:tabular-nums;border:none;"
# Blue for positive numbers and orange for negative ones, half transparent: text stays legible on white and on black.
POSITIVE, NEGATIVE = "70,130,220", "225,120,40"


def heat_table(array: Array) -> str:
    """A small array as a table whose cells are shaded by size; a large one as a line."""
    rows = array.reshape(1, -1) if array.ndim < 2 else array.reshape(-1, array.shape[-1])
    if rows.shape[0] > MOST_ROWS or rows.shape[1] > MOST_COLUMNS or array.size == 0:
        return f"<span>{html.escape(summary(array))}</span>"
    finite = np.abs(rows[np.isfinite(rows)])
    largest = float(finite.max(initial=0)) or 1.0
    body = "".join("<tr>" + "".join(_cell(float(value), largest) for value in row) + "</tr>" for row in rows)
    return f'<table style="border-collapse:collapse;background:transparent;margin:0;">{body}</table>'


def _cell(value: float, largest: float) -> str:
    share = 0.55 * min(abs(value) / largest, 1) if np.isfinite(value) else 0
    color = POSITIVE if value >= 0 else NEGATIVE
    return f'<td style="{CELL}background:rgba({color},{share:.2f});">{number(value)}</td>'


def to_notebook(trace: Trace) -> str:
    """The trace, with a collapsible section for each layer."""
    head = (
        f"<div><b>One step of {html.escape(trace.model)}</b>: {trace.samples} samples, "
        f"{html.escape(trace.rule.name)}, η = {number(trace.rule.rate)}, "
        f"loss {number(trace.loss, 6)} → {number(trace.loss_after, 6)}</div>"
    )
    parts = [_fold("inputs", dict(trace.inputs))]
    for layer in trace.layers:
        arrays: dict[str, Any] = {"z": layer.z, "a": layer.a}
        mark = " (derived)" if "above" in layer.derived else ""
        arrays |= {f"dL/da{mark}": layer.above, "f'(z)": layer.slope, "δ": layer.delta}
        if layer.function == "linear":
            del arrays["z"], arrays["f'(z)"], arrays[f"dL/da{mark}"]
        for weight in layer.weights:
            arrays |= {
                weight.name: weight.before,
                f"d{weight.name}": weight.gradient,
                f"{weight.name} after": weight.after,
            }
        arrays |= {f"each time step: {name}": array for name, array in layer.times.items()}
        arrays |= {f"each head: {name}": array for name, array in layer.heads.items()}
        parts.append(_fold(f"{layer.title}: {layer.what}", arrays))
    for output in trace.outputs:
        named = {"prediction": output.prediction, "target": output.target, "loss of each sample": output.samples}
        parts.append(_fold(f"{output.name}: {output.loss} {number(output.mean, 6)}", named))
    return f'<div style="max-width:100%;overflow-x:auto;">{head}{"".join(parts)}</div>'


def _fold(title: str, arrays: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><td style="{CELL}text-align:left;vertical-align:top;background:transparent;">{html.escape(name)} '
        f'<span style="opacity:0.6;">{shape_of(array)}</span></td>'
        f'<td style="{CELL}text-align:left;background:transparent;">{heat_table(array)}</td></tr>'
        for name, array in arrays.items()
        if array is not None
    )
    return (
        f'<details open style="margin:0.4em 0;"><summary style="cursor:pointer;">{html.escape(title)}</summary>'
        f'<table style="border-collapse:collapse;background:transparent;">{rows}</table></details>'
    )
