"""Normalization layers: formulas by hand, moving averages, freezing, mistakes."""

import numpy as np
import pytest
from layer_cases import around
from layer_checks import assert_backward, assert_forward

import cbackprop as cb
from cbackprop import initializers, layers

RANDOM = initializers.RandomNormal(1.0, 0.3, seed=1)
SHAPES = [
    ((5,), -1, (1,)),
    ((3, 4), -1, (2,)),
    ((3, 4), 1, (1,)),
    ((3, 4), [1, 2], (1, 2)),
    ((2, 3, 4), [1, 3], (1, 3)),
]


def spread_along(x, axes, about_mean=True):
    return ((x - (x.mean(axis=axes, keepdims=True) if about_mean else 0)) ** 2).mean(axis=axes, keepdims=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis", "axes"), SHAPES)
def test_layer_normalization(shape, axis, axes, dtype, rng):
    axes = tuple(sorted(a % (len(shape) + 1) for a in ([axis] if isinstance(axis, int) else axis)))
    x = (3 + rng.normal(size=(7, *shape))).astype(dtype)
    mean, spread = x.mean(axis=axes, keepdims=True), spread_along(x, axes)
    broadcast = [size if index in axes else 1 for index, size in enumerate(x.shape)]
    layer = layers.LayerNormalization(axis, gamma_initializer=RANDOM, beta_initializer=RANDOM, dtype=dtype)
    layer(x)
    gamma, beta = (weight.reshape(broadcast) for weight in layer.get_weights())
    assert_forward(layer, [x], gamma * (x - mean) / np.sqrt(spread + 1e-3) + beta)
    assert_forward(
        layers.RMSNormalization(axis, dtype=dtype), [x], x / np.sqrt((x**2).mean(axes, keepdims=True) + 1e-6)
    )
    assert_forward(layers.UnitNormalization(axis, dtype=dtype), [x], x / np.sqrt((x**2).sum(axes, keepdims=True)))
    expected = x / np.sqrt(spread + 1e-3)
    assert_forward(layers.LayerNormalization(axis, rms_scaling=True, dtype=dtype), [x], expected)


@pytest.mark.parametrize(
    ("shape", "axis", "groups"), [((6,), -1, 3), ((2, 3, 4), -1, 2), ((4, 5), 1, 2), ((3, 4), 2, -1)]
)
def test_group_normalization(shape, axis, groups, rng):
    layer = layers.GroupNormalization(groups, axis, gamma_initializer=RANDOM, beta_initializer=RANDOM, dtype="float64")
    x = rng.normal(size=(5, *shape))
    layer(x)
    gamma, beta = layer.get_weights()
    moved = np.moveaxis(x, axis, -1)
    channels = moved.shape[-1]
    count = channels if groups == -1 else groups
    divided = moved.reshape(5, -1, count, channels // count)
    normalized = (divided - divided.mean((1, 3), keepdims=True)) / np.sqrt(spread_along(divided, (1, 3)) + 1e-3)
    expected = np.moveaxis(normalized.reshape(moved.shape) * gamma + beta, -1, axis)
    assert_forward(layer, [x], expected)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [((5,), -1), ((40,), -1), ((3, 4), 1), ((2, 3, 4), 3), ((2, 3, 4), -2)])
def test_batch_normalization(shape, axis, training, rng):
    layer = layers.BatchNormalization(
        axis,
        gamma_initializer=RANDOM,
        beta_initializer=RANDOM,
        moving_mean_initializer=RANDOM,
        moving_variance_initializer=RANDOM,
        dtype="float64",
    )
    x = rng.normal(size=(9, *shape))
    layer(x)
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    broadcast = [1 if a in others else -1 for a in range(x.ndim)]
    gamma, beta, mean, variance = (weight.reshape(broadcast) for weight in layer.get_weights())
    if training:
        mean, variance = x.mean(others, keepdims=True), x.var(others, keepdims=True)
    assert_forward(layer, [x], gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta, training)


def test_backward():
    for make, shape in [
        (lambda: layers.LayerNormalization(gamma_initializer=RANDOM), (70,)),
        (lambda: layers.GroupNormalization(2, axis=1, gamma_initializer=RANDOM), (4, 3)),
        (lambda: layers.BatchNormalization(axis=1, gamma_initializer=RANDOM), (3, 4)),
        (lambda: layers.BatchNormalization(), (37,)),
    ]:
        assert_backward(lambda make=make, shape=shape: around(make, [shape]))


def test_large_mean_does_not_swallow_the_variance(rng):
    """Sums of squares minus the square of sums would: 1e8 + 1 has no room for the 1 in float32."""
    x = (1e4 + rng.normal(size=(64, 3))).astype("float32")
    expected = (x - x.mean(0, dtype="f8")) / x.std(0, dtype="f8")
    found = layers.BatchNormalization(epsilon=0.0)(x, training=True)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    found = layers.LayerNormalization(epsilon=0.0, axis=[1])(np.ascontiguousarray(x.T))
    np.testing.assert_allclose(found, expected.T, atol=2e-3)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_moving_averages(engine, rng):
    layer = layers.BatchNormalization(momentum=0.9, dtype="float64")
    model = cb.Sequential([cb.Input((3,), dtype="float64"), layer, layers.Dense(1, dtype="float64")])
    model.compile("sgd", "mse", engine=engine)
    x, y = rng.normal(2, 3, size=(8, 3)), rng.normal(size=(8, 1))
    before = [layer.moving_mean.numpy(), layer.moving_variance.numpy()]
    model.gradients(x, y, training=True)
    model.check_gradients(x, y, training=True)
    model.evaluate(x, y, verbose=0)
    model(x)
    np.testing.assert_array_equal(before, [layer.moving_mean.numpy(), layer.moving_variance.numpy()])
    model.train_on_batch(x, y)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * x.var(0), rtol=1e-12)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_frozen(engine, rng):
    """A frozen layer uses its moving averages in training, too, and leaves them alone."""
    layer = layers.BatchNormalization(trainable=False)
    model = cb.Sequential([cb.Input((3,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    x, y = rng.normal(2, 3, size=(8, 3)), rng.normal(size=(8, 1))
    before = layer.get_weights()
    model.fit(x, y, verbose=0)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_allclose(layer(x, training=True), layer(x))


def test_freezing_counts_at_once_when_called_on_arrays(rng):
    layer = layers.BatchNormalization()
    x = rng.normal(2, 3, size=(8, 3)).astype("float32")
    own = layer(x, training=True)
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), layer(x))
    layer.trainable = True
    np.testing.assert_array_equal(layer(x, training=True), own)


def test_a_shared_layer_sees_each_use(rng):
    def make():
        shared = layers.BatchNormalization(momentum=0.5)
        x = cb.Input((4,))
        h = layers.Dense(4, activation="tanh")(x)
        return cb.Model(x, layers.Dense(2)(layers.Add()([shared(h), shared(shared(x))])))

    assert_backward(make)


def test_weights():
    layer = layers.BatchNormalization()
    layer(cb.Input((4, 3)))
    assert [w.name for w in layer.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    layer = layers.LayerNormalization(axis=(-1, 1))
    layer(cb.Input((4, 5, 3)))
    assert layer.gamma.shape == (4, 3)
    layer = layers.RMSNormalization()
    layer(cb.Input((4,)))
    assert layer.scale.shape == (4,)


def test_refuses():
    for name in ("LayerNormalization", "RMSNormalization", "UnitNormalization", "GroupNormalization"):
        with pytest.raises(ValueError, match="normalizes axis 2, which is not an axis of the samples"):
            getattr(layers, name)(axis=2)(cb.Input((4,)))
        with pytest.raises(TypeError, match="axis must be an integer"):
            getattr(layers, name)(axis="last")
    with pytest.raises(ValueError, match="normalizes axis 0"):
        layers.BatchNormalization(axis=0)(cb.Input((4,)))
    with pytest.raises(ValueError, match="epsilon must be at least 0"):
        layers.LayerNormalization(epsilon=-1)
    with pytest.raises(ValueError, match="momentum must be at least 0 and at most 1"):
        layers.BatchNormalization(momentum=1.5)
    with pytest.raises(ValueError, match="at least one axis"):
        layers.LayerNormalization(axis=[])
    with pytest.raises(ValueError, match="groups must be positive or -1"):
        layers.GroupNormalization(0)
    with pytest.raises(ValueError, match="cannot divide 5 channels into 2 groups"):
        layers.GroupNormalization(2)(cb.Input((5,)))
    with pytest.raises(ValueError, match="cannot divide 5 channels into 32 groups"):
        layers.GroupNormalization()(cb.Input((5,)))
    with pytest.raises(TypeError, match="center must be True or False"):
        layers.BatchNormalization(center=1)
    with pytest.raises(ValueError, match="synchronized must be False"):
        layers.BatchNormalization(synchronized=True)
    for layer in (layers.LayerNormalization(), layers.BatchNormalization(), layers.GroupNormalization(1)):
        layer(cb.Input((4,)))
        with pytest.raises(ValueError, match="was built"):
            layer(cb.Input((5,)))
