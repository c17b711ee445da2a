"""The names of arrays and texts in this library's files, and checks before anything is read.

Arrays are ``weights/INDEX/PATH``, ``optimizer/INDEX/SLOT`` and ``callbacks/NUMBER``. Texts are the ``format`` with its
version, and as JSON the ``model``, the arguments of `compile` (``training``) and the ``state`` of training.
``extra/NAME`` holds additional texts of the user.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Set
from typing import Any

from numpy.typing import NDArray

from cbackprop.saving.container import Container
from cbackprop.validation import check_boolean, check_path

__all__ = [
    "ENSEMBLE",
    "EXTRA",
    "FORMAT_VERSION",
    "Path",
    "check_built",
    "check_version",
    "is_own",
    "names_in",
    "path_to_write",
    "read_json",
    "read_weights",
]

# Increased when older versions of this library cannot read new files.
FORMAT_VERSION = 2

EXTRA = "extra/"

# A text that only files of an ensemble have. The members' arrays and texts have names ``members/NUMBER/...``.
ENSEMBLE = "ensemble"

Path = str | os.PathLike[str]


def check_built(model: Any) -> None:
    """Refuse a model that has no weights yet.

    Raises
    ------
    TypeError, ValueError
        If it is not a model, or not built.
    """
    check_model(model)
    if not model.built:
        raise ValueError(f"Model {model.name!r} has no weights yet: start it with an Input, build it, or fit it.")


def check_model(model: Any) -> None:
    """Raise ``TypeError`` for anything that is not a model."""
    if not getattr(model, "is_model", False):
        raise TypeError(f"Expected a model, but got {type(model).__name__}.")


def path_to_write(model: Any, filepath: Path, overwrite: bool) -> str:
    """Check the model and return the path to write it to.

    Raises
    ------
    TypeError, ValueError, FileExistsError
        If the model cannot be written, or the path must not be.
    """
    check_model(model)
    path = check_path("filepath", filepath)
    if not check_boolean("overwrite", overwrite) and os.path.exists(path):
        raise FileExistsError(f"{path!r} exists, and overwrite is False.")
    return path


def check_version(file: Container) -> None:
    """Refuse a file that this version cannot read.

    Raises
    ------
    ValueError
        If the file was not written by this library, or by a newer version.
    """
    name, _, number = file.texts.get("format", "").partition(" ")
    if name != "cbackprop" or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise ValueError(f"{file.path!r} is not a model saved by cbackprop.")
    if int(number) > FORMAT_VERSION:
        raise ValueError(f"{file.path!r} was made by a newer version of cbackprop: its format is {number}.")


def is_own(file: Container) -> bool:
    """Whether any version of this library wrote a file."""
    return file.texts.get("format", "").startswith("cbackprop ")


def read_json(file: Container, name: str) -> Any:
    """One of the texts, which must be a dict in JSON.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    try:
        value = json.loads(file.texts.get(name, ""))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file.path!r} is damaged: its {name} is not JSON.") from error
    if not isinstance(value, dict):
        raise ValueError(f"{file.path!r} is damaged: its {name} is not a dict.")
    return value


def names_in(file: Container, part: str) -> dict[str, str]:
    """The names of the arrays in one part of the file, each with the rest of its name after the part's."""
    return {name: name[len(part) + 1 :] for name in file.names if name.startswith(f"{part}/")}


def read_weights(
    file: Container, model: Any, skip_mismatch: bool = False, kept: Set[Any] = frozenset()
) -> list[NDArray[Any] | None]:
    """The arrays for the model's variables, in order; ``None`` for variables that are `kept` or skipped.

    Weights are matched by their order. With `skip_mismatch` and a different number of weights, they are matched by
    their paths.

    Raises
    ------
    ValueError
        If they do not match.
    """
    by_index: dict[str, str] = {}
    for name, rest in names_in(file, "weights").items():
        number = rest.partition("/")[0]
        if number in by_index:
            raise ValueError(f"{file.path!r} is damaged: it holds weight {number} twice.")
        by_index[number] = name
    variables = model.variables
    places = {variable: by_index.get(str(index)) for index, variable in enumerate(variables)}
    wanted = {str(index) for index, variable in enumerate(variables) if variable not in kept}
    if not wanted <= set(by_index) or len(by_index) > len(variables):
        message = f"{file.path!r} holds {len(by_index)} weights, but the model has {len(variables)}."
        if not skip_mismatch:
            raise ValueError(message)
        by_path = {name.split("/", 2)[2]: name for name in by_index.values()}
        places = {variable: by_path.get(variable.path) for variable in variables}
        left = [variable.path for variable, name in places.items() if name is None]
        warnings.warn(f"{message} Weights that do not match by path are not changed: {left}.", stacklevel=4)
    return [
        None if variable in kept or name is None else _read_weight(file, variable, name, skip_mismatch)
        for variable, name in places.items()
    ]


def _read_weight(file: Container, variable: Any, name: str, skip_mismatch: bool) -> NDArray[Any] | None:
    shape = file.shape(name)
    if shape == variable.shape:
        return file.array(name)
    message = f"{file.path!r} holds {name!r} of shape {shape}, but {variable.path!r} has {variable.shape}."
    if not skip_mismatch:
        raise ValueError(message)
    warnings.warn(f"{message} It is not changed.", stacklevel=6)
    return None
