"""The names that layers get by themselves: the class in snake case, numbered from the second of a process on."""

from __future__ import annotations

import functools
import gc
import re
from collections import Counter

from cbackprop.validation import check_boolean

__all__ = ["clear_names", "snake_case", "unique_name"]

# Classes that Keras publishes under another name than the one that it makes names of.
PUBLISHED_AS = {"GroupQueryAttention": "GroupedQueryAttention"}

_names: Counter[str] = Counter()


@functools.cache
def snake_case(class_name: str) -> str:
    """``"rms_normalization"`` for ``"RMSNormalization"``, ``"p_re_lu"`` for ``"PReLU"``, as Keras does it."""
    base = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", PUBLISHED_AS.get(class_name, class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", base).lower()


def unique_name(class_name: str) -> str:
    """``"dense"`` for the first Dense of the process, then ``"dense_1"``, and so on."""
    base = snake_case(class_name)
    _names[base] += 1
    return base if _names[base] == 1 else f"{base}_{_names[base] - 1}"


def clear_names(free_memory: bool = True) -> None:
    """Start counting automatic names from the start.

    Parameters
    ----------
    free_memory : bool, default True
        Whether Python looks for objects that only hold each other, such as models that are not used any more.

    Raises
    ------
    TypeError
        If `free_memory` is not a bool.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.clear_session()
    >>> cb.layers.Dense(1).name
    'dense'
    """
    if not isinstance(free_memory, bool):
        check_boolean("free_memory", free_memory)
    _names.clear()
    if free_memory:
        gc.collect()
