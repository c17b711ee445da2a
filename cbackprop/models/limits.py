"""Limits that `config` sets for all runs, to try out a script quickly."""

from __future__ import annotations

import warnings

from cbackprop import config

__all__ = ["limited_epochs", "limited_steps"]


def limited_epochs(epochs: int) -> int:
    """`epochs`, or the limit of `config.set_max_epochs`, with a warning."""
    most = config.max_epochs()
    if most is None or epochs <= most:
        return epochs
    warnings.warn(f"Limiting epochs to {most}, as config.set_max_epochs says.", stacklevel=3)
    return most


def limited_steps(name: str, steps: int | None) -> int | None:
    """`steps`, or the limit of `config.set_max_steps_per_epoch`, with a warning. ``None`` means all steps."""
    most = config.max_steps_per_epoch()
    if most is None or (steps is not None and steps <= most):
        return steps
    warnings.warn(f"Limiting {name} to {most}, as config.set_max_steps_per_epoch says.", stacklevel=3)
    return most
