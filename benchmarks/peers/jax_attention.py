"""JAX's `dot_product_attention` in an epoch that is one jitted `lax.scan`; one product for query, key and value."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from attention_nets import ARRAYS, NORM_EPSILON, AttentionNetwork, packed, unpacked
from jax import lax
from jax import numpy as jnp
from workloads import Prediction

from peers import jax as dense

TITLE = "JAX"
PACKAGES = dense.PACKAGES
set_threads = dense.set_threads


def forward(network: AttentionNetwork, weights: list[Any], x: Any) -> Any:
    """The output of the dense layer on the mean over steps."""
    for i in range(0, (ARRAYS - 4) * network.blocks, ARRAYS - 4):
        x = block(network, weights[i : i + ARRAYS - 4], x)
    return x.mean(1) @ weights[-2] + weights[-1]


def block(network: AttentionNetwork, weights: list[Any], x: Any) -> Any:
    kernel, bias, out, out_bias, gamma, beta, first, first_bias, second, second_bias, gamma_2, beta_2 = weights
    rows, length, _ = x.shape
    projected = (x @ kernel + bias).reshape(rows, length, 3, network.heads, -1)
    q, k, v = (projected[:, :, i] for i in range(3))
    found = jax.nn.dot_product_attention(q, k, v, is_causal=network.causal)
    x = normalize(x + found.reshape(x.shape) @ out + out_bias, gamma, beta)
    return normalize(x + jax.nn.relu(x @ first + first_bias) @ second + second_bias, gamma_2, beta_2)


def normalize(x: Any, gamma: Any, beta: Any) -> Any:
    centered = x - x.mean(-1, keepdims=True)
    return centered * (gamma * lax.rsqrt(jnp.square(centered).mean(-1, keepdims=True) + NORM_EPSILON)) + beta


class Training(dense.Training):
    def __init__(self, network: AttentionNetwork) -> None:
        super().__init__(network)
        weights = [jnp.asarray(array) for array in packed(network, network.weights())]
        self.state = (self.state[0], weights, *([jnp.zeros_like(w) for w in weights] for _ in self.state[2:]))

    @staticmethod
    def loss(network: AttentionNetwork, weights: list[Any], x: Any, y: Any) -> tuple[Any, Any]:
        return dense.loss_of(network, forward(network, weights, x), y), None

    def steps(self, count: int) -> list[Any]:
        return unpacked(self.network, super().steps(count))


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        network = prediction.network
        weights = [jnp.asarray(array) for array in packed(network, network.weights())]
        self.call = jax.jit(lambda x: forward(network, weights, x))
        self.x = network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        for _ in range(calls):
            y = np.asarray(self.call(self.x))
        return y
