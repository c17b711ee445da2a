"""Settings of the whole process: the default float type and the number of threads."""

from __future__ import annotations

__all__ = ["epsilon", "floatx", "set_floatx"]

FLOAT_TYPES = ("float32", "float64")

_floatx = "float32"


def floatx() -> str:
    """The float type of layers made from now on, ``"float32"`` unless set.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.floatx()
    'float32'
    """
    return _floatx


def set_floatx(value: str) -> None:
    """Set the float type of layers made from now on.

    Parameters
    ----------
    value : {"float32", "float64"}

    Raises
    ------
    ValueError
        For any other type.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_floatx("float64")
    >>> cb.config.floatx()
    'float64'
    >>> cb.config.set_floatx("float32")
    """
    global _floatx
    _floatx = check_float_type(value)


def check_float_type(dtype: object) -> str:
    """`dtype` as one of the two names that the compiled code knows.

    Raises
    ------
    ValueError
        If it is neither ``"float32"`` nor ``"float64"``.
    """
    name = getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or dtype
    if name not in FLOAT_TYPES:
        raise ValueError(f"Expected dtype 'float32' or 'float64', but got {dtype!r}.")
    return str(name)


def epsilon() -> float:
    """The small number that keeps logarithms of probabilities finite: 1e-7, as in Keras."""
    return 1e-7
