"""Products of second derivatives with vectors, against automatic differentiation by PyTorch."""

import numpy as np
import pytest
import torch
from torch.autograd.functional import vhp
from torch.func import functional_call, jvp, vjp

import cbackprop as cb
from cbackprop import layers


class Net(torch.nn.Module):
    """Dense layers with tanh between them, with kernels as in Keras."""

    def __init__(self, weights):
        super().__init__()
        self.weights = torch.nn.ParameterList([torch.tensor(w, dtype=torch.float64) for w in weights])

    def forward(self, x):
        for i in range(0, len(self.weights) - 2, 2):
            x = torch.tanh(x @ self.weights[i] + self.weights[i + 1])
        return x @ self.weights[-2] + self.weights[-1]


LOSSES = {
    "mse": (3, None, lambda z, y: ((z - y) ** 2).mean()),
    "sparse_categorical_crossentropy": (3, "softmax", lambda z, y: torch.nn.functional.cross_entropy(z, y)),
    "binary_crossentropy": (
        1,
        "sigmoid",
        lambda z, y: torch.nn.functional.binary_cross_entropy_with_logits(z, y),
    ),
}


def case(name, dtype, rng):
    """A compiled model, its data, the same network and loss in PyTorch, and a vector."""
    outputs, activation, loss = LOSSES[name]
    model = cb.Sequential(
        [
            cb.Input((4,), dtype=dtype),
            layers.Dense(6, "tanh", dtype=dtype),
            layers.Dense(5, "tanh", dtype=dtype),
            layers.Dense(outputs, activation, dtype=dtype),
        ]
    )
    model.compile("sgd", name)
    model.set_weights([rng.normal(size=w.shape) / 2 for w in model.get_weights()])
    x = rng.normal(size=(20, 4))
    y = rng.integers(outputs, size=20) if name.startswith("sparse") else rng.integers(2, size=(20, outputs)) * 1.0
    net = Net(model.get_weights())
    v = [rng.normal(size=w.shape) for w in model.get_weights()]
    return model, x, y, net, loss, v


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_hessian(name, dtype, rng):
    model, x, y, net, loss, v = case(name, dtype, rng)
    names = [key for key, _ in net.named_parameters()]

    def of_weights(*arrays):
        return loss(functional_call(net, dict(zip(names, arrays, strict=True)), (torch.tensor(x),)), torch.tensor(y))

    _, expected = vhp(of_weights, tuple(net.parameters()), tuple(map(torch.tensor, v)))
    before = model.get_weights()
    for a, b in zip(model.hvp(x, y, v), expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-4 if dtype == "float32" else 1e-6, atol=1e-7)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_gauss_newton(name, dtype, rng):
    model, x, y, net, loss, v = case(name, dtype, rng)
    names = [key for key, _ in net.named_parameters()]
    weights = tuple(parameter.detach() for parameter in net.parameters())

    def outputs(*arrays):
        return functional_call(net, dict(zip(names, arrays, strict=True)), (torch.tensor(x),))

    z, moved = jvp(outputs, weights, tuple(map(torch.tensor, v)))
    _, curved = vhp(lambda z: loss(z, torch.tensor(y)), z, moved)
    _, back = vjp(outputs, *weights)
    for a, b in zip(model.ggnvp(x, y, v), back(curved), strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-4 if dtype == "float32" else 1e-6, atol=1e-7)
