"""``cbackprop summary``."""

from __future__ import annotations

import click

from cbackprop import tables
from cbackprop.cli.console import say, show_grid
from cbackprop.cli.files import listed, open_model
from cbackprop.cli.image_model import ImageModel

__all__ = ["command"]


@click.command("summary")
@click.argument("model")
def command(model: str) -> None:
    """Show the layers of MODEL and, if it is for tables or images, their columns or classes."""
    opened = open_model(model)
    if isinstance(opened, ImageModel):
        opened.model.summary(print_fn=click.echo)
        click.echo()
        say(f"predicts: one of {listed(opened.class_names)}", indent="  ")
        return
    if not isinstance(opened, tables.TableModel):
        opened.summary(print_fn=click.echo)
        return
    opened.model.summary(print_fn=click.echo)
    click.echo()
    rows = [(column.name, column.kind, inputs_of(column)) for column in opened.encoder.columns]
    show_grid("columns", ("", "kind", "inputs"), rows)
    for name, how in opened.reader.notes().items():
        say(f"{name}: {how}", indent="  ")
    for name, reason in opened.encoder.dropped.items():
        say(f"left out: {name}, which {reason}", indent="  ")
    for target in opened.targets:
        what = f"one of {listed([str(value) for value in target.classes])}" if target.classes else "a number"
        say(f"predicts: {target.name}, {what}", indent="  ")


def inputs_of(column: tables.columns.Column) -> str:
    """How many inputs of the network a column makes."""
    embedded = getattr(column, "embedded", False)
    return "embedded" if embedded else str(len(column.feature_names))
