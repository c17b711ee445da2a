"""Things that a model's own code in Python must not do, and the messages."""

import threading

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


def test_the_thread_that_called_fit_runs_it(every_step_is_shared):
    """Settings of a thread, such as `numpy.errstate`, are the same as in the code that called the model."""
    seen = set()

    class Noting(layers.Layer):
        def call(self, x):
            seen.add(threading.get_ident())
            return x

        def backward(self, inputs, outputs, delta):
            seen.add(threading.get_ident())
            return delta

    def loss(y_true, y_pred):
        seen.add(threading.get_ident())
        return ((y_pred - y_true) ** 2).mean(-1), 2 * (y_pred - y_true) / y_pred.shape[-1]

    model = cb.Sequential([cb.Input((3,)), layers.Dense(3), Noting(), layers.Dense(3)])
    model.compile("sgd", loss)
    with cb.config.num_threads(3):
        model.fit(np.ones((200, 3)), np.ones((200, 3)), batch_size=100, verbose=0)
    assert seen == {threading.get_ident()}


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


@pytest.mark.parametrize("name", ["loss", "optimizer"])
def test_what_is_given_to_compile(name):
    """It cannot be set: training would go on with what `compile` was given."""
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3)])
    model.compile("adam", "mse")
    with pytest.raises(AttributeError, match=f"give {name} to compile"):
        setattr(model, name, {"loss": "mae", "optimizer": cb.optimizers.SGD(0.1)}[name])
    assert (model.loss, type(model.optimizer).__name__) == ("mse", "Adam")


@pytest.mark.parametrize("make", [cb.Sequential, lambda parts: cb.Model(parts[0], parts[1](parts[0]))])
def test_the_float_type_of_a_model_is_that_of_its_layers(make):
    model = make([cb.Input((3,)), layers.Dense(3)])
    with pytest.raises(AttributeError, match="computes in float32, as its layers do"):
        model.dtype = "float64"
    model.dtype = "float32"
    assert model.predict(np.ones((2, 3)), verbose=0).dtype == np.float32
