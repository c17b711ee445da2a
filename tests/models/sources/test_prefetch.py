"""Threads that make batches ahead of training."""

import threading
import time

from cbackprop.models.sources.prefetch import Prefetch


def test_prefetch_is_bounded_and_ends():
    drawn = []

    def tasks():
        for i in range(100):
            drawn.append(i)
            yield i

    ahead = Prefetch(tasks(), lambda task: task, workers=3, size=5)
    assert next(ahead) == 0
    time.sleep(0.1)
    assert len(drawn) <= 1 + 5
    ahead.close()
    assert list(ahead) in ([], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5])


def test_prefetch_keeps_the_order_of_tasks():
    def work(task):
        time.sleep(0.002 * (task % 3))
        return task

    ahead = Prefetch(iter(range(40)), work, workers=4, size=8)
    assert list(ahead) == list(range(40))
    assert list(ahead) == []
    ahead.close()


def test_prefetch_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr("cbackprop.models.sources.prefetch.PATIENCE", 0.1)
    release = threading.Event()

    def tasks():
        yield 1
        release.wait()

    ahead = Prefetch(tasks(), lambda task: task)
    assert next(ahead) == 1
    start = time.monotonic()
    ahead.close()
    assert time.monotonic() - start < 3
    release.set()
    for thread in ahead._threads:
        thread.join(5)
