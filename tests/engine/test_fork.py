"""Processes that are forked while a model trains."""

import os
import sys
import threading

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
X, Y = np.ones((8, 3)), np.zeros((8, 2))


def network(metric):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[metric])
    return model


def in_a_child(act):
    """Run `act` in a child process; its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_child_can_use_a_model_that_another_thread_of_the_parent_trains():
    reached, forked = threading.Event(), threading.Event()

    def wait(y_true, y_pred):
        if threading.current_thread() is thread:
            reached.set()
            forked.wait(20)
        return np.abs(y_true - y_pred)

    model = network(wait)
    thread = threading.Thread(target=lambda: model.fit(X, Y, batch_size=4, verbose=0))
    thread.start()
    assert reached.wait(20)

    def use():
        assert model.predict(X, verbose=0).shape == (8, 2)
        model.fit(X, Y, verbose=0)

    try:
        assert in_a_child(use) == 0
    finally:
        forked.set()
        thread.join()


def test_a_child_of_the_run_itself_finishes_it():
    parent, children = os.getpid(), []

    def fork(y_true, y_pred):
        if os.getpid() == parent and not children:
            children.append(os.fork())
        return np.abs(y_true - y_pred)

    model = network(fork)
    status = 1
    try:
        model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        status = 0 if np.isfinite(model.get_weights()[0]).all() else 2
    finally:
        if os.getpid() != parent:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
