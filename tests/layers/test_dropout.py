"""Dropout."""

import json

import numpy as np
import pytest
from layer_cases import around
from layer_checks import assert_backward, outputs

import cbackprop as cb
from cbackprop import layers
from cbackprop.reference import random


def both(layer, x, training=True):
    """The output, which both engines must give bit by bit."""
    found = [outputs(layer, [x], training, engine) for engine in ("compiled", "reference")]
    np.testing.assert_array_equal(*found, strict=True)
    return found[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0, 0.2, 0.5, 0.9, 1])
def test_definition(rate, dtype, rng):
    """The layer is the first step of its network, and no batch has been trained on."""
    x = rng.normal(size=(7, 5, 3)).astype(dtype)
    layer = layers.Dropout(rate, seed=11, dtype=dtype)
    mask = random.bits(x.size, 0, 11, 0).reshape(x.shape) < np.uint64((1 - rate) * 2**32)
    scale = x.dtype.type(1 / (1 - rate) if rate < 1 else 0)
    np.testing.assert_array_equal(both(layer, x), np.where(mask, x * scale, 0), strict=True)
    np.testing.assert_array_equal(both(layer, x, training=False), x, strict=True)


def test_the_same_elements_in_either_float_type():
    x = np.ones((50, 9))
    single = both(layers.Dropout(0.3, seed=1), x.astype("float32"))
    double = both(layers.Dropout(0.3, seed=1, dtype="float64"), x)
    np.testing.assert_array_equal(single == 0, double == 0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_share_and_scale(rate):
    y = both(layers.Dropout(rate, seed=3), np.ones((1000, 100), "float32"))
    kept = y[y != 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-6)
    # Five standard deviations of a binomial share.
    limit = 5 * np.sqrt(rate * (1 - rate) / y.size)
    assert (y == 0).mean() == pytest.approx(rate, abs=limit)
    for axis in (0, 1):
        share = (y == 0).mean(axis=axis)
        assert np.abs(share - rate).max() < 6 * np.sqrt(rate * (1 - rate) / y.shape[axis])
    assert y.mean() == pytest.approx(1, abs=limit / (1 - rate))


NOISE = [
    ((None, 1, 4), (5, 3, 4), (5, 1, 4)),
    ((None, 3, 1), (5, 3, 4), (5, 3, 1)),
    ((1, None, None), (5, 3, 4), (1, 3, 4)),
    ((1, 1, 4), (5, 3, 4), (1, 1, 4)),
    ((None, 1, 1), (5, 3, 4), (5, 1, 1)),
    ((None, None, None), (5, 3, 4), (5, 3, 4)),
    ((1, 4), (5, 4), (1, 4)),
    ((1, 1), (5, 1), (1, 1)),
    ((None, 1), (300, 4), (300, 1)),
    ((1, None), (300, 4), (1, 4)),
    ((None, None), (300, 5), (300, 5)),
    ((5, 1, 4), (5, 3, 4), (5, 1, 4)),
    ((300, 1), (300, 4), (300, 1)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("noise_shape", "shape", "expected"), NOISE)
def test_noise_shape(noise_shape, shape, expected, dtype):
    y = both(layers.Dropout(0.5, noise_shape=noise_shape, seed=2, dtype=dtype), np.ones(shape, dtype))
    mask = random.mask(int(np.prod(expected)), 0.5, 0, 2, 0).reshape(expected)
    np.testing.assert_array_equal(y, np.broadcast_to(2.0 * mask, shape))
    assert len(np.unique(y)) == 2 or np.prod(expected) == 1


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.Dropout(0.4, seed=3), (6,)),
        (lambda: layers.Dropout(0.4, seed=3), (7, 3)),
        (lambda: layers.Dropout(0.5, noise_shape=(None, 1, 3), seed=5), (4, 3)),
        (lambda: layers.Dropout(0.5, noise_shape=(1, None, 1), seed=6), (4, 3)),
        (lambda: layers.Dropout(0.0), (4,)),
    ],
)
def test_backward(make, shape):
    assert_backward(lambda: around(make, [shape]))


def test_in_place_after_dense_but_not_after_its_activation():
    """A rectifier's own backward pass reads its output, so that must stay."""

    def make(activation):
        x = cb.Input((4,))
        h = layers.Dropout(0.3, seed=1)(layers.Dense(5, activation=activation)(x))
        return cb.Model(x, layers.Dense(2)(layers.Activation("tanh")(h)))

    plain, rectified = make(None).plan.steps, make("relu").plan.steps
    assert plain[1].inputs == (plain[1].output,)
    assert plain[2].inputs == (plain[2].output,)
    assert rectified[2].inputs != (rectified[2].output,)
    assert_backward(lambda: make(None))
    assert_backward(lambda: make("relu"))


