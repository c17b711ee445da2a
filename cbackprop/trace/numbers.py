"""Numbers and small arrays as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "factor", "fitted", "matrix_lines", "number", "shape_of", "signed", "sum_in_figures", "summary"]

Array = NDArray[Any]

COLUMNS = 80  # of a line
MOST_ROWS, MOST_COLUMNS = 8, 7  # of an array that is shown whole
MOST_TERMS = 6  # of a sum


def number(value: Any, digits: int = 4) -> str:
    """A number with this many significant digits and a true minus sign."""
    value = float(value)
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    text = f"{mantissa}e{int(exponent)}" if exponent else mantissa
    return text.replace("-", "\N{MINUS SIGN}")


def factor(value: Any) -> str:
    """A number after a multiplication sign: in brackets if it is negative."""
    return f"({number(value)})" if float(value) < 0 else number(value)


def signed(value: Any) -> str:
    """A term of a sum, with its sign in front."""
    text = number(value)
    minus = "\N{MINUS SIGN}"
    return f"{minus} {text[1:]}" if text.startswith(minus) else f"+ {text}"


def sum_in_figures(factors: list[tuple[Any, Any]], rest: Any = None) -> str:
    """A sum of products: ``0.5·0 − 0.6·1 + 0.1``."""
    terms = []
    for left, right in factors[:MOST_TERMS]:
        sign = "−" if float(left) < 0 else "+"
        terms.append((sign, f"{number(abs(float(left)))}·{factor(right)}"))
    if len(factors) > MOST_TERMS:
        terms.append(("+", f"… ({len(factors) - MOST_TERMS} more)"))
    if rest is not None:
        terms.append(("−" if float(rest) < 0 else "+", number(abs(float(rest)))))
    text = " ".join(f"{sign} {term}" for sign, term in terms)
    return text.removeprefix("+ ").replace("− ", "−", 1) if text.startswith("−") else text.removeprefix("+ ")


def shape_of(array: Array) -> str:
    """A shape as text: ``(4,2)``."""
    return f"({','.join(map(str, array.shape))})"


def fitted(line: str) -> str:
    """A line, cut off at the last column."""
    return line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "\N{HORIZONTAL ELLIPSIS}"


def summary(array: Array) -> str:
    """Range, mean and first values of an array that is too large to be shown."""
    if array.size == 0:
        return "empty"
    values = np.asarray(array, np.float64).ravel()
    first = " ".join(number(value, 3) for value in values[:3])
    return f"{number(values.min(), 3)} to {number(values.max(), 3)}, mean {number(values.mean(), 3)}: {first} …"


def matrix_lines(array: Array, indent: int = 4) -> list[str]:
    """The numbers of a small array in columns, or a summary of a large one."""
    rows = array.reshape(1, -1) if array.ndim < 2 else array.reshape(-1, array.shape[-1])
    if rows.shape[0] > MOST_ROWS or rows.shape[1] > MOST_COLUMNS or array.size == 0:
        return [fitted(" " * indent + summary(array))]
    return [fitted(" " * indent + " ".join(f"{number(value):>10}" for value in row)) for row in rows]
