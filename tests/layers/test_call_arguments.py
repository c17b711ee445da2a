"""Layers in Python with more arguments, dicts of inputs, several outputs, and what they add to the loss."""

import warnings

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)).astype("float32")
ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])


class Mix(layers.Layer):
    """A dict of two outputs, of two tensors and a number."""

    def call(self, x, y, scale=1.0, training=None):
        self.told = training
        return {"sum": x + scale * y, "product": x * y}

    def backward(self, inputs, outputs, delta, scale=1.0):
        x, y = inputs["x"], inputs["y"]
        return {"x": delta["sum"] + delta["product"] * y, "y": scale * delta["sum"] + delta["product"] * x}


class Nested(layers.Layer):
    """A dict of inputs, a tuple of outputs of other shapes, and a weight."""

    def build(self, input_shape):
        self.shapes = input_shape
        self.w = self.add_weight(shape=(3,), initializer="ones", name="w")

    def call(self, inputs):
        a, (b, _) = inputs["a"], inputs["b"]
        return a * self.w, (a * b).sum(axis=1, keepdims=True)

    def backward(self, inputs, outputs, delta):
        a, (b, _) = inputs["a"], inputs["b"]
        w = self.w.numpy()
        return {"a": delta[0] * w + delta[1] * b, "b": [delta[1] * a, None]}, [(delta[0] * a).sum(axis=0)]


def mixed(engine):
    x = cb.Input((3,))
    outputs = Mix(name="mix")(layers.Dense(3)(x), y=layers.Dense(3, activation="tanh")(x), scale=3.0)
    assert sorted(outputs) == ["product", "sum"]
    model = cb.Model(x, layers.Add()([outputs["sum"], outputs["product"]]))
    model.compile("sgd", "mse", engine=engine)
    return model


def nested(engine):
    x = cb.Input((3,))
    a, b = layers.Dense(3)(x), layers.Dense(3)(x)
    first, second = Nested(name="nested")({"a": a, "b": [b, None]})
    assert (first.shape, second.shape) == ((None, 3), (None, 1))
    model = cb.Model(x, [first, layers.Dense(2)(second)])
    model.compile("sgd", "mse", engine=engine)
    return model


