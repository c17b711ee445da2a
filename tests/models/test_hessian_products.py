"""Products of second derivatives with vectors. The tests of parity compare them with PyTorch."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import cbackprop as cb
from cbackprop import layers


def dense():
    x = cb.Input((4,))
    return cb.Model(x, layers.Dense(2)(layers.Dense(5, "tanh", kernel_regularizer="l2")(x)))


def shared():
    x = cb.Input((4,))
    twice = layers.Dense(4, "tanh")
    return cb.Model(x, layers.Dense(2)(layers.Dropout(0.3, seed=1)(twice(twice(x)))))


def images():
    x = cb.Input((5, 5, 1))
    y = layers.Conv2D(3, 3, activation="gelu")(x)
    return cb.Model(x, layers.Dense(2)(layers.Flatten()(layers.BatchNormalization()(y))))


def sequences():
    x = cb.Input((None, 4))
    y = layers.MultiHeadAttention(2, 2)(x, x)
    return cb.Model(x, layers.Dense(2)(layers.LSTM(3)(y)))


MODELS = [(dense, (4,)), (shared, (4,)), (images, (5, 5, 1)), (sequences, (3, 4))]


def inner(a, b):
    return sum(float((x.astype(float) * y).sum()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(("make", "shape"), MODELS)
@pytest.mark.parametrize("training", [False, True])
def test_matrices_are_symmetric_and_linear(make, shape, training, engine, rng):
    model = make()
    model.compile("sgd", "mse", engine=engine)
    x, y = rng.normal(size=(6, *shape)), rng.normal(size=(6, 2))
    u, v = ([rng.normal(size=w.shape) for w in model.trainable_weights] for _ in range(2))
    for product in (lambda v: model.hvp(x, y, v, training=training), lambda v: model.ggnvp(x, y, v)):
        of_u, of_v = product(u), product(v)
        size = np.sqrt(inner(of_u, of_u) * inner(v, v))
        assert abs(inner(v, of_u) - inner(u, of_v)) < 1e-6 * size
        both = product([a + 2 * b for a, b in zip(u, v, strict=True)])
        for a, b, c in zip(both, of_u, of_v, strict=True):
            np.testing.assert_allclose(a, b + 2 * c, rtol=1e-3, atol=1e-5 * size)
    assert inner(u, model.ggnvp(x, y, u)) > 0


def test_hessian_of_a_gradient_with_weights_frozen_and_loss_changed(rng):
    """Products use the current state of the model."""
    model = dense()
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    v = [rng.normal(size=w.shape) for w in model.trainable_weights]
    first = model.hvp(x, y, v)
    model.train_on_batch(x, y)
    assert any((a != b).any() for a, b in zip(first, model.hvp(x, y, v), strict=True))
    model.compile("sgd", "mae")
    assert any((a != b).any() for a, b in zip(first, model.hvp(x, y, v), strict=True))
    model.layers[1].trainable = False
    model.compile("sgd", "mse")
    found = model.hvp(x, y, v[2:])
    assert [a.shape for a in found] == [(5, 2), (2,)]
    # The loss is quadratic in the weights of the last layer.
    np.testing.assert_allclose(inner(v[2:], found), inner(v[2:], model.ggnvp(x, y, v[2:])), rtol=1e-5)
    model.layers[1].trainable = True
    zeros = [np.zeros(w.shape) for w in model.trainable_weights]
    model.compile("sgd", "mse")
    assert all((a == 0).all() for product in (model.hvp, model.ggnvp) for a in product(x, y, zeros))


def test_several_outputs_and_sample_weights(rng):
    x = cb.Input((4,))
    h = layers.Dense(3, "tanh")(x)
    model = cb.Model(x, {"a": layers.Dense(3, "softmax", name="a")(h), "b": layers.Dense(1, name="b")(h)})
    model.compile("sgd", {"a": "sparse_categorical_crossentropy", "b": "mse"}, loss_weights={"a": 2.0, "b": 0.5})
    data, weight = rng.normal(size=(6, 4)), rng.random(6)
    y = {"a": rng.integers(3, size=6), "b": rng.normal(size=(6, 1))}
    v = [rng.normal(size=w.shape) for w in model.trainable_weights]
    whole = model.ggnvp(data, y, v, sample_weight=weight)
    parts = []
    for name, factor in (("a", 2.0), ("b", 0.5)):
        model.compile("sgd", {name: {"a": "sparse_categorical_crossentropy", "b": "mse"}[name]})
        parts.append([factor * a for a in model.ggnvp(data, {name: y[name]}, v, sample_weight=weight)])
    for a, b, c in zip(whole, *parts, strict=True):
        np.testing.assert_allclose(a, b + c, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda v: v[:-1], ValueError, "must have 4 arrays"),
        (lambda v: [v[0].T, *v[1:]], ValueError, "must have the shape"),
        (lambda v: [v[0] * np.nan, *v[1:]], ValueError, "must be finite"),
        (lambda v: np.ones(3), TypeError, "must be a list of arrays"),
    ],
)
def test_refused_vectors(change, error, message, rng):
    model = dense()
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    for product in (model.hvp, model.ggnvp):
        with pytest.raises(error, match=message):
            product(x, y, change([rng.normal(size=w.shape) for w in model.trainable_weights]))


def test_refused_models(rng):
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    model = dense()
    v = [np.ones(w.shape) for w in model.weights]
    with pytest.raises(RuntimeError, match="compile"):
        model.hvp(x, y, v)
    model.compile("sgd")
    with pytest.raises(ValueError, match="without one"):
        model.hvp(x, y, v)
    inputs = cb.Input((3, 4))
    masked = cb.Model(inputs, layers.Dense(2)(layers.Masking()(inputs)))
    masked.compile("sgd", "mse")
    with pytest.raises(ValueError, match="depend on masks"):
        masked.ggnvp(np.ones((2, 3, 4)), np.ones((2, 3, 2)), [np.ones((4, 2)), np.ones(2)])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("product", ["hvp", "ggnvp"])
def test_sparse_samples(product, engine):
    dense, y = np.array([[0, 2, 0], [1, 0, 3], [0, 0, 0.5]], "float32"), np.ones((3, 1))
    found = []
    for x in (csr_matrix(dense), dense):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((3,), sparse=x is not dense), layers.Dense(2, "tanh"), layers.Dense(1)])
        model.compile("sgd", "mse", engine=engine)
        found.append(getattr(model, product)(x, y, [np.ones(v.shape) for v in model.trainable_variables]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
