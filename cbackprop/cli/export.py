"""``cbackprop export``."""

from __future__ import annotations

import click

from cbackprop import export, tables
from cbackprop.cli.console import note
from cbackprop.cli.files import check_folder, open_model
from cbackprop.cli.image_model import ImageModel

__all__ = ["command"]


@click.command("export")
@click.argument("model")
@click.option("--onnx", metavar="FILE", required=True, help="Write the network for ONNX Runtime and others.")
def command(model: str, onnx: str) -> None:
    """Write MODEL in another format."""
    check_folder("--onnx", onnx)
    opened = open_model(model)
    if isinstance(opened, tables.TableModel):
        note("the file contains only the network: its inputs must be encoded as by the model's encoder")
        opened = opened.model
    elif isinstance(opened, ImageModel):
        height, width = opened.size
        note(f"the file contains only the network: it takes {opened.color_mode} images of {height}x{width}, 0 to 255")
        opened = opened.model
    export.onnx(opened, onnx)
