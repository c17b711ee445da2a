"""Processes that are forked while a model trains."""

import os
import signal
import sys
import threading
import time

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


def wait_for(child, seconds):
    """The exit status of a child process, which is killed if it takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "it hangs"


def in_a_child(act, seconds=60):
    """Run `act` in a child process; its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return wait_for(child, seconds)


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


class Pausing(layers.PReLU):
    """Waits while the engine is built, in one thread only."""

    def alpha_shape(self, input_shape):
        self.pause()
        return super().alpha_shape(input_shape)


class PausingBuild(layers.Dense):
    """Waits when one of its weights is made."""

    def build(self, input_shape):
        self.extra = self.add_weight((2,), trainable=False)
        self.pause()
        super().build(input_shape)
        self._variables.append(self._variables.pop(0))  # kernel and bias first


def forked_while(act, make, use):
    """Fork while another thread is at the pause in `act(model)`; the exit status of a child that does `use(model)`."""
    reached, forked = threading.Event(), threading.Event()

    def pause(self):
        if threading.current_thread().name == "paused":
            reached.set()
            forked.wait(20)

    model = make(pause)
    thread = threading.Thread(target=lambda: act(model), name="paused")
    thread.start()
    assert reached.wait(20)
    try:
        return in_a_child(lambda: use(model), 60)
    finally:
        forked.set()
        thread.join()


def compiled(layer, metric="mae"):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, "tanh"), layer, layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[metric])
    return model


def use_everything(model):
    """The model that another thread of the parent was using, and another one."""
    assert model.predict(X, verbose=0).shape == (8, 2)
    model.fit(X, Y, verbose=0)
    other = compiled(layers.Dense(3))
    other.fit(X, Y, epochs=2, verbose=0, shuffle=True)
    assert np.isfinite(other.predict(X, verbose=0)).all()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("act", ["fit", "predict"])
def test_the_child_can_use_a_model_whose_engine_another_thread_builds(monkeypatch, act, engine):
    def make(pause):
        monkeypatch.setattr(Pausing, "pause", pause, raising=False)
        model = compiled(Pausing())
        if engine == "reference":
            model.compile("sgd", "mse", engine=engine)
        return model

    run = {"fit": lambda model: model.fit(X, Y, verbose=0), "predict": lambda model: model.predict(X, verbose=0)}
    assert forked_while(run[act], make, use_everything) == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_child_can_build_a_layer_that_another_thread_builds(monkeypatch):
    def make(pause):
        monkeypatch.setattr(PausingBuild, "pause", pause, raising=False)
        return PausingBuild(2)

    def use(layer):
        layer.build((None, 3))
        assert [weight.shape for weight in layer.weights] == [(3, 2), (2,), (2,)]
        assert layer(X).shape == (8, 2)

    assert forked_while(lambda layer: layer.build((None, 3)), make, use) == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    "held", ["Layer._making", "ParameterStore.moving", "engine.lock", "threads._lock", "generator"]
)
def test_no_lock_of_the_parent_is_held_in_the_child(held):
    from cbackprop import threads
    from cbackprop.layers.layer import Layer
    from cbackprop.parameter_store import ParameterStore

    model = compiled(layers.Dense(3))
    model.fit(X, Y, verbose=0)
    locks = {
        "Layer._making": Layer._making,
        "ParameterStore.moving": ParameterStore.moving,
        "engine.lock": model._engine.lock,
        "threads._lock": threads._lock,
        "generator": cb.random.generator().bit_generator.lock,
    }
    assert forked_while(lambda model: hold(locks[held], model), lambda pause: Held(model, pause), use_model) == 0


class Held:
    def __init__(self, model, pause):
        self.model, self.pause = model, pause


def hold(lock, held):
    with lock:
        held.pause(held)


def use_model(held):
    use_everything(held.model)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_says_that_data_prepared_by_threads_stayed_behind():
    """A run forks in its own thread. The parent's run continues."""
    parent, children = os.getpid(), []

    def batches():
        while True:
            yield X, Y

    class Fork(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if os.getpid() == parent and not children:
                children.append(os.fork())

    model = compiled(layers.Dense(3))
    status = 1
    try:
        model.fit(batches(), steps_per_epoch=50, epochs=1, verbose=0, callbacks=[Fork()])
        status = 2
    except RuntimeError as error:
        status = 0 if "was forked while threads of its parent prepared data" in str(error) else 3
    finally:
        if os.getpid() != parent:
            os._exit(status)
    assert wait_for(children[0], 60) == 0
