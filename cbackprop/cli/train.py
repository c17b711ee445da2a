"""``cbackprop train``: the options of the command."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import click
from click.core import ParameterSource

import cbackprop as cb
from cbackprop.cli import digits, table_training

__all__ = ["command"]

# The options that training on the digits takes; all others are for tables.
FOR_DIGITS = ("epochs", "batch_size", "seed", "threads", "save", "plot", "no_compare", "quiet")
FRACTION = click.FloatRange(0, 1, max_open=True)


def widths(context: Any, parameter: Any, value: str) -> list[int]:
    """Parse widths such as "64,32"."""
    parts = [part.strip() for part in value.split(",")] if value.strip() not in ("", "none") else []
    if not all(part.isascii() and part.isdigit() and 0 < int(part) <= 2**20 for part in parts):
        raise click.BadParameter(f"expected widths such as 64,32, or none, but got {value!r}.")
    return [int(part) for part in parts]


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
@click.option("--task", type=click.Choice(["auto", "classification", "regression"]), default="auto", show_default=True)
@click.option("--embed-above", type=click.IntRange(0), default=32, show_default=True,
              help="Embed texts with more different values than this.")  # fmt: skip
@click.option("--embedding", type=click.IntRange(1, 4096), default=8, show_default=True, help="Width of embeddings.")
@click.option("--x", "x_name", default="x", show_default=True, metavar="NAME", help="Array of inputs in an NPZ file.")
@click.option("--y", "y_name", default="y", show_default=True, metavar="NAME", help="Array of targets in an NPZ file.")
@click.option(
    "--validation", type=FRACTION, default=0.2, show_default=True, help="Fraction of the rows that is held out."
)
@click.option("--layers", callback=widths, default="64,64", show_default=True, help="Widths of hidden layers; or none.")
@click.option("--activation", callback=known(cb.activations), default="relu", show_default=True)
@click.option("--dropout", type=FRACTION, default=0.0, show_default=True)
@click.option("--optimizer", callback=known(cb.optimizers), default="adam", show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="By default that of the optimizer.")
@click.option("--batch-size", type=click.IntRange(1), help="Rows in a step.  [default: 32; L-BFGS takes all]")
@click.option("--epochs", type=click.IntRange(1), help="Maximum number of epochs.  [default: 200; for the digits 40]")
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
@click.pass_context
def command(context: click.Context, data: str | None, **options: Any) -> None:
    """Train a network on a table, and compare it with guessing.

    DATA is a .csv, .tsv, .parquet or .npz file, or - for CSV from standard input. Without DATA, a classifier of the
    bundled digits is trained in compiled C and again in NumPy.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if name != "data" and given and (name == "no_compare" if data else name not in FOR_DIGITS):
            what = "is for the bundled digits, without DATA" if data else "is for tables: it needs DATA"
            raise click.UsageError(f"{parameter.opts[0]} {what}.")
    if data is None:
        digits.run(SimpleNamespace(**options))
    else:
        table_training.run(data, SimpleNamespace(**options))
