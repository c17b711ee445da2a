"""The table that a notebook shows of a model."""

from __future__ import annotations

import html
from typing import Any

from cbackprop.models.description import NO_SHAPE, byte_size, describe, totals
from cbackprop.models.summary import columns_of, cost_lines

__all__ = ["summary_html"]

CELL = "padding:0.2em 0.8em;border-bottom:1px solid rgba(128,128,128,0.25);vertical-align:top;"


def summary_html(model: Any) -> str:
    """The table of `Model.summary` as HTML; it takes its colors from there, light or dark."""
    rows = describe(model)
    columns = columns_of(model, rows, any(row.trainable is False for row in rows))

    def cell(tag: str, name: str, lines: list[str], style: str = "") -> str:
        side = "right" if name == "Param #" else "left"
        text = "<br>".join(html.escape(line) for line in lines)
        return f'<{tag} style="{CELL}text-align:{side};{style}">{text}</{tag}>'

    head = "".join(cell("th", name, [name], "font-weight:600;") for name in columns)
    body = "".join(
        f"<tr>{''.join(cell('td', name, lines) for name, lines in zip(columns, row, strict=True))}</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    title = f"{type(model).__name__} <b>{html.escape(model.name)}</b>"
    if model.built:
        found = totals(model)
        fixed = found.params - found.trainable
        below = f"{found.params:,} parameters ({byte_size(found.size)})"
        below += f", {fixed:,} of them not trainable" if fixed else ""
        below += "".join(f"<br>{line}" for line in cost_lines(model))
    else:
        below = html.escape(NO_SHAPE[0].upper() + NO_SHAPE[1:])
    return (
        f'<div><div style="margin:0.3em 0;">{title}</div>'
        f'<table style="border-collapse:collapse;background:transparent;"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
        f'<div style="margin:0.3em 0;opacity:0.75;">{below}</div></div>'
    )
