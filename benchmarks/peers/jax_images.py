"""JAX on images, channels last: `lax.conv_general_dilated` in jitted steps, with the gather of the batch inside.

An epoch as one `lax.scan`, as in peers/jax.py, is slower: XLA's convolutions in loops are. LeNet-5 took 129 ms a step
instead of 34, the VGG-like network 610 instead of 521.
Maxima of windows of many channels are taken over axes of a reshaped array, whose gradient is then faster than that of
`reduce_window`: 128 against 157 ms for 32 and 64 channels, 30 against 24 for 6 and 16. Channels first were slower.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from convnets import (
    NORM_EPSILON,
    NORM_MOMENTUM,
    Average,
    Conv,
    ConvPrediction,
    ConvTranspose,
    Dense,
    Depthwise,
    Flatten,
    Norm,
    Residual,
    folded,
)
from jax import lax
from jax import numpy as jnp

from peers import jax as dense

TITLE = "JAX"
PACKAGES = dense.PACKAGES
set_threads = dense.set_threads
ORDERS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


def forward(layers: tuple[Any, ...], weights: Iterator[Any], x: Any, moved: list[Any] | None = None) -> Any:
    """The outputs before a softmax; appends new moving statistics to `moved`, in training."""
    for layer in layers:
        x = apply(layer, weights, x, moved)
        if getattr(layer, "relu", False):
            x = jax.nn.relu(x)
    return x


def apply(layer: Any, weights: Iterator[Any], x: Any, moved: list[Any] | None) -> Any:
    """A layer's outputs before its ReLU."""
    axes = x.ndim - 2
    match layer:
        case Conv():
            strides, dilation = ([n] * axes for n in (layer.strides, layer.dilation))
            pads = layer.pads(x.shape[1:-1])
            y = lax.conv_general_dilated(
                x, next(weights), strides, pads, rhs_dilation=dilation, dimension_numbers=ORDERS[axes]
            )
            return y + next(weights) if layer.bias else y
        case ConvTranspose():
            kernel, bias = next(weights), next(weights)
            strides = [layer.strides] * axes
            y = lax.conv_transpose(x, kernel, strides, "SAME", dimension_numbers=ORDERS[axes], transpose_kernel=True)
            return y + bias
        case Depthwise():
            kernel, bias = jnp.swapaxes(next(weights), -1, -2), next(weights)
            y = lax.conv_general_dilated(
                x, kernel, [1] * axes, "SAME", dimension_numbers=ORDERS[axes], feature_group_count=x.shape[-1]
            )
            return y + bias
        case Norm():
            return normalize(*itertools.islice(weights, 4), x, moved)
        case Dense():
            return x @ next(weights) + next(weights)
        case Residual():
            return jax.nn.relu(x + forward(layer.layers, weights, x, moved))
        case Average():
            return x.mean(tuple(range(1, x.ndim - 1)))
        case Flatten():
            return x.reshape(len(x), -1)
    size = layer.size
    if x.shape[-1] < 20:
        window = (1, *[size] * axes, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    parts = [part for n in x.shape[1:-1] for part in (n // size, size)]
    return x.reshape(len(x), *parts, x.shape[-1]).max(tuple(range(2, 2 * axes + 1, 2)))


def normalize(gamma: Any, beta: Any, mean: Any, variance: Any, x: Any, moved: list[Any] | None) -> Any:
    assert moved is not None
    axes = tuple(range(x.ndim - 1))
    now = x.mean(axes), x.var(axes)
    moved += [NORM_MOMENTUM * old + (1 - NORM_MOMENTUM) * new for old, new in zip((mean, variance), now, strict=True)]
    return (x - now[0]) * (gamma * lax.rsqrt(now[1] + NORM_EPSILON)) + beta


def step(network: Any, state: Any, x: Any, y: Any, rows: Any) -> Any:
    """The state after a training step on some rows."""
    return dense.step(Training, network, state, *(array.at[rows].get(mode="promise_in_bounds") for array in (x, y)))


class Training(dense.Training):
    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.take = jax.jit(functools.partial(step, network), donate_argnums=0)

    def run(self, epochs: int) -> None:
        shape = self.network.steps, self.network.batch
        for _ in range(epochs):
            for rows in self.rng.permutation(len(self.x)).astype(np.int32).reshape(shape):
                self.state = self.take(self.state, self.x, self.y, rows)
        jax.block_until_ready(self.state)

    @staticmethod
    def loss(network: Any, weights: list[Any], x: Any, y: Any) -> tuple[Any, list[Any]]:
        """The loss, and all weights with the moving statistics as they are after the step."""
        moved: list[Any] = []
        outputs = forward(network.layers, iter(weights), x, moved)
        return dense.loss_of(network, outputs, y), moved

    @staticmethod
    def moved(network: Any, weights: list[Any], moved: list[Any]) -> list[Any]:
        """Weights after a step; gradients of moving statistics are 0, so the optimizer has left them."""
        new = iter(moved)
        return [next(new) if moving else weight for weight, moving in zip(weights, network.moving(), strict=True)]


class Inference:
    def __init__(self, prediction: ConvPrediction) -> None:
        layers, arrays = folded(prediction.network)
        weights = [jnp.asarray(array) for array in arrays]
        self.call = jax.jit(lambda x: jax.nn.softmax(forward(layers, iter(weights), x)))
        self.x = prediction.network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        for _ in range(calls):
            y = np.asarray(self.call(self.x))
        return y
