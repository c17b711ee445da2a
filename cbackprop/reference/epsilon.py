"""The small number that keeps logarithms and quotients finite: the twin's own, set by `cbackprop.config`."""

from __future__ import annotations

__all__ = ["epsilon", "set_epsilon"]

_epsilon = 1e-7


def set_epsilon(value: float) -> None:
    """Take another one from now on."""
    global _epsilon
    _epsilon = value


def epsilon() -> float:
    """The one in use."""
    return _epsilon