@ENGINES
@pytest.mark.parametrize("make", [mixed, nested])
def test_gradients_training_and_copies(make, engine):
    model = make(engine)
    outputs = model.outputs
    y = [RNG.normal(size=(6, *tensor.shape[1:])) for tensor in outputs]
    y = y if len(outputs) > 1 else y[0]
    assert model.check_gradients(X, y).max_relative_error < 1e-6
    before = model.evaluate(X, y, verbose=0)
    model.fit(X, y, epochs=20, verbose=0)
    assert np.ravel(model.evaluate(X, y, verbose=0))[0] < np.ravel(before)[0]
    again = cb.models.clone_model(model)
    again.set_weights(model.get_weights())
    for one, other in zip(_list(again(X)), _list(model(X)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def _list(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


def test_an_output_that_nobody_reads():
    x = cb.Input((3,))
    outputs = Mix()(layers.Dense(3)(x), layers.Dense(3)(x))
    model = cb.Model(x, outputs["sum"])
    model.compile("sgd", "mse")
    assert model.check_gradients(X, X).max_relative_error < 1e-6


def test_on_arrays():
    mix = Mix()
    found = mix(X, X, scale=2.0)
    np.testing.assert_allclose(found["sum"], 3 * X, rtol=1e-6)
    assert mix.told is None
    mix(X, y=X, training=True)
    assert mix.told is True
    layer = Nested()
    _, second = layer({"a": X, "b": [X, None]})
    assert layer.shapes == {"a": (6, 3), "b": [(6, 3), None]}
    np.testing.assert_allclose(second, (X**2).sum(axis=1, keepdims=True), rtol=1e-5)
    ints = layers.Lambda(lambda x: x)(np.arange(3))
    assert ints.dtype.kind == "i"
    assert layers.Lambda(lambda x: x)(np.arange(3.0)).dtype == np.float32


def test_wrong_arguments():
    with pytest.raises(TypeError, match=r"'mix.*' was called with wrong arguments: missing a required argument: 'y'"):
        Mix()(X)
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        Mix()(X, X, other=1)
    with pytest.raises(ValueError, match=r"only tensors and arrays by position, but got 2.0 of type float: give it by"):
        Mix()(X, X, 2.0)
    with pytest.raises(ValueError, match="give it by name, training=True"):
        layers.Dense(2)(X, True)


def test_shapes_for_build():
    class ByName(layers.Layer):
        def build(self, y_shape, x_shape):
            self.shapes = x_shape, y_shape

        def call(self, x, y):
            return x + y[:, :1]

    class NoSuffix(ByName):
        def build(self, x_shape, y):
            pass

    class Other(ByName):
        def build(self, x_shape, z_shape):
            pass

    layer = ByName()
    layer(X, y=X[:, :2])
    assert layer.shapes == ((6, 3), (6, 2))
    layer = ByName()
    layer(cb.Input((3,)), cb.Input((2,)))
    assert layer.shapes == ((None, 3), (None, 2))
    with pytest.raises(ValueError, match="argument 'y', which does not end in '_shape'"):
        NoSuffix()(X, X)
    with pytest.raises(ValueError, match="'z_shape', but call has no argument 'z'"):
        Other()(X, X)


def test_what_backward_must_return():
    class Wrong(Mix):
        def backward(self, inputs, outputs, delta):
            return [delta["sum"], delta["sum"]]

    x = cb.Input((3,))
    model = cb.Model(x, Wrong()(layers.Dense(3)(x), x)["sum"])
    model.compile("sgd", "mse")
    with pytest.raises(
        ValueError, match=r"must return a dict of input deltas with keys of \['x', 'y'\], but returned l"
    ):
        model.fit(X, X, verbose=0)


class Small(layers.Layer):
    """Adds 0.1 times the sum of squares to the loss."""

    def call(self, inputs):
        self.add_loss(0.1 * np.sum(np.square(inputs)), gradient=0.2 * inputs)
        return inputs

    def backward(self, inputs, outputs, delta):
        return delta


@ENGINES
def test_added_losses(engine):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3), Small(), layers.Dense(2)])
    same = cb.Sequential(
        [cb.Input((3,)), layers.Dense(3, activity_regularizer=cb.regularizers.L2(0.1)), layers.Dense(2)]
    )
    same.set_weights(model.get_weights())
    y = RNG.normal(size=(6, 2))
    results = []
    for each, size in ((model, 1), (same, 6)):
        each.compile("sgd", "mse", engine=engine)
        plain = float(np.mean((each(X) - y) ** 2))
        added = each.evaluate(X, y, batch_size=6, verbose=0) - plain
        np.testing.assert_allclose(sum(each.losses), added, rtol=1e-4)
        results.append(added * size)
    np.testing.assert_allclose(*results, rtol=1e-4)
    assert model.check_gradients(X, y).max_relative_error < 1e-6
    model.fit(X, y, epochs=2, batch_size=2, verbose=0)
    assert len(model.losses) == 1


