"""The call on zeros that finds the shape of a layer's output leaves no trace in weights and metrics."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, metrics

X, Y = np.ones((10, 3)), np.zeros((10, 1))
ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])


class Canary(layers.Layer):
    """Counts its calls."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.counter = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.seen = metrics.Sum("seen")

    def call(self, x):
        self.counter.assign_add(1)
        self.seen.update_state(np.ones(len(x)))
        return x


class Within(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = [Canary()]

    def call(self, x):
        return self.inner[0](x)


@ENGINES
@pytest.mark.parametrize("size", [3, None])
def test_only_batches_are_counted(size, engine):
    canary = Canary()
    model = cb.Sequential([cb.Input((4, size) if size is None else (size,)), canary])
    assert (int(canary.counter), float(canary.seen.result())) == (0, 0)
    model.compile("sgd", "mse", engine=engine)
    x = np.ones((10, 4, 3)) if size is None else X
    model.evaluate(x, x, batch_size=4, verbose=0)
    assert int(canary.counter) == 3
    assert float(canary.seen.result()) == 10
    canary(x)
    assert int(canary.counter) == 4


@ENGINES
def test_training_counts_batches(engine):
    canary = Canary()
    model = cb.Sequential([cb.Input((3,)), canary, layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert int(canary.counter) == 6


def test_layers_within_are_left_alone_too():
    layer = Within()
    cb.Sequential([cb.Input((3,)), layer])
    assert int(layer.inner[0].counter) == 0
    assert layer.inner[0].seen.result() == 0


def test_after_a_call_that_fails():
    class Failing(Canary):
        def call(self, x):
            super().call(x)
            raise ValueError("no")

    layer = Failing()
    with pytest.raises(ValueError, match="no"):
        layer(cb.Input((3,)))
    assert int(layer.counter) == 0


def test_weights_of_nan_stay():
    layer = Canary()
    layer.counter.assign(np.nan)
    layer(cb.Input((3,)))
    assert np.isnan(float(layer.counter))
