"""Tables that notebooks show. They take their colors from the notebook, light or dark."""

from __future__ import annotations

import html
from collections.abc import Sequence

__all__ = ["html_table"]

CELL = "padding:0.2em 0.8em;border-bottom:1px solid rgba(128,128,128,0.25);vertical-align:top;"


def html_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], below: str, numbers: Sequence[str] = ()
) -> str:
    """A table as HTML. All texts are escaped; line ends in cells stay.

    Parameters
    ----------
    title : str
        HTML above the table.
    header : sequence of str
    rows : sequence of sequence of str
        Texts as many as in the header.
    below : str
        HTML below the table.
    numbers : sequence of str, default ()
        Columns that are aligned to the right.
    """

    def cell(tag: str, name: str, text: str, style: str = "") -> str:
        side = "right" if name in numbers else "left"
        return f'<{tag} style="{CELL}text-align:{side};{style}">{html.escape(text).replace(chr(10), "<br>")}</{tag}>'

    head = "".join(cell("th", name, name, "font-weight:600;") for name in header)
    body = "".join(
        f"<tr>{''.join(cell('td', name, text) for name, text in zip(header, row, strict=True))}</tr>" for row in rows
    )
    return (
        f'<div style="overflow-x:auto;"><div style="margin:0.3em 0;">{title}</div>'
        f'<table style="border-collapse:collapse;background:transparent;"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
        f'<div style="margin:0.3em 0;opacity:0.75;">{below}</div></div>'
    )
