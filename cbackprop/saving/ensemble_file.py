"""Save and load the models of an ensemble in one file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from cbackprop.saving import container
from cbackprop.saving.container import Container, Part
from cbackprop.saving.contents import (
    ENSEMBLE,
    FORMAT_VERSION,
    Path,
    check_built,
    check_version,
    path_to_write,
    read_json,
)
from cbackprop.saving.custom_objects import CustomObjectScope
from cbackprop.saving.kinds import FOR_KERAS, check_suffix, kind_of
from cbackprop.saving.model_file import read_model, texts_of, training_config, warn_of_losses
from cbackprop.saving.weights_file import contents_of
from cbackprop.validation import check_boolean, check_integer, check_path

__all__ = ["load_members", "save_members"]

MEMBERS = "members/"


def save_members(models: Sequence[Any], filepath: Path, overwrite: bool) -> None:
    """Write models to a safetensors file, each as `save_model` writes it.

    Raises
    ------
    TypeError, ValueError, FileExistsError, OSError
        See `save_model`. An existing file is then unchanged.
    """
    path = path_to_write(models[0], filepath, overwrite)
    check_suffix(path, "model")
    if path.endswith(FOR_KERAS["model"]):
        raise ValueError(f"Ensembles are saved as safetensors files, because Keras has none, but got {path!r}.")
    arrays: dict[str, NDArray[Any]] = {}
    texts = {"format": f"cbackprop {FORMAT_VERSION}", ENSEMBLE: json.dumps({"models": len(models)})}
    for number, model in enumerate(models):
        check_built(model)
        warn_of_losses(model, 4)
        prefix = f"{MEMBERS}{number}/"
        its_arrays, its_texts = contents_of(model, texts_of(model, training_config(model)))
        arrays |= {prefix + name: array for name, array in its_arrays.items()}
        texts |= {prefix + name: text for name, text in its_texts.items()}
    container.write(path, arrays, texts)


def load_members(filepath: Path, custom_objects: dict[str, Any] | None, compile: bool) -> list[Any]:
    """The models that `save_members` wrote.

    Raises
    ------
    TypeError, ValueError, OSError
        See `load_model`.
    """
    path, compiled = check_path("filepath", filepath), check_boolean("compile", compile)
    if kind_of(path) != "safetensors":
        raise ValueError(f"{path!r} is not an ensemble saved by cbackprop.")
    with CustomObjectScope(custom_objects), container.read(path) as file:
        check_version(file)
        if ENSEMBLE not in file.texts:
            raise ValueError(f"{path!r} contains a single model, not an ensemble: use models.load_model.")
        models = []
        for part in _parts(file):  # not a comprehension, which would add a frame in warnings
            models.append(read_model(part, compiled))
        return models


def _parts(file: Container) -> list[Part]:
    """The part of each model."""
    count = check_integer("models", read_json(file, ENSEMBLE).get("models"), 1, 2**31)
    names: dict[str, list[str]] = defaultdict(list)
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for name in file.names:
        number, rest = _divided(name)
        names[number].append(rest)
    for name, text in file.texts.items():
        number, rest = _divided(name)
        texts[number][rest] = text
    if any("model" not in texts[str(number)] for number in range(count)):
        raise ValueError(f"{file.path!r} is damaged: some of its {count} models are missing.")
    numbers = map(str, range(count))
    return [Part(file, f"{MEMBERS}{number}/", names[number], texts[number]) for number in numbers]


def _divided(name: str) -> tuple[str, str]:
    """The number of the model, and the rest of the name; empty strings for names that belong to no model."""
    number, _, rest = name.removeprefix(MEMBERS).partition("/")
    return (number, rest) if name.startswith(MEMBERS) else ("", "")
