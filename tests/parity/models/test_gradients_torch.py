"""Gradients by weights, inputs and layers, against PyTorch's automatic differentiation."""

import pytest
import torch
from numpy.testing import assert_allclose

import cbackprop as cb
from cbackprop import layers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients(dtype, rng):
    cb.config.set_floatx(dtype)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(8, "tanh", name="h"), layers.Dense(3)])
    model.compile("sgd", cb.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y, g = rng.normal(size=(6, 4)), rng.integers(3, size=6), rng.normal(size=(6, 3))
    tensors = [torch.tensor(w, requires_grad=True) for w in model.get_weights()]
    tx = torch.tensor(x.astype(dtype), requires_grad=True)
    h = torch.tanh(tx @ tensors[0] + tensors[1])
    out = h @ tensors[2] + tensors[3]
    limit = {"rtol": 1e-4, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-13}
    loss = torch.nn.functional.cross_entropy(out, torch.tensor(y))
    expected = torch.autograd.grad(loss, [tx, h, *tensors], retain_graph=True)
    found = [model.gradients(x, y, wrt="inputs"), model.gradients(x, y, wrt="h"), *model.gradients(x, y)]
    for a, b in zip(found, expected, strict=True):
        assert_allclose(a, b.numpy(), **limit)
    expected = torch.autograd.grad(out, [tx, h, *tensors], torch.tensor(g.astype(dtype)))
    found = [model.backward(x, g, wrt="inputs"), model.backward(x, g, wrt="h"), *model.backward(x, g)]
    for a, b in zip(found, expected, strict=True):
        assert_allclose(a, b.numpy(), **limit)
    each = model.gradients(x, y, wrt="weights", per_sample=True)
    for i in range(6):
        out = torch.tanh(tx[i : i + 1] @ tensors[0] + tensors[1]) @ tensors[2] + tensors[3]
        loss = torch.nn.functional.cross_entropy(out, torch.tensor(y[i : i + 1]))
        for a, b in zip(each, torch.autograd.grad(loss, tensors), strict=True):
            assert_allclose(a[i], b.numpy(), **limit)
