"""Open sizes of axes, which a graph gives by name, and their products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Product", "Size", "quotient", "simplest", "terms", "times"]


class Product(NamedTuple):
    """A number times open sizes, given by name; a size occurs once for each power. Never just one open size."""

    factor: int
    names: tuple[str, ...]


# The size of an axis: a number, the name of an open one, or a product.
Size = int | str | Product


def terms(size: Size) -> Product:
    """A size as a number and open sizes."""
    if isinstance(size, Product):
        return size
    return Product(size, ()) if isinstance(size, int) else Product(1, (size,))


def simplest(factor: int, names: Iterable[str]) -> Size:
    """A number times open sizes, as a plain number or name if possible."""
    found = tuple(sorted(names))
    if not found or factor == 0:
        return factor
    return found[0] if factor == 1 and len(found) == 1 else Product(factor, found)


def times(sizes: Iterable[Size]) -> Size:
    """The product of sizes."""
    factor = 1
    names: list[str] = []
    for size in sizes:
        part = terms(size)
        factor *= part.factor
        names += part.names
    return simplest(factor, names)


def quotient(size: Size, by: Size) -> Size | None:
    """One size divided by another; ``None`` if the result is not a size."""
    (a, names), (b, others) = terms(size), terms(by)
    left = Counter(names)
    left.subtract(others)
    if b <= 0 or a % b or min(left.values(), default=0) < 0:
        return None
    return simplest(a // b, left.elements())
