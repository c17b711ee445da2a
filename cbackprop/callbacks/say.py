"""Say something to the user."""

from __future__ import annotations

from cbackprop.distribution.setting import writes_files

__all__ = ["say"]


def say(text: str) -> None:
    """Print a line at once. Where ranks train together, rank 0 alone does so."""
    if writes_files():
        print(text, flush=True)
