"""The labels of classes that a model tells apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.validation import ArgumentTypeError

__all__ = ["checked_class_names"]


def checked_class_names(names: Any) -> list[str | int]:
    """A checked list of the labels of classes.

    Raises
    ------
    TypeError
        If it is not a list of strings or of integers.
    """
    given = names.tolist() if isinstance(names, np.ndarray) and names.ndim == 1 else names
    labels: list[Any] = list(given) if isinstance(given, (list, tuple)) else [None]
    labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if not all(isinstance(label, (str, int)) and not isinstance(label, bool) for label in labels):
        raise ArgumentTypeError(f"class_names must be a list of strings or of integers, but got {names!r}.")
    return labels
