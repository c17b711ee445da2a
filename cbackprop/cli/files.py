"""Read the files that are given to commands: tables, arrays and models."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

import cbackprop as cb
from cbackprop import tables
from cbackprop.cli.console import note
from cbackprop.cli.image_model import ImageModel, knows_images, load_image_model

__all__ = ["check_folder", "kind_of", "open_model", "read_arrays", "tell_unused"]


def open_model(path: str) -> Any:
    """Load a `TableModel` or an `ImageModel`, or a `Model` if the file tells nothing of tables or images."""
    if knows_images(path):
        return load_image_model(path)
    return tables.load(path) if tables.knows_tables(path) else cb.models.load_model(path)


def kind_of(model: Any) -> str:
    """The kind of a model of `open_model`, for messages."""
    if isinstance(model, ImageModel):
        return "models of images"
    return "models of tables" if isinstance(model, tables.TableModel) else "models of arrays"


def read_arrays(data: str, names: Sequence[str]) -> list[Any]:
    """Read arrays from an NPZ file, for models that take arrays."""
    if not data.lower().endswith(".npz"):
        raise ValueError(f"The model takes arrays, which must be in an NPZ file, but got {data!r}.")
    tables.read(data, arrays=names)  # raises an error if something is wrong with it
    with np.load(data, allow_pickle=False) as archive:
        return [archive[name] for name in names]


def check_folder(option: str, path: str | None) -> None:
    """Check before a long computation that a file can be written at its end."""
    folder = os.path.dirname(os.path.abspath(path)) if path else "."
    if not os.path.isdir(folder):
        raise ValueError(f"{option} must be in a folder that exists, but there is no {folder!r}.")
    if path and os.path.isdir(path):
        raise ValueError(f"{option} must be the name of a file, but {path!r} is a folder.")


def tell_unused(model: tables.TableModel, table: Iterable[str], kept: Collection[str] = ()) -> None:
    """Print which columns a model ignores."""
    used = {*(column.name for column in model.encoder.columns), *model.encoder.dropped, *model.encoder.drop}
    unused = [name for name in table if name not in {*used, *model.target_names, *kept}]
    if unused:
        note(f"columns that the model does not know are ignored: {listed(unused)}")


def listed(names: Sequence[str]) -> str:
    """Names on one line, shortened if there are many."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
