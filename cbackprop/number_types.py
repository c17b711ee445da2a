"""The number types of networks and of their data, by name."""

from __future__ import annotations

__all__ = ["FLOAT_TYPES", "INTEGER_TYPES", "check_float_type", "check_input_type"]

FLOAT_TYPES = ("float32", "float64")
INTEGER_TYPES = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))


def check_float_type(dtype: object) -> str:
    """`dtype` as the name of one of the two float types of compiled code.

    Raises
    ------
    ValueError
        If it is neither ``"float32"`` nor ``"float64"``.
    """
    name = getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or dtype
    if not isinstance(name, str) or name not in FLOAT_TYPES:
        raise ValueError(f"Expected dtype 'float32' or 'float64', but got {dtype!r}.")
    return str(name)


def check_input_type(dtype: object) -> str:
    """`dtype` as the name of a float type or an integer type. Integers are passed between layers as floats.

    Raises
    ------
    ValueError
        If it is neither.
    """
    name = str(getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or dtype)
    return name if name in INTEGER_TYPES else check_float_type(dtype)