@ENGINES
@pytest.mark.parametrize("size", [3, None])
def test_added_losses_without_a_weight_behind_them(engine, size):
    first = layers.Dense(3, name="first")
    model = cb.Sequential(
        [cb.Input((size,) if size else (None, 3)), Small(name="idle"), first, Small(), layers.Dense(1)]
    )
    x, y = (X, X[:, :1]) if size else (X[:, np.newaxis], X[:, np.newaxis, :1])
    message = "^What 'idle' adds to the loss trains nothing: it does not depend on any trainable weight"
    model.compile("sgd", "mse", engine=engine)
    with pytest.warns(UserWarning, match=message) as told:
        model.fit(x, y, verbose=0)
    assert [each.filename for each in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(x, y, verbose=0)
    first.trainable = False
    model.compile("sgd", "mse", engine=engine)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate(x, y, verbose=0)
    with pytest.warns(UserWarning, match="^What 'idle', 'small.*' adds"):
        model.train_on_batch(x, y)


def test_losses_added_outside_of_call():
    for layer in (layers.Dense(2), Small(), cb.Sequential([cb.Input((3,)), layers.Dense(2)])):
        with pytest.warns(UserWarning, match=f"add_loss of .*'{layer.name}' was called outside of call") as told:
            layer.add_loss(0.5)
        assert [each.filename for each in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers.Dense(2, activity_regularizer="l2")(X)
        cb.Sequential([cb.Input((3,)), layers.Dense(2, activity_regularizer="l2"), Small()])(X)


@ENGINES
def test_gradients_of_losses_of_layers_within(engine):
    class Outer(layers.Layer):
        def __init__(self, inner):
            super().__init__(name="outer")
            self.inner = inner

        def call(self, inputs):
            return self.inner(3 * inputs)

        def backward(self, inputs, outputs, delta):
            return 3 * delta + (0 if isinstance(self.inner, Small) else 0.2 * 9 * inputs)

    class WithoutGradient(layers.Layer):
        def call(self, inputs):
            self.add_loss(0.1 * np.sum(np.square(inputs)))
            return inputs

    model = cb.Sequential([cb.Input((3,)), layers.Dense(3), Outer(WithoutGradient()), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    assert model.check_gradients(X, X[:, :1]).max_relative_error < 1e-6
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3), Outer(Small(name="inner")), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    with pytest.raises(TypeError, match="'inner', within 'outer', gave add_loss a gradient by its own inputs"):
        model.fit(X, X[:, :1], verbose=0)


def test_losses_of_layers_on_arrays():
    small = Small()
    for _ in range(2):
        small(X)
        np.testing.assert_allclose(small.losses, [0.1 * np.sum(X**2)], rtol=1e-5)

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__(activity_regularizer="l2")
            self.inner = Small()
            self.dense = layers.Dense(2, kernel_regularizer="l2", activity_regularizer="l1")

        def call(self, inputs):
            return self.dense(self.inner(inputs))

    outer = Outer()
    for _ in range(2):
        y = outer(X)
        penalties = [0.01 * np.sum(y**2) / 6, 0.1 * np.sum(X**2), 0.01 * np.abs(y).sum() / 6]
        kernel = 0.01 * np.sum(outer.dense.kernel.numpy() ** 2)
        np.testing.assert_allclose(sorted(outer.losses), sorted([*penalties, kernel]), rtol=1e-4)
    with pytest.raises(ValueError, match="loss must be one number for the whole batch"):
        small.add_loss(np.ones(3))


def test_super_call_and_call():
    class Double(layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

        def call(self, inputs, training=None):
            return 2 * super().call(inputs) * self.factor

    class Deeper(Double):
        pass

    for cls in (Double, Deeper):
        layer = cls(4, activation="relu")
        z = layer(X)
        np.testing.assert_allclose(z, 2 * np.maximum(X @ layer.kernel.numpy(), 0), rtol=1e-4, atol=1e-6)
        assert [w.name for w in layer.weights] == ["kernel", "bias", "factor"]
    dense = layers.Dense(2)
    np.testing.assert_array_equal(dense.call(X), dense(X))
    model = cb.Sequential([cb.Input((3,)), dense])
    np.testing.assert_array_equal(model.call(X), model(X))
    assert model.call(cb.Input((3,))).shape == (None, 2)
    assert layers.InputLayer((2,)).call() is None
    with pytest.raises(NotImplementedError, match="computes nothing"):
        layers.Layer().call(X)
    with pytest.raises(NotImplementedError, match="computes nothing"):
        layers.Layer()(X)
