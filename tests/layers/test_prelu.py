"""PReLU."""

import json

import numpy as np
import pytest
from layer_cases import around
from layer_checks import assert_backward, assert_forward

import cbackprop as cb
from cbackprop import initializers, layers

CASES = [
    ((4,), None, (4,)),
    ((3, 4), None, (3, 4)),
    ((3, 4), [1], (1, 4)),
    ((3, 4), 2, (3, 1)),
    ((2, 3, 4), [1, 2], (1, 1, 4)),
    ((2, 3, 4), (1, 3), (1, 3, 1)),
    ((3, 4), [1, 2], (1, 1)),
    ((3, 4), [], (3, 4)),
    ((1, 4), [1], (1, 4)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "shared", "alpha_shape"), CASES)
def test_forward(shape, shared, alpha_shape, dtype, rng):
    layer = layers.PReLU("random_normal", shared_axes=shared, dtype=dtype)
    x = rng.normal(size=(7, *shape)).astype(dtype)
    layer(x)
    alpha = layer.alpha.numpy()
    assert alpha.shape == alpha_shape
    assert_forward(layer, [x], np.where(x > 0, x, alpha * x))


@pytest.mark.parametrize(("shape", "shared", "alpha_shape"), CASES)
def test_backward(shape, shared, alpha_shape):
    make = lambda: layers.PReLU(initializers.RandomNormal(seed=1), shared_axes=shared)  # noqa: E731
    assert_backward(lambda: around(make, [shape]))


def test_by_hand():
    """L = sum of (y - t)^2 / 3, with y = (-0.5, 0, 2)."""
    layer = layers.PReLU(initializers.Constant(0.25), dtype="float64")
    model = cb.Sequential([cb.Input((3,), dtype="float64"), layer])
    for engine in ("compiled", "reference"):
        model.compile("sgd", "mse", engine=engine)
        x, t = [[-2.0, 0.0, 2.0]], [[1.0, 1.0, 1.0]]
        np.testing.assert_allclose(model.predict(x, verbose=0), [[-0.5, 0, 2]])
        (gradient,) = model.gradients(x, t)
        np.testing.assert_allclose(gradient, [2 / 3 * -1.5 * -2, 0, 0], rtol=1e-12)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_no_delta_where_the_input_is_zero(engine):
    """As in Keras, where both halves of the rectifier have slope 0 there."""
    dense = layers.Dense(1, kernel_initializer="zeros")
    model = cb.Sequential([cb.Input((1,)), dense, layers.PReLU("ones")])
    model.compile("sgd", "mse", engine=engine)
    assert all(not gradient.any() for gradient in model.gradients([[1.0]], [[3.0]]))


def test_shared_and_frozen():
    def make():
        x = cb.Input((3,))
        prelu = layers.PReLU(initializers.RandomNormal(seed=1))
        frozen = layers.PReLU(initializers.RandomNormal(seed=2), trainable=False)
        h = layers.Dense(3)(x)
        merged = layers.Add()([prelu(h), prelu(layers.Dense(3)(h)), h, frozen(h), prelu(x)])
        return cb.Model(x, layers.Dense(2)(merged))

    assert_backward(make)


def test_training_moves_alpha(rng):
    x = rng.normal(size=(64, 1)).astype("float32")
    layer = layers.PReLU()
    model = cb.Sequential([cb.Input((1,)), layer])
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.2
    model.fit(x, np.where(x > 0, x, 0.3 * x), epochs=60, verbose=0)
    assert layer.alpha.numpy() == pytest.approx(0.3, abs=1e-3)


def test_config_round_trip():
    for layer in layers.PReLU(), layers.PReLU(initializers.Constant(0.1), shared_axes=(1, 2), name="mine"):
        again = layers.PReLU.from_config(json.loads(json.dumps(cb.saving.serialize_keras_object(layer)))["config"])
        assert again.get_config() == layer.get_config()
    assert again.shared_axes == [1, 2]
    assert layers.PReLU(shared_axes=1).shared_axes == [1]


def test_refuses():
    for axes in (0, -1, [1, 0]):
        with pytest.raises(ValueError, match="every axis in shared_axes must be at least 1"):
            layers.PReLU(shared_axes=axes)
    with pytest.raises(TypeError, match="every axis in shared_axes must be an integer"):
        layers.PReLU(shared_axes="1")
    with pytest.raises(ValueError, match=r"shares axes \[2\], but 2 is not an axis of the samples"):
        layers.PReLU(shared_axes=[2])(cb.Input((3,)))
    with pytest.raises(ValueError, match="Unknown initializer"):
        layers.PReLU("zeroes?")


def test_refuses_another_shape_than_it_was_built_for():
    layer = layers.PReLU(name="p")
    layer(cb.Input((3,)))
    for shape in [(4,), (1, 3), (1,)]:
        with pytest.raises(ValueError, match=r"'p' was built with alpha of shape \(3,\)"):
            layer(cb.Input(shape))
    image = layers.PReLU(shared_axes=[1, 2])
    assert image(cb.Input((8, 8, 3))).shape == (None, 8, 8, 3)
    assert image(cb.Input((5, 4, 3))).shape == (None, 5, 4, 3)
    with pytest.raises(ValueError, match=r"alpha of shape \(1, 1, 3\)"):
        image(cb.Input((5, 4, 2)))
