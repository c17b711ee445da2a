"""JAX: an epoch is one jitted `lax.scan` over batches, with weights and optimizer's state donated.

The order of the rows comes from NumPy, whose permutation is faster than JAX's, which sorts; the gather of each batch
is inside the jitted epoch. Unrolling the scan once gains a seventh on the smallest network. Optimizers are written by
hand, so that XLA fuses each into one pass.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from workloads import BETA_1, BETA_2, EPSILON, MOMENTUM, RATES, RHO, RMSPROP_EPSILON, Network, Prediction

TITLE = "JAX"
PACKAGES = ("jax", "jaxlib")
ACTIVATIONS = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
}


def set_threads(n: int) -> None:
    """XLA counts the processors of the process, and reads XLA_FLAGS: both are set before it starts."""


def forward(network: Network, weights: list[Any], x: Any) -> Any:
    """The outputs before a softmax."""
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = ACTIVATIONS[network.activation](x @ kernel + bias)
    return x @ weights[-2] + weights[-1]


def loss_of(network: Network, outputs: Any, y: Any) -> Any:
    if network.loss == "mse":
        return jnp.mean(jnp.square(outputs - y))
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], 1, mode="promise_in_bounds"))


def sgd(rate: float, t: Any, w: Any, g: Any) -> tuple[Any, ...]:
    return (w - rate * g,)


def momentum(rate: float, t: Any, w: Any, g: Any, v: Any) -> tuple[Any, ...]:
    v = MOMENTUM * v - rate * g
    return w + v, v


def adam(rate: float, t: Any, w: Any, g: Any, m: Any, v: Any) -> tuple[Any, ...]:
    m = m + (1 - BETA_1) * (g - m)
    v = v + (1 - BETA_2) * (g * g - v)
    corrected = rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    return w - corrected * m / (jnp.sqrt(v) + EPSILON), m, v


def rmsprop(rate: float, t: Any, w: Any, g: Any, v: Any) -> tuple[Any, ...]:
    v = RHO * v + (1 - RHO) * g * g
    return w - rate * g / jnp.sqrt(v + RMSPROP_EPSILON), v


# The function of each, and how many arrays it keeps for a weight.
OPTIMIZERS = {"sgd": (sgd, 0), "momentum": (momentum, 1), "adam": (adam, 2), "rmsprop": (rmsprop, 1)}


def step(job: Any, network: Network, state: Any, x: Any, y: Any) -> Any:
    """The state (t, weights, slots...) after a training step; `job` is the class `Training`."""
    t, weights, *slots = state
    gradients, moved = jax.grad(functools.partial(job.loss, network), has_aux=True)(weights, x, y)
    update, _ = OPTIMIZERS[network.optimizer]
    rate = RATES[network.optimizer]
    new = [update(rate, t, *arrays) for arrays in zip(weights, gradients, *slots, strict=True)]
    weights, *slots = map(list, zip(*new, strict=True))
    return t + 1, job.moved(network, weights, moved), *slots


def epoch(job: Any, network: Network, state: Any, x: Any, y: Any, rows: Any) -> Any:
    """Steps over the batches that `rows` (steps, batch) names."""

    def body(state: Any, batch: Any) -> tuple[Any, None]:
        picked = (array.at[batch].get(mode="promise_in_bounds") for array in (x, y))
        return step(job, network, state, *picked), None

    return jax.lax.scan(body, state, rows, unroll=min(2, len(rows)))[0]


class Training:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.x, self.y = map(jnp.asarray, network.data())
        weights = [jnp.asarray(array) for array in network.weights()]
        _, slots = OPTIMIZERS[network.optimizer]
        self.state = (jnp.float32(1), weights, *([jnp.zeros_like(w) for w in weights] for _ in range(slots)))
        self.epoch = jax.jit(functools.partial(epoch, type(self), network), donate_argnums=0)
        self.rng = np.random.default_rng(0)

    @staticmethod
    def loss(network: Network, weights: list[Any], x: Any, y: Any) -> tuple[Any, Any]:
        """The loss, and what `moved` needs to know."""
        return loss_of(network, forward(network, weights, x), y), None

    @staticmethod
    def moved(network: Network, weights: list[Any], moved: Any) -> list[Any]:
        """The weights after a step, with what changed besides the optimizer's work."""
        return weights

    def steps(self, count: int) -> list[Any]:
        take = jax.jit(functools.partial(step, type(self), self.network))
        for _ in range(count):
            self.state = take(self.state, self.x[: self.network.batch], self.y[: self.network.batch])
        return [np.array(weight) for weight in self.state[1]]

    def run(self, epochs: int) -> None:
        shape = self.network.steps, self.network.batch
        for _ in range(epochs):
            rows = self.rng.permutation(len(self.x)).astype(np.int32).reshape(shape)
            self.state = self.epoch(self.state, self.x, self.y, rows)
        jax.block_until_ready(self.state)


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        network = prediction.network
        weights = [jnp.asarray(array) for array in network.weights()]
        last = jax.nn.softmax if network.loss == "ce" else lambda z: z
        self.call = jax.jit(lambda x: last(forward(network, weights, x)))
        self.x = network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        for _ in range(calls):
            y = np.asarray(self.call(self.x))
        return y
