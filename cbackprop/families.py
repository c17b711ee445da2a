"""The families of what configs mention by name (layers, losses and so on), each a `Registry`.

They are listed here, because a config of one family holds objects of others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cbackprop.registry import Registry

__all__ = ["add_family", "families", "family_of"]

# By the public module in which users find them, such as "losses".
families: dict[str, Registry] = {}


def add_family(family: Registry) -> None:
    """List a new family."""
    families[family.module] = family


def family_of(value: Any) -> Registry | None:
    """The family whose base class a user's object derives from; ``None`` if there is none."""
    for family in families.values():
        if family.base is not None and isinstance(value, family.base):
            return family
    return None
