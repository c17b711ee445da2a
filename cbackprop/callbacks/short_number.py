"""Numbers as people read them in a line of progress."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["short_number"]

# From here on, and below, numbers are written as powers of ten.
LARGE = 1e7
SMALL = 1e-3


def short_number(value: Any, decimals: int = 4) -> str:
    """A number, or those of an array, with so many decimals, or as a power of ten where these would not tell it."""
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=decimals)
    size = abs(value)
    if LARGE <= size < np.inf:
        return f"{value:.2e}"
    return f"{value:.{decimals}f}" if size == 0 or not size < SMALL else f"{value:.{decimals}e}"
