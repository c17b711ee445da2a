"""Constraints: their values, their effect in training and in `optimizer.apply`, and wrong arguments."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import constraints, layers

ENGINES = ("compiled", "reference")


def half(w):
    """One in Python."""
    return np.clip(w, -0.1, 0.1)


EACH = [
    constraints.MaxNorm(0.3),
    constraints.MaxNorm(0.3, axis=1),
    constraints.MaxNorm(0.3, axis=[0, 1]),
    constraints.MinMaxNorm(0.2, 0.4, rate=0.7),
    constraints.UnitNorm(axis=-1),
    constraints.NonNeg(),
    half,
]


def test_values(rng):
    w = rng.normal(size=(3, 4, 5))
    for axis in (0, -1, 1, [0, 1], [0, 2], (1, 2), [0, 1, 2]):
        axes = tuple(axis) if isinstance(axis, (list, tuple)) else axis
        norms = np.sqrt((w**2).sum(axes, keepdims=True))
        for constraint, expected in [
            (constraints.MaxNorm(0.8, axis), np.minimum(norms, 0.8)),
            (constraints.UnitNorm(axis), np.ones_like(norms)),
            (constraints.MinMaxNorm(1.0, 2.0, 0.25, axis), 0.25 * np.clip(norms, 1, 2) + 0.75 * norms),
        ]:
            found = np.sqrt((constraint(w) ** 2).sum(axes, keepdims=True))
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(constraints.NonNeg()([-1.0, 0.0, 2.0]), [0, 0, 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("constraint", EACH, ids=lambda constraint: getattr(constraint, "__name__", repr(constraint)))
def test_engines_agree_and_threads_change_no_bit(constraint, dtype, rng, every_step_is_shared):
    cb.config.set_floatx(dtype)

    def make():
        hidden = layers.Dense(7, activation="tanh", kernel_constraint=constraint, bias_constraint="non_neg")
        return cb.Sequential([cb.Input((5,)), hidden, layers.Dense(3, kernel_constraint=constraint)])

    start = make().get_weights()
    x, y = rng.normal(size=(60, 5)), rng.normal(size=(60, 3))
    found = []
    for engine, threads in (("compiled", 1), ("compiled", 2), ("compiled", 3), ("reference", 1)):
        cb.config.set_num_threads(threads)
        model = make()
        model.set_weights(start)
        model.compile(cb.optimizers.SGD(0.1), "mse", engine=engine)
        model.fit(x, y, batch_size=17, epochs=2, shuffle=False, verbose=0)
        found.append(model.get_weights())
        for kernel in (model.get_weights()[0], model.get_weights()[2]):
            np.testing.assert_allclose(
                np.asarray(constraint(kernel)), kernel, atol=1e-5 if constraint is not EACH[3] else 0.5
            )
    for other in found[1:3]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found[0], other, strict=True))
    for a, b in zip(found[0], found[3], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 if dtype == "float64" else 1e-6)


def test_axes_that_are_no_neighbours(rng):
    """NumPy computes this norm; apart from that, training is the same."""
    layer = layers.LayerNormalization(axis=[1, 2, 3], gamma_constraint=constraints.MaxNorm(0.5, axis=[0, 2]))
    model = cb.Sequential([cb.Input((2, 3, 4)), layer])
    model.compile("sgd", "mse")
    x = rng.normal(size=(8, 2, 3, 4))
    model.fit(x, x, verbose=0)
    assert np.sqrt((layer.gamma.numpy() ** 2).sum((0, 2))).max() <= 0.5 + 1e-6


def test_gradients_and_frozen_weights_are_left_alone(rng):
    layer = layers.Dense(3, kernel_constraint="non_neg")
    model = cb.Sequential([cb.Input((4,)), layer])
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
    before = layer.get_weights()
    model.gradients(x, y)
    model.evaluate(x, y, verbose=0)
    np.testing.assert_array_equal(before[0], layer.kernel.numpy())
    layer.trainable = False
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(before[0], layer.kernel.numpy())


def test_apply():
    layer = layers.Dense(2, kernel_constraint="non_neg", kernel_initializer="ones")
    layer(cb.Input((1,)))
    cb.optimizers.SGD(1.0).apply([np.array([[0.5, 3.0]]), np.zeros(2)], layer.variables)
    np.testing.assert_array_equal(layer.kernel.numpy(), [[0.5, 0.0]])


@pytest.mark.parametrize("engine", ENGINES)
def test_what_python_does_wrong_is_raised(engine, rng):
    calls = []

    def failing(w):
        calls.append(w)
        if len(calls) > 2:
            return np.zeros(1)
        return w

    model = cb.Sequential([cb.Input((4,)), layers.Dense(3, kernel_constraint=failing)])
    model.compile("sgd", "mse", engine=engine)
    x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
    model.train_on_batch(x, y)
    with pytest.raises(ValueError, match=r"shape \(4, 3\)"):
        model.train_on_batch(x, y)
    assert np.isfinite(model.layers[0].kernel.numpy()).all()


def test_config_round_trip():
    layer = layers.Dense(2, kernel_constraint=constraints.MinMaxNorm(0.5, axis=[0, 1]), bias_constraint="non_neg")
    again = layers.Dense.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.kernel_constraint.axis == [0, 1]
    assert constraints.get(None) is None


def test_refuses():
    with pytest.raises(ValueError, match="max_value must be at least 0"):
        constraints.MaxNorm(-1)
    with pytest.raises(ValueError, match="max_value must be at least 2"):
        constraints.MinMaxNorm(2.0, 1.0)
    with pytest.raises(ValueError, match="rate must be at least 0 and at most 1"):
        constraints.MinMaxNorm(rate=2)
    with pytest.raises(TypeError, match="axis must be an integer"):
        constraints.UnitNorm("a")
    with pytest.raises(ValueError, match="axis 1 does not exist in a weight of 1 axes"):
        layers.Dense(2, bias_constraint=constraints.UnitNorm(1))(cb.Input((3,)))
    with pytest.raises(TypeError, match="w must hold real numbers"):
        constraints.NonNeg()(["a"])
    with pytest.raises(ValueError, match=r"has shape \(3, 2\), but got \(2,\)"):
        layers.Dense(2, kernel_constraint=lambda w: w[0])(cb.Input((3,)))


def test_the_base_class_changes_nothing():
    w = np.array([1.0, -2.0], np.float32)
    result = constraints.Constraint()(w)
    np.testing.assert_array_equal(result, w)
    assert not np.shares_memory(result, w)
