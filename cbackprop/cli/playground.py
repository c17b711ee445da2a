"""``cbackprop playground``."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path

import click

from cbackprop import playground

__all__ = ["command"]


@click.command("playground")
@click.option("--html", "page", metavar="FILE", help="Write the page to this file, and do not open it.")
def command(page: str | None) -> None:
    """Open a page in which a small network learns while you watch. It needs no server and no internet."""
    if page is not None:
        playground.write(page)
        return
    path = Path(tempfile.mkdtemp(prefix="cbackprop_")) / "playground.html"
    playground.write(path)
    click.echo(str(path))
    if not webbrowser.open(path.as_uri()):
        click.echo("There is no browser here: open this file in one.", err=True)
