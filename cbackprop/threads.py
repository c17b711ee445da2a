"""Limit the number of threads of BLAS while this library calls it, and only then."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["blas_description", "limit", "limited", "own_limit", "set_limit"]

_limit = 1
_own: ContextVar[int | None] = ContextVar("limit of own_limit", default=None)
_lock = threading.Lock()
_inside = 0
_before: list[int] = []


@functools.cache
def _libraries() -> list[Any]:
    """The BLAS libraries of this process whose threads can be limited. SciPy's, which the kernels call, comes first."""
    import threadpoolctl

    from cbackprop.compiled.kernels import blas  # noqa: F401 - loads SciPy's BLAS

    libraries = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    return sorted(libraries, key=lambda library: "scipy.libs" not in library.filepath)


def limit() -> int:
    """The number of threads that the engines let BLAS use."""
    return _own.get() or _limit


@contextmanager
def own_limit(n: int) -> Iterator[None]:
    """Another number for what this thread runs meanwhile."""
    token = _own.set(n)
    try:
        yield
    finally:
        _own.reset(token)


def set_limit(n: int) -> None:
    """Set that number, also for engines that are running."""
    global _limit
    with _lock:
        _limit = n
        if _inside:
            _tell([n] * len(_libraries()))


@contextmanager
def limited(n: int | None = None) -> Iterator[None]:
    """Limit BLAS to `n` threads, or to the limit. The last thread to leave restores the original number."""
    global _inside, _before
    with _lock:
        if not _inside:
            _before = [library.get_num_threads() for library in _libraries()]
            _tell([n or limit()] * len(_before))
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
