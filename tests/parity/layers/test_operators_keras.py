"""Operators between symbolic tensors, and parts of them, against Keras: shapes, numbers and gradients."""

import keras
import numpy as np
import pytest
import torch

import cbackprop as cb

OPERATORS = {
    "range": lambda x, y: x[:, 1:3],
    "steps": lambda x, y: x[:, 1::2],
    "element": lambda x, y: x[:, -1],
    "last axis": lambda x, y: x[..., 0],
    "new axis": lambda x, y: x[:, None, 2],
    "quotient": lambda x, y: x / (y * y + 1),
    "quotient of number": lambda x, y: 3 / (x * x + 2),
    "square": lambda x, y: x**2,
    "power of 0": lambda x, y: x**0 + x,
    "root": lambda x, y: (x * x + 0.1) ** 0.5,
    "power of number": lambda x, y: 2**x,
    "powers": lambda x, y: (x * x + 0.5) ** y,
    "size": lambda x, y: abs(x),
    "product of matrices": lambda x, y: x @ x[:, :4],
    "mixed": lambda x, y: abs(x[:, 0] - y[:, 0]) ** 3 - x[:, 1] / 4,
}


def made_with(package, function):
    x, y = package.Input((6, 4)), package.Input((1, 4))
    h, k = (package.layers.Dense(4, activation="tanh")(tensor) for tensor in (x, y))
    both = [package.layers.Flatten()(tensor) for tensor in (function(h, k), h, k)]
    return package.Model([x, y], package.layers.Dense(2)(package.layers.Concatenate()(both)))


@pytest.mark.parametrize("name", OPERATORS)
def test_same_numbers_and_gradients(name, rng):
    ours, theirs = (made_with(package, OPERATORS[name]) for package in (cb, keras))
    assert [w.shape for w in theirs.weights] == [w.shape for w in ours.weights]
    weights = [rng.normal(size=w.shape).astype("float32") / 2 for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    x = [rng.normal(size=shape).astype("float32") for shape in ((5, 6, 4), (5, 1, 4))]
    y = rng.normal(size=(5, 2)).astype("float32")
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=2e-6, atol=2e-6)
    ours.compile("sgd", "mse")
    loss = ((theirs(x) - torch.tensor(y)) ** 2).mean()
    theirs.zero_grad()
    loss.backward()
    expected = [weight.value.grad.numpy() for weight in theirs.trainable_weights]
    largest = max(np.abs(gradient).max() for gradient in expected)
    for a, b in zip(ours.gradients(x, y), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-6 * largest)


@pytest.mark.parametrize("act", [lambda x: x[:, 9], lambda x: x[:, 0, 0, 0]])
def test_the_same_errors(act):
    for package in (cb, keras):
        with pytest.raises((ValueError, IndexError)):
            act(package.Input((6, 4)))
