"""The same weights and batches in PyTorch."""

import numpy as np
import pytest
import torch

import cbackprop as cb
from cbackprop import layers

STEPS = 20

OPTIMIZERS = {
    "sgd": (lambda: cb.optimizers.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    # PyTorch's velocity is ours divided by the learning rate: the weights are the same while the rate is.
    "momentum": (lambda: cb.optimizers.SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    "nesterov": (
        lambda: cb.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    ),
    # PyTorch adds epsilon to the corrected square root, as the paper: without it both formulas are one.
    "adam": (lambda: cb.optimizers.Adam(0.01, epsilon=1e-30), lambda p: torch.optim.Adam(p, 0.01, eps=1e-30)),
    "adamw": (
        lambda: cb.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-30),
        lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1, eps=1e-30),
    ),
    # PyTorch adds epsilon to the square root, Keras to what is under it.
    "rmsprop": (
        lambda: cb.optimizers.RMSprop(0.01, rho=0.9, epsilon=1e-30),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-30),
    ),
    "rprop": (lambda: cb.optimizers.Rprop(0.01), lambda p: torch.optim.Rprop(p, 0.01)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["mse", "ce", "bce", "mae", "huber"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_twenty_steps(optimizer, loss, dtype, rng):
    """float64 leaves no room for a difference of formulas: 1e-10 after 20 steps."""
    cb.config.set_floatx(dtype)
    ours = cb.Sequential([cb.Input((5,)), layers.Dense(8, activation="tanh"), layers.Dense(3)])
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    theirs = theirs.to(getattr(torch, dtype))
    with torch.no_grad():
        for parameter, value in zip(theirs.parameters(), ours.get_weights(), strict=True):
            parameter.copy_(torch.tensor(value.T))
    make_ours, make_theirs = OPTIMIZERS[optimizer]
    losses = {
        "mse": (cb.losses.MeanSquaredError(), torch.nn.MSELoss()),
        "mae": (cb.losses.MeanAbsoluteError(), torch.nn.L1Loss()),
        "huber": (cb.losses.Huber(), torch.nn.HuberLoss()),
        "ce": (cb.losses.SparseCategoricalCrossentropy(from_logits=True), torch.nn.CrossEntropyLoss()),
        "bce": (cb.losses.BinaryCrossentropy(from_logits=True), torch.nn.BCEWithLogitsLoss()),
    }
    ours.compile(make_ours(), losses[loss][0])
    rule, criterion = make_theirs(theirs.parameters()), losses[loss][1]
    x = rng.normal(size=(STEPS, 8, 5)).astype(dtype)
    y = {"ce": rng.integers(3, size=(STEPS, 8)), "bce": rng.integers(2, size=(STEPS, 8, 3)).astype(dtype)}.get(
        loss, rng.normal(size=(STEPS, 8, 3)).astype(dtype)
    )
    limit = {"float32": 2e-5, "float64": 1e-10}[dtype]
    for step in range(STEPS):
        a = ours.train_on_batch(x[step], y[step])
        rule.zero_grad()
        b = criterion(theirs(torch.tensor(x[step])), torch.tensor(y[step]))
        b.backward()
        rule.step()
        assert a == pytest.approx(b.item(), rel=max(limit, 1e-9) if dtype == "float64" else 5e-5, abs=1e-7)
    for value, parameter in zip(ours.get_weights(), theirs.parameters(), strict=True):
        expected = parameter.detach().numpy().T
        np.testing.assert_allclose(value, expected, rtol=0, atol=limit * np.abs(expected).max())


def test_gradients_are_those_of_autograd(rng):
    cb.config.set_floatx("float64")
    ours = cb.Sequential(
        [cb.Input((6,)), layers.Dense(7, activation="gelu"), layers.Dense(5, activation="silu"), layers.Dense(4)]
    )
    ours.compile("sgd", cb.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = rng.normal(size=(9, 6)), rng.integers(4, size=9)
    weights = [torch.tensor(w, requires_grad=True) for w in ours.get_weights()]
    h = torch.nn.functional.gelu(torch.tensor(x) @ weights[0] + weights[1])
    h = torch.nn.functional.silu(h @ weights[2] + weights[3])
    torch.nn.functional.cross_entropy(h @ weights[4] + weights[5], torch.tensor(y)).backward()
    for gradient, weight in zip(ours.gradients(x, y), weights, strict=True):
        np.testing.assert_allclose(gradient, weight.grad.numpy(), rtol=1e-10, atol=1e-14)
