"""Training leaves the GIL to other threads, from the first step to the last."""

import sys
import threading
import time

import numpy as np
import pytest

import cbackprop as cb


@pytest.fixture
def held_long():
    """A thread that has the GIL keeps it until it lets go of it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(100.0)
    yield
    sys.setswitchinterval(before)


def test_small_steps_go_on_while_another_thread_has_the_gil(held_long):
    """Threads of `fit_many` would otherwise wait for each other's Python code every few steps."""
    model = cb.Sequential([cb.Input((8,)), cb.layers.Dense(16, "relu"), cb.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((64, 8), "float32")
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    network, most = model._engine.network, 0

    def watch():
        nonlocal most
        for _ in range(100):
            before, end = network.iteration, time.perf_counter() + 0.02
            while time.perf_counter() < end:  # with the GIL all the time
                pass
            most = max(most, network.iteration - before)
            if most > 100:
                break
            time.sleep(0.001)  # lets the other thread have it
        model.stop_training = True

    watcher = threading.Thread(target=watch)
    watcher.start()
    while watcher.is_alive():
        model.fit(x, x[:, :1], batch_size=4, epochs=500, verbose=0)
    watcher.join()
    assert most > 100
