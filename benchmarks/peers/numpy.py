"""NumPy: for training cbackprop's twin, ``engine="reference"``; for inference the formulas and nothing around them."""

from __future__ import annotations

from typing import Any

import numpy as np
from workloads import Network, Prediction

from cbackprop.reference import activations
from peers import cbackprop

TITLE = "NumPy"
PACKAGES = ("numpy",)
set_threads = cbackprop.set_threads


class Training(cbackprop.Training):
    engine = "reference"


def relu(z: Any) -> Any:
    return np.maximum(z, 0, out=z)


def softmax(z: Any) -> Any:
    np.exp(z - z.max(axis=1, keepdims=True), out=z)
    z /= z.sum(axis=1, keepdims=True)
    return z


def forward(network: Network, weights: list[Any], x: Any) -> Any:
    """The network's outputs, with as few arrays as NumPy allows."""
    function = {"relu": relu, "tanh": lambda z: np.tanh(z, out=z)}.get(network.activation)
    function = function or activations.pair(network.activation)[0]
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = x @ kernel
        x += bias
        x = function(x)
    x = x @ weights[-2]
    x += weights[-1]
    return softmax(x) if network.loss == "ce" else x


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        self.network = prediction.network
        self.weights = prediction.network.weights()
        self.x = prediction.network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        for _ in range(calls):
            y = forward(self.network, self.weights, self.x)
        return y
