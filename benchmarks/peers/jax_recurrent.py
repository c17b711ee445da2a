"""JAX's recurrent layers: one product with all inputs, then a `lax.scan` over the time steps.

Steps are not unrolled: that was slower, for an LSTM of 32 units twice as slow with 4 steps at a time, and five times as
slow with 8.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp
from recurrent_nets import RecurrentNetwork
from workloads import Prediction

from peers import jax as dense

TITLE = "JAX"
PACKAGES = dense.PACKAGES
set_threads = dense.set_threads


def forward(network: RecurrentNetwork, weights: list[Any], x: Any) -> Any:
    """The output of the dense layer on the last state."""
    kernel, recurrent, bias, last, last_bias = weights
    more = 0
    if network.cell == "GRU":
        bias, more = bias
    z = jnp.swapaxes(x, 0, 1) @ kernel + bias
    zeros = jnp.zeros((len(x), network.widths[1]), x.dtype)

    def simple(h: Any, z: Any) -> Any:
        return jnp.tanh(z + h @ recurrent), None

    def lstm(state: Any, z: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    def gru(h: Any, z: Any) -> Any:
        x_z, x_r, x_g = jnp.split(z, 3, axis=1)
        h_z, h_r, h_g = jnp.split(h @ recurrent + more, 3, axis=1)
        u = jax.nn.sigmoid(x_z + h_z)
        g = jnp.tanh(x_g + jax.nn.sigmoid(x_r + h_r) * h_g)
        return u * h + (1 - u) * g, None

    cell = {"SimpleRNN": simple, "LSTM": lstm, "GRU": gru}[network.cell]
    state, _ = lax.scan(cell, (zeros, zeros) if network.cell == "LSTM" else zeros, z)
    h = state[0] if network.cell == "LSTM" else state
    return h @ last + last_bias


class Training(dense.Training):
    @staticmethod
    def loss(network: RecurrentNetwork, weights: list[Any], x: Any, y: Any) -> tuple[Any, Any]:
        return dense.loss_of(network, forward(network, weights, x), y), None


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        network = prediction.network
        weights = [jnp.asarray(array) for array in network.weights()]
        self.call = jax.jit(lambda x: forward(network, weights, x))
        self.x = network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        for _ in range(calls):
            y = np.asarray(self.call(self.x))
        return y
