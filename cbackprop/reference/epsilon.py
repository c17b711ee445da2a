"""The twin's small number that keeps logarithms and quotients finite. `cbackprop.config` sets it."""

from __future__ import annotations

__all__ = ["epsilon", "set_epsilon"]

_epsilon = 1e-7


def set_epsilon(value: float) -> None:
    """Set the small number."""
    global _epsilon
    _epsilon = value


def epsilon() -> float:
    """The small number."""
    return _epsilon
