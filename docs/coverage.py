"""Writes docs/coverage.md: every public name of Keras's families and classes, and whether it is here.

    KERAS_BACKEND=torch python docs/coverage.py

What is here is read from the installed packages. For what is not, `cbackprop/absent.py` says why; a name that is in
neither is an error, so that the table cannot fall behind.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import keras

import cbackprop
from cbackprop.absent import ATTRIBUTES, reason

FAMILIES = (
    "layers",
    "activations",
    "losses",
    "optimizers",
    "optimizers.schedules",
    "metrics",
    "callbacks",
    "initializers",
    "regularizers",
    "constraints",
    "models",
    "utils",
    "config",
    "saving",
    "random",
)
# All public attributes of these classes are listed.
CLASSES = ("Model", "Layer", "Optimizer", "Metric", "Loss", "Callback")

# Attributes that objects have, not their classes.
SET_WHEN_MADE = {"Layer": ("dtype",), "Metric": ("name",), "Loss": ("name",)}
# Names that PyTorch's modules have, too.
KERAS_OVERRIDES = {"compile", "summary"}
# Names that `get` needs; they are not parts of a network.
PLUMBING = {"serialize", "deserialize", "get"}


def module(package: Any, family: str) -> Any:
    """The module of a family."""
    for part in family.split("."):
        package = getattr(package, part)
    return package


def names(family: str) -> list[str]:
    """Keras's public names of a family, or of a class."""
    if family in CLASSES:
        theirs = keras.callbacks.Callback if family == "Callback" else getattr(keras, family)
        inherited = {name for base in theirs.__mro__ if not base.__module__.startswith("keras.") for name in vars(base)}
        own = {name for base in theirs.__mro__ if base.__module__.startswith("keras.") for name in vars(base)}
        # what a layer inherits of PyTorch, when it runs on that, is no name of Keras
        return sorted(name for name in own if not name.startswith("_") and name not in inherited - KERAS_OVERRIDES)
    theirs = module(keras, family)
    public = [name for name in dir(theirs) if not name.startswith("_")]
    return [name for name in public if not inspect.ismodule(getattr(theirs, name)) and name not in PLUMBING]


def status(family: str, name: str) -> str:
    """Whether the name is here; if not, whether it is planned or left out, and why.

    Raises
    ------
    LookupError
        For a name that is not here, and that nothing is said about.
    """
    ours = getattr(cbackprop, family) if family in CLASSES else module(cbackprop, family)
    if hasattr(ours, name) or name in SET_WHEN_MADE.get(family, ()):
        return "here"
    why = ATTRIBUTES[family].get(name) if family in CLASSES else reason(family, name)
    if why is None:
        raise LookupError(f"{family}.{name} of Keras is not here, and ABSENT does not say why.")
    return why


def table() -> str:
    """The whole page."""
    version = ".".join(keras.__version__.split(".")[:2])
    lines = [
        "# Keras coverage",
        "",
        f"Every public name of the families and classes of Keras {version}, and whether it is here. If you use a name",
        "that is not here, the error message gives the same reason. Made by",
        "`KERAS_BACKEND=torch python docs/coverage.py`.",
        "",
        "| family | names here | names in Keras |",
        "|---|---|---|",
    ]
    found = {family: {name: status(family, name) for name in names(family)} for family in (*FAMILIES, *CLASSES)}
    for family, states in found.items():
        lines.append(f"| {family} | {sum(state == 'here' for state in states.values())} | {len(states)} |")
    for family, states in found.items():
        lines += ["", f"## {family}", "", "| name | status |", "|---|---|"]
        lines += [f"| `{name}` | {state} |" for name, state in states.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = Path(__file__).with_suffix(".md")
    path.write_text(table())
    sys.stdout.write(f"{path}\n")
