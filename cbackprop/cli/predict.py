"""``cbackprop predict``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click
import numpy as np

from cbackprop import tables
from cbackprop.cli.files import kind_of, open_model, read_arrays, tell_unused
from cbackprop.cli.image_files import images_in
from cbackprop.cli.image_model import ImageModel
from cbackprop.cli.reading import READING, reading_options, table_for
from cbackprop.cli.unfit import refuse_unfit

__all__ = ["command"]

TAKEN = {
    "models of images": {"model", "data", "output"},
    "models of tables": {"model", "data", "output", "keep", *READING},
    "models of arrays": {"model", "data", "output", "x_name"},
}


@click.command("predict")
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@click.option("--output", metavar="FILE", help="A .csv, .tsv, .parquet or .npz file; standard output by default.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Copy a column of DATA to the output.")
@click.option("--x", "x_name", default="x", show_default=True, metavar="NAME",
              help="The array of inputs in an NPZ file, for a model that takes arrays.")  # fmt: skip
@reading_options
def command(
    model: str, data: tuple[str, ...], output: str | None, keep: tuple[str, ...], x_name: str, **reading: Any
) -> None:
    """Write what MODEL predicts for each row of DATA, or for each image.

    Columns are found by name. The output has a column of the target's name and, for classes, one called NAME=CLASS
    with the probability of each.

    A model of images takes files and folders of images. For each image it writes file, class and probability; with
    --output, the probability of each class as well.
    """
    opened = open_model(model)
    refuse_unfit(TAKEN, kind_of(opened), f"{model!r} is one of {kind_of(opened).split()[-1]}")
    if isinstance(opened, ImageModel):
        tables.write(classes_of(opened, data, complete=output is not None), output)
        return
    if len(data) > 1:
        raise click.UsageError(f"Only a model of images takes several files, but got {len(data)}.")
    if isinstance(opened, tables.TableModel):
        table = table_for(opened, data[0], opened.column_names, reading)
        results = opened.results(table)
        for name in keep:
            tables.check_column(name, table)
            if name in results:
                raise ValueError(f"--keep cannot copy {name!r}: that is the name of a prediction.")
        tables.write({name: table[name] for name in keep} | results, output)
        tell_unused(opened, table, keep)
    else:
        tables.write(outputs_of(opened, data[0], x_name), output)


def classes_of(model: ImageModel, data: Sequence[str], complete: bool) -> dict[str, Any]:
    """The class of each image and its probability, and those of all classes if they are wanted."""
    paths = [
        path for name in data for path in (images_in(name, labels=None).file_paths if os.path.isdir(name) else [name])
    ]
    probabilities = model.predict(paths)
    if not complete:
        probabilities = probabilities.astype(np.float64).round(4)  # for reading
    chosen = probabilities.argmax(axis=1)
    columns = {
        "file": np.array(paths, object),
        "class": np.array([model.class_names[number] for number in chosen], object),
        "probability": probabilities.max(axis=1),
    }
    if complete:
        columns |= {f"class={name}": probabilities[:, number] for number, name in enumerate(model.class_names)}
    return columns


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
