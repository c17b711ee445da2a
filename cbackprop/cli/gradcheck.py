"""``cbackprop gradcheck``."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from cbackprop import tables
from cbackprop.cli.console import note, say
from cbackprop.cli.files import open_model, read_arrays
from cbackprop.cli.image_model import ImageModel
from cbackprop.cli.reading import reading_options, table_for
from cbackprop.cli.table_training import with_targets
from cbackprop.tensor import map_structure

__all__ = ["command"]

# The largest difference between a correct gradient and central differences in float64, from rounding and curvature.
TOLERANCE = 1e-5


@click.command("gradcheck")
@click.argument("model")
@click.argument("data", required=False)
@click.option("--rows", type=click.IntRange(1), default=8, show_default=True, help="How many samples to check with.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of samples, without DATA.")
@click.option("--x", "x_name", default="x", show_default=True, metavar="NAME",
              help="The array of inputs in an NPZ file, for a model that takes arrays.")  # fmt: skip
@click.option("--y", "y_name", default="y", show_default=True, metavar="NAME", help="The array of targets.")
@reading_options
def command(model: str, data: str | None, rows: int, seed: int, x_name: str, y_name: str, **reading: Any) -> int:
    """Compare each gradient of MODEL with central differences, on DATA or random samples.

    The exit code is 1 if one of them is wrong.
    """
    opened = open_model(model)
    network = opened.model if isinstance(opened, (tables.TableModel, ImageModel)) else opened
    if data is not None and isinstance(opened, ImageModel):
        raise ValueError("The gradients of a model for images are checked on random images: leave DATA out.")
    if data is None:
        x, y = random_samples(opened, network, rows, np.random.default_rng(seed))
    elif isinstance(opened, tables.TableModel):
        table = table_for(opened, data, opened.column_names + opened.target_names, reading)
        whole = with_targets(table, opened.target_names, note)
        table = {name: column[:rows] for name, column in whole.items()}
        x, y = opened.inputs(table), opened.outputs(table)
    else:
        x, y = (array[:rows] for array in read_arrays(data, [x_name, y_name]))
    report = network.check_gradients(x, y)
    for line in str(report).splitlines():
        say(line, indent="  ")
    return int(not report.max_relative_error < TOLERANCE)


def random_samples(opened: Any, network: Any, rows: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Random inputs and targets for a model."""
    inputs: dict[str, Any] = {}
    for tensor in network.inputs:
        if tensor.name == "categories" and isinstance(opened, tables.TableModel):
            inputs[tensor.name] = rng.integers(opened.encoder.vocabulary, size=(rows, *tensor.shape[1:]))
        elif tensor.dtype not in ("float32", "float64"):
            raise ValueError(f"Input {tensor.name!r} takes {tensor.dtype}: give DATA to check the gradients with.")
        else:
            inputs[tensor.name] = rng.normal(size=(rows, *tensor.shape[1:]))
    losses = losses_of(network)
    targets = [
        random_targets(tensor.shape[1:], rows, "sparse" in repr(loss).lower(), rng)
        for tensor, loss in zip(network.outputs, losses, strict=True)
    ]
    x = map_structure(lambda tensor: inputs[tensor.name], network.input_structure)
    return x, targets[0] if len(targets) == 1 else targets


def losses_of(network: Any) -> list[Any]:
    """The loss of each output."""
    loss = network.compile_settings().get("loss")
    if isinstance(loss, dict):
        return [loss.get(name) for name in network.output_names]
    return list(loss) if isinstance(loss, (list, tuple)) else [loss] * len(network.outputs)


def random_targets(shape: tuple[int, ...], rows: int, sparse: bool, rng: np.random.Generator) -> Any:
    """Random class numbers, or random one-hot rows, which are valid targets for every other loss."""
    classes = rng.integers(max(shape[-1], 2), size=(rows, *shape[:-1]))
    if sparse:
        return classes
    return np.eye(shape[-1])[classes] if shape[-1] > 1 else classes[..., np.newaxis].astype(float)
