"""The table of a model in a notebook."""

from __future__ import annotations

import html
from typing import Any

from cbackprop.html_tables import html_table
from cbackprop.models.description import NO_SHAPE, byte_size, describe, totals
from cbackprop.models.summary import columns_of, cost_lines

__all__ = ["summary_html"]


def summary_html(model: Any) -> str:
    """The table of `Model.summary` as HTML. The notebook decides the colors, light or dark."""
    rows = describe(model)
    columns = columns_of(model, rows, any(row.trainable is False for row in rows))

    title = f"{type(model).__name__} <b>{html.escape(model.name)}</b>"
    if model.built:
        found = totals(model)
        fixed = found.params - found.trainable
        below = f"{found.params:,} parameters ({byte_size(found.size)})"
        below += f", {fixed:,} of them not trainable" if fixed else ""
        below += "".join(f"<br>{line}" for line in cost_lines(model))
    else:
        below = html.escape(NO_SHAPE[0].upper() + NO_SHAPE[1:])
    cells = [["\n".join(lines) for lines in row] for row in zip(*columns.values(), strict=True)]
    return html_table(title, list(columns), cells, below, numbers=["Param #"])
