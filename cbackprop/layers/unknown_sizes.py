"""Output shapes of layers whose input has sizes that are unknown until there is data.

The shape is computed for two example sizes. Output sizes that differ between the two are unknown as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cbackprop.layers.call_arguments import map_shapes
from cbackprop.tensor import Shape

__all__ = [
    "LARGE",
    "SMALL",
    "common_of_all",
    "examples_for",
    "filled",
    "fits",
    "has_unknown",
    "shape_between",
]

# Example sizes in place of unknown ones. They have many divisors, so reshaping works. The small ones are used if arrays
# of this shape are made, for weights or for a call in Python.
LARGE, SMALL = (2520, 5040), (12, 24)
# Tried where these are too small, such as for a layer that cuts off more. The last ones are larger than any axis.
LARGER = tuple((2520**power, 2 * 2520**power) for power in (2, 3, 4))
# What a function of shapes raises for those that it cannot take.
REFUSALS = (ValueError, OverflowError, MemoryError)


def has_unknown(shape: Any) -> bool:
    """Whether a shape, or one in a list of shapes, has an unknown size after the batch axis."""
    if isinstance(shape, list):
        return any(map(has_unknown, shape))
    return shape is not None and any(size is None for size in shape[1:])


def filled(shape: Any, size: int) -> Any:
    """A shape, or a list of shapes, with unknown sizes replaced by `size`."""
    if isinstance(shape, list):
        return [filled(one, size) for one in shape]
    return (*shape[:1], *(size if known is None else known for known in shape[1:]))


def fits(shape: Shape, expected: Shape) -> bool:
    """Whether `shape` matches `expected`, in which sizes may be unknown. The batch axis is ignored."""
    pairs = zip(shape[1:], expected[1:], strict=False)
    return len(shape) == len(expected) and all(open_size is None or size == open_size for size, open_size in pairs)


def examples_for(function: Callable[[Any], Any], shape: Any) -> tuple[Any, Any]:
    """The smallest two examples of the shape that a function of known shapes takes; small ones if it takes none."""
    for sizes in (SMALL, LARGE, *LARGER):
        first, second = (filled(shape, size) for size in sizes)
        with suppress(*REFUSALS):
            function(first)
            function(second)
            return first, second
    first, second = (filled(shape, size) for size in SMALL)
    return first, second


def common(first: Shape, second: Shape) -> Shape:
    """The common shape of two examples: sizes that differ are unknown.

    Raises
    ------
    ValueError
        If they differ in the number of axes.
    """
    if len(first) != len(second):
        raise ValueError(f"An output has {len(first)} axes for one size of the input, and {len(second)} for another.")
    return tuple(a if a == b else None for a, b in zip(first, second, strict=True))


def common_of_all(first: Any, second: Any) -> Any:
    """`common` of two structures of shapes."""
    others: list[Any] = []
    map_shapes(others.append, second)
    remaining = iter(others)
    return map_shapes(lambda shape: common(shape, next(remaining)), first)


def shape_between(function: Callable[[Any], Any], shape: Any) -> Any:
    """Apply a function of known shapes to one with unknown sizes: results that differ in two examples are unknown.

    If no example fits, the layer may need larger sizes, or several inputs must agree in a size that is known for some
    of them. Then larger sizes are tried, and those that are known. A message about an example shows ``None`` in place
    of its size, which no user knows.
    """

    def common_for(sizes: tuple[int, int]) -> Any:
        first, second = (filled(shape, size) for size in sizes)
        return common_of_all(function(first), function(second))

    try:
        return common_for(LARGE)
    except ValueError as error:
        for sizes in LARGER:
            with suppress(*REFUSALS):
                return common_for(sizes)
        several = shape if isinstance(shape, list) else []
        known = {size for one in several for size in one[1:] if size is not None}
        for size in sorted(known - {1}):
            try:
                return function(filled(shape, size))
            except ValueError:
                continue
        if not any(LARGE[0] in one for one in (several or [shape])):
            error.args = tuple(re.sub(rf"\b{LARGE[0]}\b", "None", str(text)) for text in error.args)
        raise error from None
