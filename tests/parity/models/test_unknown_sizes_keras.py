"""Models whose inputs leave sizes open, against Keras: predictions, a loss, and the weights after steps."""

import keras
import numpy as np
import pytest

import cbackprop as cb

# Layers between Input((None, 4)) and Dense(2).
BODIES = {
    "dense": lambda k, x: k.layers.Dense(5, activation="relu")(x),
    "layer normalization": lambda k, x: k.layers.LayerNormalization()(x),
    "batch normalization": lambda k, x: k.layers.BatchNormalization()(x),
    "group normalization": lambda k, x: k.layers.GroupNormalization(2)(x),
    "rms normalization": lambda k, x: k.layers.RMSNormalization()(x),
    "unit normalization": lambda k, x: k.layers.UnitNormalization()(x),
    "rescaling": lambda k, x: k.layers.Rescaling(2.0, 1.0)(x),
    "masking": lambda k, x: k.layers.Dense(3)(k.layers.Masking()(x)),
    "prelu": lambda k, x: k.layers.PReLU(shared_axes=[1])(x),
    "leaky relu": lambda k, x: k.layers.LeakyReLU()(x),
    "softmax over positions": lambda k, x: k.layers.Softmax(axis=1)(x),
    "permuted": lambda k, x: k.layers.Permute((2, 1))(k.layers.Softmax()(k.layers.Permute((2, 1))(x))),
    "reshaped": lambda k, x: k.layers.Reshape((-1, 4))(k.layers.Dense(6)(k.layers.Reshape((-1, 2, 2))(x))),
    "flattened": lambda k, x: k.layers.Reshape((-1, 4))(k.layers.Flatten()(x)),
    "concatenated": lambda k, x: k.layers.Concatenate()([x, k.layers.Dense(3)(x)]),
    "concatenated along positions": lambda k, x: k.layers.Concatenate(axis=1)([x, k.layers.Dense(4)(x)]),
    "sum and product": lambda k, x: k.layers.Multiply()([k.layers.Add()([x, x]), k.layers.Dense(4)(x)]),
    "products": lambda k, x: k.layers.Dot((1, 1))([x, k.layers.Dense(3)(x)]),
    "maximum": lambda k, x: k.layers.Maximum()([x, k.layers.Dense(4)(x)]),
    "part": lambda k, x: x[:, 1:],
}


def make(k, body):
    x = k.Input((None, 4))
    model = k.Model(x, k.layers.Dense(2)(BODIES[body](k, x)))
    model.compile(k.optimizers.SGD(0.05), "mse")
    return model


@pytest.mark.parametrize("body", BODIES)
def test_batches_of_several_lengths(body):
    rng = np.random.default_rng(0)
    ours, theirs = make(cb, body), make(keras, body)
    assert ours.output_shape == theirs.output_shape
    ours.set_weights(theirs.get_weights())
    for length in (6, 3, 9, 6):
        x = rng.normal(size=(5, length, 4)).astype("float32")
        x[0, -1] = 0
        expected = theirs.predict(x, verbose=0)
        np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
        y = rng.normal(size=expected.shape).astype("float32")
        assert ours.train_on_batch(x, y) == pytest.approx(float(theirs.train_on_batch(x, y)), rel=1e-4)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_ids_of_several_lengths():
    def build(k):
        ids = k.Input((None,), dtype="int32")
        model = k.Model(ids, k.layers.Dense(2)(k.layers.Embedding(7, 3)(ids)))
        model.compile(k.optimizers.SGD(0.05), "mse")
        return model

    rng = np.random.default_rng(0)
    ours, theirs = build(cb), build(keras)
    ours.set_weights(theirs.get_weights())
    for length in (2, 5):
        ids, y = rng.integers(0, 7, (4, length)), rng.normal(size=(4, length, 2)).astype("float32")
        assert ours.train_on_batch(ids, y) == pytest.approx(float(theirs.train_on_batch(ids, y)), rel=1e-5)
        np.testing.assert_allclose(ours.predict(ids, verbose=0), theirs.predict(ids, verbose=0), rtol=1e-5, atol=1e-6)


def test_two_open_axes():
    def build(k):
        x = k.Input((None, None, 3))
        return k.Model(x, k.layers.Dense(2)(k.layers.LayerNormalization()(x)))

    ours, theirs = build(cb), build(keras)
    ours.set_weights(theirs.get_weights())
    for shape in ((2, 5, 4, 3), (2, 1, 7, 3)):
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "target"), [((2, None), (3, 5)), ((None, None), (-1, 16)), ((4, 6, None, 3), (-1, 3))]
)
def test_shapes_of_reshape(shape, target):
    ours, theirs = (k.layers.Reshape(target)(k.Input(batch_shape=shape)).shape for k in (cb, keras))
    assert ours == theirs
