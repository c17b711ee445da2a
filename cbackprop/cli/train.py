"""``cbackprop train``: the options of the command."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import click

import cbackprop as cb
from cbackprop.cli import digits, image_training, table_training
from cbackprop.cli.reading import INPUT, READING, reading_options
from cbackprop.cli.unfit import refuse_unfit

__all__ = ["command"]

# The options for each kind of training data.
SHARED = ("data", "epochs", "batch_size", "seed", "threads", "save", "plot", "quiet")
NETWORK = (
    "validation",
    "layers",
    "activation",
    "dropout",
    "optimizer",
    "learning_rate",
    "patience",
    "floatx",
    "tensorboard",
)
COLUMNS = ("target", "drop", "categorical", "task", "embed_above", "embedding", "x_name", "y_name", *READING)
IMAGES = ("image_size", "color", "filters", "augment")
TAKEN = {
    "the bundled digits": {*SHARED, "no_compare"},
    "tables": {*SHARED, *NETWORK, *COLUMNS},
    "images": {*SHARED, *NETWORK, *IMAGES},
}
GIVEN = {
    "the bundled digits": "without DATA the bundled digits are trained on",
    "tables": "DATA is not a folder, so it must be a table",
    "images": "DATA is a folder, so it must have a folder of images for each class",
}
FRACTION = click.FloatRange(0, 1, max_open=True)


def widths(context: Any, parameter: Any, value: str | None) -> list[int] | None:
    """Parse widths such as "64,32"."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")] if value.strip() not in ("", "none") else []
    if not all(part.isascii() and part.isdigit() and 0 < int(part) <= 2**20 for part in parts):
        raise click.BadParameter(f"expected widths such as 64,32, or none, but got {value!r}.")
    return [int(part) for part in parts]


def image_size(context: Any, parameter: Any, value: str) -> tuple[int, int]:
    """Parse a size such as "64", or "48x64" for height and width."""
    parts = value.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) <= 2**14 for part in parts):
        raise click.BadParameter(f"expected a size such as 64, or 48x64 for height and width, but got {value!r}.")
    return int(parts[0]), int(parts[-1])


def changes(context: Any, parameter: Any, value: str) -> list[str]:
    """Parse names of random changes, such as "flip,shift"."""
    names = [part.strip() for part in value.split(",")] if value.strip() not in ("", "none") else []
    unknown = [name for name in names if name not in image_training.AUGMENTATIONS]
    if unknown or len(set(names)) < len(names):
        choices = ", ".join(image_training.AUGMENTATIONS)
        raise click.BadParameter(f"expected different ones of {choices}, or none, but got {value!r}.")
    return names


def known(module: Any) -> Any:
    """A click callback that checks that a name is known in a module."""

    def check(context: Any, parameter: Any, value: str) -> str:
        try:
            module.get(value)
        except (TypeError, ValueError) as error:
            raise click.BadParameter(str(error)) from None
        return value

    return check


@click.command("train")
@click.argument("data", required=False)
@click.option("--target", multiple=True, metavar="COLUMN", help="What to predict; several, or A,B, together.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option("--categorical", multiple=True, metavar="COLUMN", help="Treat the numbers of a column as categories.")
@reading_options
@click.option("--task", type=click.Choice(["auto", "classification", "regression"]), default="auto", show_default=True)
@click.option("--embed-above", type=click.IntRange(0), default=32, show_default=True,
              help="Embed texts with more different values than this.")  # fmt: skip
@click.option("--embedding", type=click.IntRange(1, 4096), default=8, show_default=True, help="Width of embeddings.")
@click.option("--x", "x_name", default="x", show_default=True, metavar="NAME", help="Array of inputs in an NPZ file.")
@click.option("--y", "y_name", default="y", show_default=True, metavar="NAME", help="Array of targets in an NPZ file.")
@click.option(
    "--validation", type=FRACTION, default=0.2, show_default=True, help="Fraction of the samples that is held out."
)
@click.option("--layers", callback=widths, help="Widths of hidden layers; or none.  [default: 64,64; for images 64]")
@click.option("--activation", callback=known(cb.activations), default="relu", show_default=True)
@click.option("--dropout", type=FRACTION, default=0.0, show_default=True)
@click.option("--optimizer", callback=known(cb.optimizers), default="adam", show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="By default that of the optimizer.")
@click.option("--batch-size", type=click.IntRange(1), help="Samples in a step.  [default: 32; L-BFGS takes all]")
@click.option("--epochs", type=click.IntRange(1),
              help="Maximum number of epochs.  [default: 200; for images 50; for the digits 40]")  # fmt: skip
@click.option("--image-size", callback=image_size, default="64", show_default=True, metavar="SIZE",
              help="Size of the network's images: one number, or HEIGHTxWIDTH.")  # fmt: skip
@click.option("--color", type=click.Choice(["rgb", "grayscale", "rgba"]), default="rgb", show_default=True)
@click.option("--filters", callback=widths, default="16,32,64", show_default=True,
              help="Numbers of filters of convolutions, each with a pooling; or none.")  # fmt: skip
@click.option("--augment", callback=changes, default="none", show_default=True, metavar="NAMES",
              help=f"Random changes of images in training: {', '.join(image_training.AUGMENTATIONS)}.")  # fmt: skip
@click.option("--patience", type=click.IntRange(0), default=20, show_default=True,
              help="Stop after so many epochs without a better validation loss; 0 for never.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(1, 1024), help="Number of threads.  [default: as many as pay]")
@click.option("--floatx", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--save", metavar="MODEL", help="Write the trained model to this file.")
@click.option("--plot", metavar="FILE", help="Draw loss and metrics of each epoch into a .png, .svg or .pdf.")
@click.option("--tensorboard", metavar="DIR", help="Write logs for TensorBoard.")
@click.option("--no-compare", is_flag=True, help="Digits only: do not train the NumPy twin.")
@click.option("--quiet", is_flag=True, help="Print no progress and no notes.")
def command(data: str | None, **options: Any) -> None:
    """Train a network on a table or on images, and compare it with guessing.

    DATA is a .csv, .tsv, .parquet or .npz file, or - for CSV from standard input; or a folder with a folder of images
    for each class. Without DATA, a classifier of the bundled digits is trained in compiled C and again in NumPy.
    """
    kind = kind_of_data(data)
    refuse_unfit(TAKEN, kind, GIVEN[kind])
    if data is None:
        digits.run(SimpleNamespace(**options))
    elif kind == "images":
        image_training.run(data, SimpleNamespace(**options))
    else:
        table_training.run(data, SimpleNamespace(**options))


def kind_of_data(data: str | None) -> str:
    """The kind of training data. A name without a suffix must be a folder."""
    if data is None:
        return "the bundled digits"
    if os.path.isdir(data):
        return "images"
    if data != INPUT and not os.path.splitext(data)[1] and not os.path.exists(data):
        raise ValueError(f"There is no folder {data!r}.")
    return "tables"
