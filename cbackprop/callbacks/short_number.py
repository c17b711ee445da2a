"""Short forms of numbers for progress lines."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["short_number"]

# Numbers of at least LARGE, or below SMALL, are written as powers of ten.
LARGE = 1e7
SMALL = 1e-3


def short_number(value: Any, decimals: int = 4) -> str:
    """Format a number, or those of an array, with so many decimals; very large and small ones as powers of ten."""
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=decimals)
    size = abs(value)
    if LARGE <= size < np.inf:
        return f"{value:.2e}"
    return f"{value:.{decimals}f}" if size == 0 or not size < SMALL else f"{value:.{decimals}e}"
