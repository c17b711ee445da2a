"""Settings of the whole process: the default float type and the number of threads."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cbackprop import compiled, threads
from cbackprop.validation import check_integer
from cbackprop.version import __version__

__all__ = ["epsilon", "floatx", "get_num_threads", "num_threads", "set_floatx", "set_num_threads", "show"]

FLOAT_TYPES = ("float32", "float64")
INTEGER_TYPES = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))

_floatx = "float32"
# Of layers that are made while a copy of another float type is.
_copied: ContextVar[str | None] = ContextVar("the float type of copies", default=None)


@contextmanager
def copying_to(dtype: str) -> Iterator[None]:
    """Within this, layers that this thread makes are of this float type, unless they say otherwise."""
    token = _copied.set(dtype)
    try:
        yield
    finally:
        _copied.reset(token)


def floatx() -> str:
    """The float type of layers made from now on, ``"float32"`` unless set.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.floatx()
    'float32'
    """
    return _copied.get() or _floatx


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
    if not isinstance(name, str) or name not in FLOAT_TYPES:
        raise ValueError(f"Expected dtype 'float32' or 'float64', but got {dtype!r}.")
    return str(name)


def check_input_type(dtype: object) -> str:
    """`dtype` as a float type, or as the name of an integer type, whose numbers travel as floats.

    Raises
    ------
    ValueError
        If it is neither.
    """
    name = str(getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or dtype)
    return name if name in INTEGER_TYPES else check_float_type(dtype)


def epsilon() -> float:
    """The small number that keeps logarithms of probabilities finite: 1e-7, as in Keras."""
    return 1e-7


def get_num_threads() -> int:
    """The number of threads that a model may use, 1 unless set.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.get_num_threads()
    1
    """
    return threads.limit()


def set_num_threads(n: int) -> None:
    """Set the number of threads that training, evaluating and predicting may use.

    They live for one call, and share each batch. The numbers that come out are the same to the last bit however many
    there are. A step that is too small to share stays on one thread. With more threads than free processors, most of
    the time goes into waiting. Other users of BLAS in the process keep their own setting.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If `n` is not such a number.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_num_threads(2)
    >>> cb.config.get_num_threads()
    2
    >>> cb.config.set_num_threads(1)
    """
    threads.set_limit(check_integer("n", n, 1))


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Let what this thread runs meanwhile use `n` threads, and everything else as many as before.

    Parameters
    ----------
    n : int
        At least 1; see `set_num_threads`.

    Raises
    ------
    TypeError, ValueError
        If `n` is not such a number.

    Examples
    --------
    >>> import cbackprop as cb
    >>> with cb.config.num_threads(2):
    ...     cb.config.get_num_threads()
    2
    >>> cb.config.get_num_threads()
    1
    """
    with threads.own_limit(check_integer("n", n, 1)):
        yield


def show() -> None:
    """Print version, instruction set, BLAS and threads."""
    import numpy
    import scipy

    rows = {
        "cbackprop": __version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
        "SciPy": scipy.__version__,
        "processor": platform.machine(),
        "instruction set": f"{compiled.INSTRUCTION_SET} (usable here: {', '.join(compiled.available())})",
        "BLAS": threads.blas_description(),
        "threads": str(get_num_threads()),
        "float type": floatx(),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
