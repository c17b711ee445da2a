"""Shapes that users give: of an input, of a sample, of a weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.tensor import Shape
from cbackprop.validation import check_integer, check_items, check_memory

__all__ = ["check_input_shape", "check_shape", "check_sizes"]


def check_input_shape(shape: Any) -> Any:
    """`shape` as a tuple of integers, ``(batch, ...)``, or a list of such tuples. The batch's may be ``None``.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If a size is negative.
    """
    what = "a tuple such as (None, 3), the batch axis first, or a list of such tuples"
    sizes = check_items("input_shape", shape, what)
    if sizes and all(isinstance(size, (list, tuple)) or size is None for size in sizes) and any(sizes):
        return [None if size is None else check_input_shape(size) for size in sizes]
    if not sizes or (sizes[0] is not None and not isinstance(sizes[0], (int, np.integer))):
        raise TypeError(f"input_shape must be {what}, but got {shape!r}.")
    batch = None if sizes[0] is None else check_integer("the batch axis of input_shape", sizes[0], 1)
    return (batch, *check_sizes("input_shape without the batch axis", tuple(sizes[1:])))


def check_sizes(name: str, shape: Any) -> Shape:
    """`shape` as a tuple of integers, and of ``None`` for sizes that are known when there is data. Sizes may be 0.

    Raises
    ------
    TypeError, ValueError
        As `check_shape`.
    """
    if not isinstance(shape, (list, tuple)) or None not in shape:
        return check_shape(name, shape, minimum=0)
    known = iter(check_shape(name, tuple(size for size in shape if size is not None), minimum=0))
    return tuple(None if size is None else next(known) for size in shape)


def check_shape(name: str, shape: Any, minimum: int = 1) -> tuple[int, ...]:
    """`shape` as a tuple of integers from `minimum` on.

    Raises
    ------
    TypeError
        If it is no sequence of integers.
    ValueError
        If a dimension is smaller.
    """
    if type(shape) is tuple and all(type(size) is int and minimum <= size < 2**48 for size in shape):
        check_memory(name, shape)  # as nearly always; what follows takes several times as long
        return shape
    if isinstance(shape, (int, np.integer)) and not isinstance(shape, bool):
        shape = (shape,)
    sizes = check_items(name, shape, "a tuple of integers")
    if any(size is None for size in sizes):
        raise ValueError(f"{name} must be known in every dimension, but got {tuple(sizes)}.")
    checked = tuple(check_integer(f"every dimension of {name}", size, minimum) for size in sizes)
    check_memory(name, checked)
    return checked
