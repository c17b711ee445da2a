"""Layers that are built by hand: once, and for a shape."""

import layer_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

EACH = [case for case in layer_cases.EACH if not case.id.startswith(("Model", "Sequential"))]


class Scale(layers.Layer):
    def build(self, input_shape):
        self.factor = self.add_weight(input_shape[1:], "ones", name="factor")

    def call(self, inputs):
        return inputs * self.factor


class Twice(Scale):
    """Its `build` calls the `build` of its base."""

    def build(self, input_shape):
        super().build(input_shape)
        self.offset = self.add_weight(input_shape[1:], "zeros", name="offset")


@pytest.mark.parametrize(("make", "shapes"), EACH)
def test_weights_are_made_once(make, shapes):
    layer, other = make(), make()
    batch_shapes = [(None, *shape) for shape in shapes]
    layer.build(batch_shapes[0] if len(shapes) == 1 else batch_shapes)
    assert layer.built
    before = list(layer.weights)
    inputs = [cb.Input(shape) for shape in shapes]
    for one in (layer, other):
        layer_cases.called(one, inputs)
    layer.build(batch_shapes[0] if len(shapes) == 1 else batch_shapes)
    assert [w.shape for w in layer.weights] == [w.shape for w in other.weights]
    assert all(a is b for a, b in zip(before, layer.weights, strict=True))


@pytest.mark.parametrize(("cls", "weights"), [(Scale, 1), (Twice, 2)])
def test_layers_in_python(cls, weights):
    layer = cls()
    layer.build((None, 3))
    np.testing.assert_array_equal(layer(np.ones((2, 3))), np.ones((2, 3)))
    assert len(layer.weights) == weights


def test_a_table_needs_no_shape():
    layer = layers.Embedding(4, 2)
    layer.build()
    layer([[1, 2]])
    assert [w.shape for w in layer.weights] == [(4, 2)]


NONSENSE = {
    "text": ("x", TypeError, r"input_shape must be a tuple such as \(None, 3\)"),
    "number": (3, TypeError, "input_shape must be a tuple"),
    "nothing": (None, TypeError, "input_shape must be a tuple"),
    "empty": ([], TypeError, "input_shape must be a tuple"),
    "dict": ({}, TypeError, "input_shape must be a tuple"),
    "object": (object(), TypeError, "input_shape must be a tuple"),
    "text inside": ((None, "a"), TypeError, "every dimension of input_shape .* must be an integer"),
    "fraction of a batch": ((2.5, 3), TypeError, "input_shape must be a tuple"),
    "negative": ((None, -1), ValueError, "must be at least 0, but got -1"),
    "unknown": ((None, None), ValueError, "known in every dimension|size of its input that is not known"),
    "huge": ((None, 2**50), ValueError, "numbers at most"),
    "no axis": ((None,), ValueError, "features|axis|axes"),
}


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make, name)
        for make in (lambda: layers.Dense(4), layers.BatchNormalization, layers.PReLU, Scale)
        for name in NONSENSE
        if name != "no axis" or make not in (layers.PReLU, Scale)  # which take samples of a single number
        if name != "nothing" or make is not Scale  # a layer in Python may be built for no shape
    ],
)
def test_nonsense(make, name):
    shape, error, message = NONSENSE[name]
    layer = make()
    with pytest.raises(error, match=message):
        layer.build(shape)
    assert not layer.built
    assert layer.weights == []


@pytest.mark.parametrize("name", [name for name in NONSENSE if name not in ("nothing", "no axis")])
def test_nonsense_for_a_sequential(name):
    shape, error, message = NONSENSE[name]
    model = cb.Sequential([layers.Dense(2)])
    with pytest.raises(error, match=message):
        model.build(shape)
    model.build((None, 3))
    assert model.input_shape == (None, 3)


def test_another_shape_than_it_was_built_for():
    layer = layers.Dense(2)
    layer.build((None, 3))
    with pytest.raises(ValueError, match="was built for inputs of width 3"):
        layer.build((None, 4))


def test_input_dim():
    """As scripts for older Keras have it."""
    model = cb.Sequential([layers.Dense(4, input_dim=3), layers.Dense(1)])
    assert model.input_shape == (None, 3)
    assert "input_dim" not in model.layers[0].get_config()
    assert cb.Sequential.from_config(model.get_config()).input_shape == (None, 3)
    with pytest.raises(ValueError, match="Only one of input_shape and input_dim"):
        layers.Dense(4, input_dim=3, input_shape=(3,))
    with pytest.raises(TypeError, match="input_dim must be an integer"):
        layers.Dense(4, input_dim="3")


def test_weights_can_be_indexed():
    layer = layers.Dense(2)
    layer.build((None, 3))
    values = layer.kernel.numpy()
    for index in (0, -1, (1, 1), slice(1, None), ..., values > 0):
        np.testing.assert_array_equal(layer.kernel[index], values[index])
    layer.kernel[0][:] = 9
    np.testing.assert_array_equal(layer.kernel.numpy(), values)
    with pytest.raises(IndexError):
        layer.kernel[3]


def test_no_initializer_is_the_default_of_weights():
    layer = layers.Dense(3, kernel_initializer=None, bias_initializer=None)
    layer(np.ones((1, 2)))
    assert layer.get_weights()[0].any()
