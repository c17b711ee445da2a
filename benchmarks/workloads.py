"""The networks that are measured: their shapes, starting weights and data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

# Rates of the optimizers; all else is Keras's default, except that "momentum" is SGD with this momentum.
RATES = {"sgd": 0.01, "momentum": 0.01, "adam": 0.001, "rmsprop": 0.001}
MOMENTUM = 0.9
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
# RMSprop's is too small to matter: Keras adds it before the root is taken, PyTorch after.
RHO, RMSPROP_EPSILON = 0.9, 1e-14

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
LOSSES = ("mse", "ce")


@dataclass(frozen=True)
class Network:
    """Dense layers: widths from input to output, and how they are trained.

    `loss` is "mse" after a linear output or "ce" after a softmax, with classes as targets; `steps` make an epoch.
    """

    widths: tuple[int, ...]
    activation: str
    loss: str
    batch: int
    optimizer: str
    steps: int

    @property
    def name(self) -> str:
        widths = "-".join(map(str, self.widths))
        return f"{widths} {self.activation} {self.loss.upper()}, batch {self.batch}, {self.optimizer}"

    @property
    def samples(self) -> int:
        return self.batch * self.steps

    @property
    def products(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        return list(zip(self.widths, self.widths[1:], strict=False))

    def forward_operations(self, rows: int) -> int:
        """Multiplications and additions of the matrix products of a forward pass."""
        return 2 * rows * sum(m * n for m, n in self.products)

    def step_operations(self) -> int:
        """The same for a training step. The first layer needs no deltas of its inputs."""
        inputs, outputs = self.products[0]
        return 3 * self.forward_operations(self.batch) - 2 * self.batch * inputs * outputs

    def weights(self) -> list[Any]:
        """Kernel (inputs, outputs) and bias of each layer. No bias is 0, so that a forgotten one is noticed."""
        rng = np.random.default_rng(1)
        arrays = []
        for inputs, outputs in self.products:
            limit = math.sqrt(6 / (inputs + outputs))
            arrays += [rng.uniform(-limit, limit, (inputs, outputs)), rng.uniform(-0.1, 0.1, outputs)]
        return [array.astype(np.float32) for array in arrays]

    def inputs(self, rows: int) -> Any:
        return np.random.default_rng(2).normal(size=(rows, self.widths[0])).astype(np.float32)

    def data(self) -> tuple[Any, Any]:
        """Random inputs and targets of an epoch; every class occurs where there are samples enough."""
        rng = np.random.default_rng(3)
        if self.loss == "mse":
            return self.inputs(self.samples), rng.normal(size=(self.samples, self.widths[-1])).astype(np.float32)
        return self.inputs(self.samples), rng.permutation(self.samples) % self.widths[-1]


@dataclass(frozen=True)
class Prediction:
    """A prediction for `rows` rows, by the method `door` of cbackprop's models."""

    network: Network
    rows: int
    door: str

    @property
    def name(self) -> str:
        widths = "-".join(map(str, self.network.widths))
        return f"{widths} {self.network.activation} {self.network.loss.upper()}, {self.rows:,} row(s), {self.door}"


TRAINING = [
    Network((2, 8, 1), "tanh", "mse", 4, "sgd", 500),
    Network((8, 64, 64, 4), "relu", "mse", 32, "adam", 200),
    Network((64, 64, 10), "relu", "ce", 32, "adam", 200),
    Network((30, 128, 64, 1), "relu", "mse", 128, "adam", 100),
    Network((784, 128, 10), "relu", "ce", 32, "sgd", 100),
    Network((784, 512, 256, 10), "relu", "ce", 128, "adam", 20),
    Network((1024, 2048, 2048, 1000), "relu", "ce", 256, "momentum", 4),
    Network((4, 32, 16, 4), "tanh", "mse", 10_000, "adam", 1),
    # A few rows at a time, so that reading and writing the weights takes longer than arithmetic.
    Network((1024, 2048, 2048, 1000), "relu", "ce", 8, "sgd", 8),
    # Unusual shapes, for which nothing is tuned.
    Network((17, 50, 23, 3), "sigmoid", "ce", 20, "rmsprop", 200),
    Network((100, 300, 100, 7), "tanh", "ce", 64, "adam", 50),
    Network((11, 37, 1), "gelu", "mse", 50, "adam", 200),
    Network((256, 256, 256, 256, 256, 10), "relu", "ce", 100, "momentum", 40),
]

ONE_ROW = ("predict_on_batch", "model(x)")


def predictions(network: Network, rows: int) -> list[Prediction]:
    return [Prediction(network, rows, door) for door in (ONE_ROW if rows == 1 else ("predict",))]


INFERENCE = [
    *predictions(TRAINING[4], 1),
    *predictions(TRAINING[1], 1),
    *predictions(TRAINING[4], 10_000),
    *predictions(TRAINING[5], 10_000),
]


def given(widths: str, activation: str, loss: str, batch: int, optimizer: str) -> Network:
    """The network that a command line names, with as many steps as make an epoch of some 10 milliseconds."""
    network = Network(tuple(int(width) for width in widths.split("-")), activation, loss, batch, optimizer, 1)
    if len(network.widths) < 2 or min(*network.widths, batch) < 1:
        raise ValueError(f"A network is two or more widths like 17-50-3, and a batch at least 1, but got {widths!r}.")
    steps = min(max(10**9 // network.step_operations(), 1), 500)
    steps = max(steps, math.ceil(network.widths[-1] / batch))  # samples enough for every class
    return Network(network.widths, activation, loss, batch, optimizer, steps)
