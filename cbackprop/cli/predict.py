"""``cbackprop predict``."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cbackprop import tables
from cbackprop.cli.files import open_model, read_arrays, read_table, tell_unused

__all__ = ["command"]


@click.command("predict")
@click.argument("model")
@click.argument("data")
@click.option("--output", metavar="FILE", help="A .csv, .tsv, .parquet or .npz file; standard output by default.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Copy a column of DATA to the output.")
@click.option("--x", "x_name", default="x", show_default=True, metavar="NAME",
              help="The array of inputs in an NPZ file, for a model that takes arrays.")  # fmt: skip
def command(model: str, data: str, output: str | None, keep: tuple[str, ...], x_name: str) -> None:
    """Write what MODEL predicts for each row of DATA.

    Columns are found by name. The output has a column of the target's name and, for classes, one called NAME=CLASS
    with the probability of each.
    """
    opened = open_model(model)
    if isinstance(opened, tables.TableModel):
        table = read_table(data, opened.text_columns)
        for name in keep:
            tables.check_column(name, table)
            if name in opened.target_names:
                raise ValueError(f"--keep cannot copy {name!r}: that is the name of the prediction.")
        tables.write({name: table[name] for name in keep} | opened.results(table), output)
        tell_unused(opened, table, keep)
    else:
        tables.write(outputs_of(opened, data, x_name), output)


def outputs_of(model: Any, data: str, x_name: str) -> dict[str, Any]:
    """The outputs of a model that takes arrays, with a column for each number."""
    names = [x_name] if len(model.inputs) == 1 else model.input_names
    arrays = read_arrays(data, names)
    outputs = model.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)
    by_name = outputs if isinstance(outputs, dict) else dict(zip(model.output_names, flat(outputs), strict=True))
    return {
        f"{name}{index}": column
        for name, array in by_name.items()
        for index, column in enumerate(np.reshape(array, (len(array), -1)).T)
    }


def flat(outputs: Any) -> list[Any]:
    """One output or several, as a list."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
