"""Compute results ahead in threads, and return them in order."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Prefetch"]

# Seconds that `close` waits for a thread that runs the user's code. Threads cannot be ended from outside: a slower one
# ends when that code returns, or with the interpreter.
PATIENCE = 5.0

_ahead: weakref.WeakSet[Prefetch] = weakref.WeakSet()


def _after_fork() -> None:
    """Replace the locks in a forked child process: the threads that may have held them do not exist there."""
    for prefetch in list(_ahead):
        prefetch._changed = threading.Condition()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Prefetch:
    """Threads compute `work` for tasks before the results are needed.

    One thread at a time takes a task, so tasks may come from a generator. Results come in the order of the tasks. If a
    task or `work` raises an error, `next` raises it in place of the result.

    Parameters
    ----------
    tasks : iterator
    work : callable
    workers : int, default 1
        Number of threads.
    size : int, default 4
        The maximum number of results that wait to be taken.
    limit : int, optional
        The maximum number of tasks.

    Examples
    --------
    >>> from cbackprop.models.sources.prefetch import Prefetch
    >>> ahead = Prefetch(iter(range(4)), lambda task: task**2, workers=2)
    >>> list(ahead)
    [0, 1, 4, 9]
    >>> ahead.close()
    """

    def __init__(
        self,
        tasks: Iterator[Any],
        work: Callable[[Any], Any],
        workers: int = 1,
        size: int = 4,
        limit: int | None = None,
    ) -> None:
        self._tasks, self._work, self._size, self._limit = tasks, work, size, limit
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._ready: dict[int, tuple[Any, BaseException | None]] = {}
        self._drawn = self._given = 0
        self._closed = False
        self._process = os.getpid()
        _ahead.add(self)
        self._threads = [
            threading.Thread(target=self._produce, name=f"cbackprop-prefetch-{index}", daemon=True)
            for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """The next result.

        Raises
        ------
        StopIteration
            When there are no more tasks.
        """
        with self._changed:
            while self._given not in self._ready:
                if self._closed:
                    raise StopIteration
                if self._process != os.getpid():
                    raise RuntimeError(
                        "This process was forked while threads of its parent prepared data for the run, so it cannot "
                        "continue. Call fit, evaluate or predict again, or fork earlier."
                    )
                self._changed.wait()
            result, error = self._ready[self._given]
            if error is not None:
                raise error  # it stays in `_ready`, so that further calls raise it again
            del self._ready[self._given]
            self._given += 1
            self._changed.notify_all()
            return result

    def close(self) -> None:
        """End the threads, and drop their results."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._process != os.getpid():
            return
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def _produce(self) -> None:
        """The loop of each thread."""
        while self._produce_one():
            pass

    def _produce_one(self) -> bool:
        """Compute the next result, or keep the error. Returns whether to continue."""
        result, raised = None, None
        with self._turn:
            number = self._reserve()
            if number is None:
                return False
            try:
                task = next(self._tasks) if number != self._limit else self._end()
            except BaseException as error:  # `next` raises it
                raised = error
        if raised is None:
            try:
                result = self._work(task)
            except BaseException as error:
                raised = error
        with self._changed:
            self._ready[number] = result, raised
            self._changed.notify_all()
        return raised is None

    def _reserve(self) -> int | None:
        """Wait for room, and return the number of the next task; ``None`` if no more results are needed."""
        with self._changed:
            while not self._closed and self._drawn - self._given >= self._size:
                self._changed.wait()
            if self._closed or any(error is not None for _, error in self._ready.values()):
                return None
            self._drawn += 1
            return self._drawn - 1

    @staticmethod
    def _end() -> Any:
        raise StopIteration
