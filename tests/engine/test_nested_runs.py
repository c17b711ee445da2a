"""A run that begins within or beside another run of the same model does not disturb that one."""

import threading

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X, Y = np.ones((8, 3, 4), "float32"), np.zeros((8, 3, 2), "float32")


def network(shape, engine):
    model = cb.Sequential([cb.Input(shape), layers.Dense(2)])
    model.compile("sgd", "mse", engine=engine)
    return model


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("shape", [(3, 4), (None, 4)])
@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end"])
def test_fit_within_fit(hook, shape, engine):
    model = network(shape, engine)
    within = []

    def fit(*_):
        if not within:
            within.append(None)
            within[0] = model.fit(X[:, :2], Y[:, :2], verbose=0) if shape[0] is None else model.fit(X, Y, verbose=0)

    callback = cb.callbacks.LambdaCallback(**{hook: fit})
    history = model.fit(X, Y, epochs=3, batch_size=4, callbacks=[callback], verbose=0)
    assert len(history.history["loss"]) == 3
    assert len(within[0].history["loss"]) == 1


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("shape", [(3, 4), (None, 4)])
def test_fit_beside_fit(shape, engine):
    model = network(shape, engine)
    begun, over = threading.Event(), threading.Event()
    found = []

    def wait(epoch, logs):
        begun.set()
        assert over.wait(30)

    def fit():
        found.append(model.fit(X, Y, callbacks=[cb.callbacks.LambdaCallback(on_epoch_begin=wait)], verbose=0))

    thread = threading.Thread(target=fit)
    thread.start()
    assert begun.wait(30)
    model.fit(X, Y, verbose=0)
    over.set()
    thread.join(30)
    assert len(found[0].history["loss"]) == 1


@pytest.mark.parametrize("shape", [(3, 4), (None, 4)])
def test_threads_are_kept_until_the_last_run_is_over(shape):
    model = network(shape, "compiled")
    model.fit(X, Y, verbose=0)
    kept = []
    engine = model._engine
    inner = engine.at([X])
    inner.run = Watched(inner.run, kept)
    with engine.kept_threads():
        with engine.kept_threads():
            pass
        assert kept[-1] is True
    assert kept[-1] is False


class Watched:
    """A `Run` that notes whether its threads are to stay."""

    def __init__(self, run, kept):
        self.__dict__.update(real=run, kept=kept)

    def __getattr__(self, name):
        return getattr(self.real, name)

    def keep_team(self, kept):
        self.kept.append(kept)
        self.real.keep_team(kept)
