"""Print messages for the user."""

from __future__ import annotations

from cbackprop.distribution.setting import writes_files

__all__ = ["say"]


def say(text: str) -> None:
    """Print a line immediately. If ranks train together, only rank 0 prints."""
    if writes_files():
        print(text, flush=True)
