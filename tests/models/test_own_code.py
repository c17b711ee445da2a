"""What a model's own code in Python may not do, and what it is told."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X, Y = np.ones((4, 3)), np.ones((4, 3))
RUNS = {
    "fit": lambda model: model.fit(X, Y, verbose=0),
    "evaluate": lambda model: model.evaluate(X, Y, verbose=0),
    "predict": lambda model: model.predict(X, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "call": lambda model: model(X),
}


class Calling(layers.Layer):
    """Does something when it is called."""

    act = None

    def call(self, x):
        if self.act is not None:
            self.act()
        return x

    def backward(self, inputs, outputs, delta):
        return delta

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("within", RUNS)
@pytest.mark.parametrize("run", RUNS)
def test_a_layer_that_uses_its_model(run, within, engine):
    layer = Calling()
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3), layer])
    model.compile("sgd", "mse", engine=engine)
    layer.act = lambda: RUNS[within](model)
    with pytest.raises(RuntimeError, match="in the middle of a batch: its own code cannot use it now") as raised:
        RUNS[run](model)
    assert not isinstance(raised.value, RecursionError)
    layer.act = None
    RUNS[run](model)


class Stating(layers.Layer):
    def __init__(self, stated):
        super().__init__(name="stating")
        self.stated = stated

    def call(self, x):
        return x

    def compute_output_shape(self, shape):
        return self.stated


@pytest.mark.parametrize(
    "stated",
    [(None, 2.5), 5, 2.5, "ab", (None, "a"), [(None, 2.5)], {"a": 1}, (None, -1), (None, np.float64(3))],
    ids=str,
)
def test_an_output_shape_that_is_none(stated):
    with pytest.raises(
        TypeError, match="compute_output_shape of Stating 'stating' must return a tuple of whole"
    ) as raised:
        Stating(stated)(cb.Input((3,)))
    assert str(raised.value).endswith(f"but returned {stated!r}.")


def test_loss_is_given_to_compile():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3)])
    with pytest.raises(AttributeError, match="give loss to compile"):
        model.loss = "mae"