def test_fan_out_and_shared_use():
    def make():
        x = cb.Input((4,))
        drop = layers.Dropout(0.4, seed=8)
        h = layers.Dense(4, activation="tanh")(x)
        merged = layers.Add()([drop(h), drop(h), h, drop(x), layers.Dropout(0.5, seed=8)(h)])
        return cb.Model(x, layers.Dense(2)(merged))

    assert_backward(make)


def test_places_iterations_and_seeds_differ():
    x = np.ones((64, 32), "float32")
    tensor = cb.Input((32,))
    drop = layers.Dropout(0.5, seed=1)
    model = cb.Model(tensor, [drop(tensor), drop(tensor), layers.Dropout(0.5, seed=2)(tensor)])
    masks = [mask.tobytes() for mask in model(x, training=True)]
    assert len(set(masks)) == 3
    assert {mask.tobytes() for mask in model(x, training=True)}.isdisjoint(masks)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_each_training_batch_has_its_own_mask(engine):
    """With a rate of learning of 0 the loss shows the mask: it is the mean of the squared outputs."""
    model = cb.Sequential([cb.Input((50,)), layers.Dropout(0.5, seed=1)])
    model.compile("sgd", "mse", engine=engine)
    x, y = np.ones((8, 50), "float32"), np.zeros((8, 50), "float32")
    losses = [float(model.train_on_batch(x, y)) for _ in range(5)]
    expected = [4 * random.mask(400, 0.5, iteration, 1, 0).mean() for iteration in range(5)]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    assert len(set(losses)) > 1
    assert model.evaluate(x, y, verbose=0) == 1


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_training_repeats(engine, rng):
    x, y = rng.normal(size=(40, 6)), rng.integers(3, size=40)

    def trained(seed):
        cb.utils.set_random_seed(seed)
        hidden, last = layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")
        model = cb.Sequential([cb.Input((6,)), hidden, layers.Dropout(0.3), last])
        model.compile("sgd", "sparse_categorical_crossentropy", engine=engine)
        model.fit(x, y, batch_size=16, epochs=2, verbose=0)
        return model.get_weights()

    for a, b in zip(trained(1), trained(1), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(trained(1), trained(2), strict=True))


def test_only_the_seed_that_is_drawn_depends_on_the_generator():
    cb.utils.set_random_seed(5)
    first = layers.Dropout(0.5).stream
    assert layers.Dropout(0.5).stream != first
    cb.utils.set_random_seed(5)
    assert layers.Dropout(0.5).stream == first
    assert layers.Dropout(0.5, seed=9).stream == 9


def test_training_that_a_call_fixes():
    x = np.ones((4, 20), "float32")
    tensor = cb.Input((20,))
    drop = layers.Dropout(0.5, seed=1)
    model = cb.Model(tensor, [drop(tensor, training=True), drop(tensor, training=False), drop(tensor)])
    for training in (False, True):
        always, never, both_ways = model(x, training=training)
        assert (always == 0).any()
        np.testing.assert_array_equal(never, x)
        assert (both_ways == 0).any() == training


def test_dropped_infinities_are_zero():
    """The mask chooses; it is not a factor, which would make NaN of infinity."""
    scale = layers.Dense(1, use_bias=False)
    model = cb.Sequential([cb.Input((64, 1)), scale, layers.Dropout(0.5, seed=1)])
    scale.kernel.array[...] = 1e38
    y = model(np.full((1, 64, 1), 1e4, "float32"), training=True)
    assert set(y.ravel().tolist()) == {0.0, np.inf}


def test_config_round_trip():
    for layer in layers.Dropout(0.25), layers.Dropout(0.5, noise_shape=[None, 1, 3], seed=7, name="mine"):
        again = layers.Dropout.from_config(json.loads(json.dumps(layer.get_config())))
        assert again.get_config() == layer.get_config()
    assert (again.noise_shape, again.seed, again.stream) == ((None, 1, 3), 7, 7)


def test_refuses():
    for rate in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="rate must be"):
            layers.Dropout(rate)
    for rate in ("0.5", True, None):
        with pytest.raises(TypeError, match="rate must be a number"):
            layers.Dropout(rate)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match="seed must be at least 0 and at most 4294967295"):
            layers.Dropout(0.5, seed=seed)
    with pytest.raises(TypeError, match="seed must be an integer"):
        layers.Dropout(0.5, seed=1.0)
    for noise in ("abc", 3):
        with pytest.raises(TypeError, match="noise_shape must be a tuple"):
            layers.Dropout(0.5, noise)
    with pytest.raises(TypeError, match="every element of noise_shape must be an integer"):
        layers.Dropout(0.5, (None, 1.5))
    with pytest.raises(ValueError, match="every element of noise_shape must be at least 1"):
        layers.Dropout(0.5, (None, 0))
    with pytest.raises(ValueError, match="must have an element for each axis of the input"):
        layers.Dropout(0.5, ())
    for noise in ((None, 2), (None,), (None, 1, 4)):
        with pytest.raises(ValueError, match=r"noise_shape .* but got inputs of shape \(None, 4\)"):
            layers.Dropout(0.5, noise)(cb.Input((4,)))
