"""If several threads use a new model at once, its weights and its engine are made only once."""

import sys
import threading

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

THREADS = 4
ROUNDS = 30
X, Y = np.ones((5, 8), np.float32), np.ones((5, 4), np.float32)


@pytest.fixture(autouse=True)
def hurried():
    """Threads take turns at nearly every line."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(call):
    """Call a function in several threads, and return their exceptions."""
    start, errors = threading.Barrier(THREADS), []

    def run():
        start.wait()
        try:
            call()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def sequential(*first):
    return cb.Sequential([*first, layers.Dense(16), layers.BatchNormalization(), layers.Dense(4)])


@pytest.mark.parametrize("use", [lambda layer: layer(X), lambda layer: layer.build((None, 8))])
def test_weights_of_a_layer(use):
    for _ in range(ROUNDS):
        layer = layers.Dense(16)
        assert at_once(lambda layer=layer: use(layer)) == []
        assert len(layer.weights) == 2


def test_predictions():
    for _ in range(ROUNDS):
        model = sequential()
        assert at_once(lambda model=model: model.predict(X, verbose=0)) == []
        assert len(model.weights) == 8


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("first", [[], [cb.Input((8,))]])
def test_training(first, engine):
    for _ in range(ROUNDS):
        model = sequential(*first)
        model.compile("adam", "mse", metrics=["mae"], engine=engine)
        assert at_once(lambda model=model: model.fit(X, Y, verbose=0)) == []
        assert len(model.weights) == 8
        assert model.optimizer.iterations == THREADS
