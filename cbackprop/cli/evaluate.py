"""``cbackprop evaluate``."""

from __future__ import annotations

from typing import Any

import click

from cbackprop import tables
from cbackprop.cli.console import counted, note, number, show_grid, show_scores
from cbackprop.cli.files import kind_of, open_model, read_arrays, tell_unused
from cbackprop.cli.image_files import images_in
from cbackprop.cli.image_model import INTERPOLATION, ImageModel
from cbackprop.cli.image_training import show_results
from cbackprop.cli.reading import READING, reading_options, table_for
from cbackprop.cli.table_training import count_rows, with_targets
from cbackprop.cli.unfit import refuse_unfit

__all__ = ["command"]

TAKEN = {
    "models of images": {"model", "data"},
    "models of tables": {"model", "data", "held_out", *READING},
    "models of arrays": {"model", "data", "x_name", "y_name"},
}


@click.command("evaluate")
@click.argument("model")
@click.argument("data")
@click.option("--x", "x_name", default="x", show_default=True, metavar="NAME",
              help="The array of inputs in an NPZ file, for a model that takes arrays.")  # fmt: skip
@click.option("--y", "y_name", default="y", show_default=True, metavar="NAME", help="The array of targets.")
@click.option("--held-out", is_flag=True, help="Score only the rows of the training table that were held out.")
@reading_options
def command(model: str, data: str, x_name: str, y_name: str, held_out: bool, **reading: Any) -> None:
    """Score the predictions of MODEL for DATA, which must contain the targets.

    For a model of images, DATA is a folder with a folder for each class.
    """
    opened = open_model(model)
    refuse_unfit(TAKEN, kind_of(opened), f"{model!r} is one of {kind_of(opened).split()[-1]}")
    if isinstance(opened, ImageModel):
        images = images_in(
            data,
            class_names=opened.class_names,
            color_mode=opened.color_mode,
            image_size=opened.size,
            interpolation=INTERPOLATION,
        )
        show_results(opened, images, images, counted(len(images.file_paths), "image"))
        return
    if not isinstance(opened, tables.TableModel):
        x, y = read_arrays(data, [x_name, y_name])
        scores = opened.evaluate(x, y, verbose=0, return_dict=True)
        show_grid(counted(len(x), "sample"), ("", "model"), [(name, number(value)) for name, value in scores.items()])
        return
    table = table_for(opened, data, opened.column_names + opened.target_names, reading)
    table = with_targets(table, opened.target_names, note)
    what = counted(count_rows(table), "row")
    split = opened.split
    if held_out:
        if split is None:
            raise ValueError(f"{model!r} does not know which rows were held out.")
        table = split.held_out(table)
        what = f"{counted(count_rows(table), 'row')} held out"
    elif split is not None and split.fits(table):
        rest = "; --held-out scores the rows that were held out" if split.share else ""
        note(f"this is the table that the model was trained on, so the scores are better than on new rows{rest}")
    scores, trivial = opened.evaluate(table), opened.baseline(table)
    tell_unused(opened, table)
    show_scores(what, scores, trivial, opened.targets)
