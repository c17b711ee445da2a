"""PyTorch, eager: functions on plain tensors, which cost less than modules, and fused optimizers where there are any.

`torch.compile` is left out: see README.md.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from workloads import BETA_1, BETA_2, EPSILON, MOMENTUM, RATES, RHO, RMSPROP_EPSILON, Network, Prediction

TITLE = "PyTorch"
PACKAGES = ("torch",)
# In place where autograd only needs the outputs.
ACTIVATIONS = {"relu": torch.relu_, "tanh": torch.tanh_, "sigmoid": torch.sigmoid_, "gelu": functional.gelu}
LOSSES = {"mse": functional.mse_loss, "ce": functional.cross_entropy}
OPTIMIZERS = {
    "sgd": lambda p, rate: torch.optim.SGD(p, rate, fused=True),
    "momentum": lambda p, rate: torch.optim.SGD(p, rate, momentum=MOMENTUM, fused=True),
    "adam": lambda p, rate: torch.optim.Adam(p, rate, (BETA_1, BETA_2), EPSILON, fused=True),
    "rmsprop": lambda p, rate: torch.optim.RMSprop(p, rate, RHO, RMSPROP_EPSILON, foreach=True),
}


def set_threads(n: int) -> None:
    torch.set_num_threads(n)
    torch.set_num_interop_threads(1)


def forward(weights: list[Any], activation: Any, x: Any) -> Any:
    """The outputs before a softmax."""
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = activation(torch.addmm(bias, x, kernel))
    return torch.addmm(weights[-1], x, weights[-2])


class Training:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.x, self.y = map(torch.from_numpy, network.data())
        self.weights = [torch.from_numpy(array).requires_grad_() for array in network.weights()]
        self.activation = ACTIVATIONS[network.activation]
        self.loss = LOSSES[network.loss]
        self.optimizer = OPTIMIZERS[network.optimizer](self.weights, RATES[network.optimizer])

    def outputs(self, x: Any) -> Any:
        return forward(self.weights, self.activation, x)

    def targets(self, y: Any) -> Any:
        return y

    def found(self) -> list[Any]:
        return [weight.detach().numpy() for weight in self.weights]

    def step(self, x: Any, y: Any) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.outputs(x), self.targets(y)).backward()
        self.optimizer.step()

    def steps(self, count: int) -> list[Any]:
        batch = self.network.batch
        for t in range(1, count + 1):
            for group in self.optimizer.param_groups:
                if "betas" in group:  # PyTorch adds epsilon to a root of corrected squares, Keras to that of plain ones
                    group["eps"] = EPSILON / (1 - BETA_2**t) ** 0.5
            self.step(self.x[:batch], self.y[:batch])
        return self.found()

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for rows in torch.randperm(len(self.x)).split(self.network.batch):
                self.step(self.x.index_select(0, rows), self.y.index_select(0, rows))


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        self.network = prediction.network
        self.weights = [torch.from_numpy(array) for array in prediction.network.weights()]
        self.activation = ACTIVATIONS[prediction.network.activation]
        self.x = prediction.network.inputs(prediction.rows)

    def call(self, x: Any) -> Any:
        y = forward(self.weights, self.activation, torch.from_numpy(x))
        return (torch.softmax(y, 1) if self.network.loss == "ce" else y).numpy()

    def run(self, calls: int) -> Any:
        with torch.inference_mode():
            for _ in range(calls):
                y = self.call(self.x)
        return y
