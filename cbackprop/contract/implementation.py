"""Find the classes that implement specs: compiled ones, and their twins in NumPy."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

__all__ = ["find", "name_of"]

# The suffix of compiled classes for each float type, by NumPy's code of the type.
SUFFIXES = {"f": "32", "d": "64"}


def find(package: str, path: str, dtype: Any = None) -> Any:
    """The class that implements a spec.

    Parameters
    ----------
    package : str
        ``"compiled"`` or ``"reference"``, or a package below one of these.
    path : str
        ``module.Class`` below that package of this library, or ``other:module.Class`` for the same in package `other`.
    dtype : dtype-like, optional
        The float type in which it computes. It chooses between ``Class32`` and ``Class64`` if these exist.

    Raises
    ------
    ValueError
        For another dtype. A loss or metric checks its own, but not one that is set as an attribute later.
    """
    owner, _, inner = path.rpartition(":")
    name_of_module, _, name = inner.rpartition(".")
    module = importlib.import_module(f"{owner or 'cbackprop'}.{package}.{name_of_module}")
    typed = name if dtype is None else name + _suffix(dtype)
    for each in (typed, name):
        if hasattr(module, each):
            return getattr(module, each)
    wanted = name if typed == name else f"{typed}, or {name} for both float types"
    raise AttributeError(f"module {module.__name__!r} has no class {wanted}", name=typed, obj=module)


def _suffix(dtype: Any) -> str:
    try:
        return SUFFIXES[np.dtype(dtype).char]
    except (KeyError, TypeError):
        raise ValueError(f"dtype must be 'float32' or 'float64', but got {dtype!r}.") from None


def name_of(implementation: Any) -> str:
    """The name of an implementation's class in messages: without the suffix of its float type."""
    name = type(implementation).__name__
    return next((name.removesuffix(suffix) for suffix in SUFFIXES.values() if name.endswith(suffix)), name)
