"""The lock of a model, and what happens to locks and threads when the process forks."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cbackprop.engine.engine import Engine

__all__ = ["ModelLock", "known_engines"]

known_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
known_locks: weakref.WeakSet[ModelLock] = weakref.WeakSet()


class ModelLock:
    """Lets one thread at a time into the engines of a model. A copy of the model has a lock of its own."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        known_locks.add(self)

    def __reduce__(self) -> Any:
        return ModelLock, ()


def _after_fork() -> None:
    """Replace all locks in a child process: it has none of the threads that may have held them."""
    for model_lock in list(known_locks):
        model_lock.lock = threading.RLock()
    for engine in list(known_engines):
        engine.lock = engine.model_lock.lock
    for engine in list(known_engines):
        engine.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
