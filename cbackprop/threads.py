"""How many threads the engines may use, and BLAS while they call it."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from cbackprop import processors

__all__ = [
    "AUTO",
    "Setting",
    "blas_description",
    "is_auto",
    "limit",
    "limited",
    "own_limit",
    "set_limit",
    "set_processes",
    "setting",
]

AUTO: Literal["auto"] = "auto"
Setting = int | Literal["auto"]

_limit: Setting = AUTO
_processes = 1
_own: ContextVar[Setting | None] = ContextVar("limit of own_limit", default=None)
_lock = threading.Lock()
_inside = 0
_before: list[int] = []


@functools.cache
def _libraries() -> list[Any]:
    """The BLAS libraries of this process whose threads can be limited. SciPy's, which the kernels call, comes first."""
    from cbackprop.compiled.kernels import blas  # noqa: F401 - loads SciPy's BLAS

    return sorted(_find_libraries(), key=lambda library: "scipy.libs" not in library.filepath)


@functools.cache
def _loaded_libraries() -> list[Any]:
    """The libraries that were loaded when this was first called; NumPy's is among them."""
    return _find_libraries()


def _find_libraries() -> list[Any]:
    import threadpoolctl

    libraries: list[Any] = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries


def setting() -> Setting:
    """The setting: a number of threads, or ``"auto"``."""
    return _own.get() or _limit


def is_auto() -> bool:
    """Whether the engines choose the number of threads themselves."""
    return setting() == AUTO


def limit() -> int:
    """The largest number of threads that the engines may use."""
    number = setting()
    return min(max(processors.usable() // _processes, 1), _blas_limit()) if number == AUTO else number


def set_processes(n: int) -> None:
    """Say how many processes of this program share the processors that this one may use."""
    global _processes
    _processes = n


def _blas_limit() -> int:
    """The number of threads that BLAS may use: what joblib, threadpoolctl and OMP_NUM_THREADS have set."""
    with _lock:
        numbers = _before if _inside else [library.get_num_threads() for library in _loaded_libraries()]
    return max(min(numbers, default=processors.usable()), 1)


@contextmanager
def own_limit(n: Setting) -> Iterator[None]:
    """Set another number inside the ``with`` block, only for what this thread runs."""
    token = _own.set(n)
    try:
        yield
    finally:
        _own.reset(token)


def set_limit(n: Setting) -> None:
    """Set the number for the whole process."""
    global _limit
    _limit = n


@contextmanager
def limited(n: int | None = None) -> Iterator[None]:
    """Limit BLAS to `n` threads, or to the limit. The last thread to leave restores the original number."""
    global _inside, _before
    number = n or limit()
    with _lock:
        if not _inside:
            _before = [library.get_num_threads() for library in _libraries()]
            _tell([number] * len(_before))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _tell(_before)


def _start_anew() -> None:
    """Reset the count in a child process: threads that were inside exist only in the parent."""
    global _lock, _inside
    _lock = threading.Lock()
    _inside = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def _tell(numbers: list[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        library.set_num_threads(number)


def blas_description() -> str:
    """Name, version and processor of SciPy's BLAS, if they are known."""
    libraries = _libraries()
    about = libraries[0].info() if libraries else {}
    words = [about.get(key) for key in ("internal_api", "version", "architecture")]
    return " ".join(str(word) for word in words if word) or "unknown"
