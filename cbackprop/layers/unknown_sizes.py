"""Shapes of which some sizes are not known before there is data: what layers make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cbackprop.tensor import Shape

__all__ = ["LARGE", "SMALL", "common", "filled", "fits", "has_unknown", "shape_between", "tried"]

# Stand for a size that is not known. Many numbers divide them, so that they can be reshaped. Where arrays of this shape
# are made, for weights or for a call in Python, the smaller ones do.
LARGE, SMALL = (2520, 5040), (12, 24)


def has_unknown(shape: Any) -> bool:
    """Whether a size is unknown behind the batch axis of a shape, or of one of a list of shapes."""
    if isinstance(shape, list):
        return any(map(has_unknown, shape))
    return shape is not None and any(size is None for size in shape[1:])


def filled(shape: Any, size: int) -> Any:
    """A shape, or a list of shapes, with this size where one is unknown."""
    if isinstance(shape, list):
        return [filled(one, size) for one in shape]
    return (*shape[:1], *(size if known is None else known for known in shape[1:]))


def fits(shape: Shape, expected: Shape) -> bool:
    """Whether an array of one shape is one of the other, but for the batch axis, where sizes may be open."""
    pairs = zip(shape[1:], expected[1:], strict=False)
    return len(shape) == len(expected) and all(open_size is None or size == open_size for size, open_size in pairs)


def tried(shape: Any, small: bool = False) -> tuple[Any, Any]:
    """Two shapes that it might turn out to be."""
    first, second = SMALL if small else LARGE
    return filled(shape, first), filled(shape, second)


def common(first: Shape, second: Shape) -> Shape:
    """What two shapes have in common: what differs is unknown.

    Raises
    ------
    ValueError
        If they have not as many axes.
    """
    if len(first) != len(second):
        raise ValueError(f"An output has {len(first)} axes for one size of the input, and {len(second)} for another.")
    return tuple(a if a == b else None for a, b in zip(first, second, strict=True))


def shape_between(function: Callable[[Any], Shape], shape: Any) -> Shape:
    """What a function of known shapes makes of one with unknown sizes: what differs in two examples is unknown.

    Where no example will do, as inputs have one size in common, only some of which know it, it is that.
    """
    first, second = tried(shape)
    try:
        return common(function(first), function(second))
    except ValueError as error:
        several = shape if isinstance(shape, list) else []
        known = {size for one in several for size in one[1:] if size is not None}
        for size in sorted(known - {1}):
            try:
                return function(filled(shape, size))
            except ValueError:
                continue
        raise error from None
