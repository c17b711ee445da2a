"""Activations and their backward pass in NumPy: the readable twin of ``src_pyx/kernels/activations.pyx``.

There is a pair of functions for each kernel: ``x_forward(x, *numbers)`` computes y = f(x), and
``x_backward(delta, x, y, *numbers)`` computes dL/dx = f'(x) delta, where delta = dL/dy. Functions along an axis take
the axis as a number. All return new arrays of the type of their input. They compute f' from x or y, whichever the
compiled kernel uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, ndtr

Array = NDArray[Any]


def pair(name: str) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """The forward and the backward function of a kernel."""
    return globals()[f"{name}_forward"], globals()[f"{name}_backward"]


def linear_forward(x: Array) -> Array:
    return x.copy()


def linear_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta.copy()


def exponential_forward(x: Array) -> Array:
    return np.exp(x)


def exponential_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * y


def softmax_forward(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(delta: Array, x: Array, y: Array, axis: int) -> Array:
    return y * (delta - (delta * y).sum(axis=axis, keepdims=True))


def log_softmax_forward(x: Array, axis: int) -> Array:
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def log_softmax_backward(delta: Array, x: Array, y: Array, axis: int) -> Array:
    return delta - np.exp(y) * delta.sum(axis=axis, keepdims=True)


def relu_forward(x: Array) -> Array:
    return np.maximum(x, 0)


def relu_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * (y > 0)


def relu6_forward(x: Array) -> Array:
    return np.clip(x, 0, 6)


def relu6_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * ((y > 0) & (y < 6))


def leaky_relu_forward(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, slope * x)


def leaky_relu_backward(delta: Array, x: Array, y: Array, slope: float) -> Array:
    return np.where(y > 0, delta, slope * delta)


def general_relu_forward(x: Array, slope: float, max_value: float, threshold: float) -> Array:
    above = x if max_value == np.inf else np.clip(x, 0, max_value)
    return np.where(x > threshold, above, slope * (x - threshold))


def general_relu_backward(delta: Array, x: Array, y: Array, slope: float, max_value: float, threshold: float) -> Array:
    unclipped = (x <= max_value) & ((x >= 0) | (max_value == np.inf))
    return np.where(x > threshold, delta * unclipped, slope * delta * (x != threshold))


def elu_forward(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_backward(delta: Array, x: Array, y: Array, alpha: float) -> Array:
    return np.where(y > 0, delta, delta * (y + alpha))


def general_elu_forward(x: Array, alpha: float) -> Array:
    return elu_forward(x, alpha)


def general_elu_backward(delta: Array, x: Array, y: Array, alpha: float) -> Array:
    return np.where(x > 0, delta, delta * alpha * np.exp(np.minimum(x, 0)))


def celu_forward(x: Array, alpha: float) -> Array:
    return np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def celu_backward(delta: Array, x: Array, y: Array, alpha: float) -> Array:
    return np.where(y > 0, delta, delta * (y / alpha + 1))


SELU_SCALE = 1.0507009873554804934
SELU_ALPHA = 1.6732632423543772848


def selu_forward(x: Array) -> Array:
    return SELU_SCALE * elu_forward(x, SELU_ALPHA)


def selu_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)


def softplus_forward(x: Array) -> Array:
    return np.logaddexp(x, 0)


def softplus_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * -np.expm1(-y)


def squareplus_forward(x: Array, b: float) -> Array:
    # (x + h) / 2, written as max(x, 0) plus a remainder, so that no digits cancel for negative x
    h = np.hypot(x, math.sqrt(b))
    return np.maximum(x, 0) + b / 2 / (h + np.abs(x))


def squareplus_backward(delta: Array, x: Array, y: Array, b: float) -> Array:
    with np.errstate(divide="ignore"):
        return delta / (1 + (math.sqrt(b) / 2 / y) ** 2)


def sigmoid_forward(x: Array) -> Array:
    return expit(x)


def sigmoid_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * y * (1 - y)


def hard_sigmoid_forward(x: Array) -> Array:
    return np.clip((x + 3) / 6, 0, 1)


def hard_sigmoid_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta / 6 * ((y > 0) & (y < 1))


def sparse_sigmoid_forward(x: Array) -> Array:
    return np.clip((x + 1) / 2, 0, 1)


def sparse_sigmoid_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta / 2 * ((y > 0) & (y < 1))


def log_sigmoid_forward(x: Array) -> Array:
    return log_expit(x)


def log_sigmoid_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * -np.expm1(y)


def tanh_forward(x: Array) -> Array:
    return np.tanh(x)


def tanh_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * (1 - y * y)


def hard_tanh_forward(x: Array) -> Array:
    return np.clip(x, -1, 1)


def hard_tanh_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * (np.abs(y) < 1)


def softsign_forward(x: Array) -> Array:
    return x / (1 + np.abs(x))


def softsign_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * (1 - np.abs(y)) ** 2


def silu_forward(x: Array) -> Array:
    return x * expit(x)


def silu_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * expit(x) * (1 + x * expit(-x))


def hard_silu_forward(x: Array) -> Array:
    return x * hard_sigmoid_forward(x)


def hard_silu_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * np.where(x >= 3, 1, x / 3 + 0.5) * (x > -3)


def gelu_forward(x: Array) -> Array:
    return x * ndtr(x)


def gelu_backward(delta: Array, x: Array, y: Array) -> Array:
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return delta * (ndtr(x) + x * density)


def approximate_gelu_forward(x: Array) -> Array:
    u = 2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x * expit(u)


def approximate_gelu_backward(delta: Array, x: Array, y: Array) -> Array:
    x = np.clip(x, -30, 30)
    root = math.sqrt(2 / math.pi)
    u = 2 * root * (x + 0.044715 * x**3)
    du = 2 * root * (1 + 3 * 0.044715 * x**2)
    return delta * expit(u) * (1 + x * expit(-u) * du)


def mish_forward(x: Array) -> Array:
    return x * np.tanh(softplus_forward(x))


def mish_backward(delta: Array, x: Array, y: Array) -> Array:
    t = np.tanh(softplus_forward(x))
    return delta * (t + x * expit(x) * (1 - t * t))


def soft_shrink_forward(x: Array, threshold: float) -> Array:
    return x - np.clip(x, -threshold, threshold)


def soft_shrink_backward(delta: Array, x: Array, y: Array, threshold: float) -> Array:
    return delta * (y != 0)


def hard_shrink_forward(x: Array, threshold: float) -> Array:
    return x * (np.abs(x) > threshold)


def hard_shrink_backward(delta: Array, x: Array, y: Array, threshold: float) -> Array:
    return delta * (y != 0)


def tanh_shrink_forward(x: Array) -> Array:
    return x - np.tanh(x)


def tanh_shrink_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * np.tanh(x) ** 2


def sparse_plus_forward(x: Array) -> Array:
    return np.where(x >= 1, x, np.where(x <= -1, 0, ((np.clip(x, -1, 1) + 1) / 2) ** 2)).astype(x.dtype)


def sparse_plus_backward(delta: Array, x: Array, y: Array) -> Array:
    return delta * np.minimum(np.sqrt(y), 1)


def threshold_forward(x: Array, threshold: float, default_value: float) -> Array:
    return np.where(x <= threshold, x.dtype.type(default_value), x)


def threshold_backward(delta: Array, x: Array, y: Array, threshold: float, default_value: float) -> Array:
    return delta * (x > threshold)


def sparsemax_forward(x: Array, axis: int) -> Array:
    z = x - x.max(axis=axis, keepdims=True)
    falling = -np.sort(-z, axis=axis)
    sums = falling.cumsum(axis=axis)
    count = np.arange(1, x.shape[axis] + 1).reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    size = (1 + count * falling > sums).sum(axis=axis, keepdims=True)
    tau = (np.take_along_axis(sums, size - 1, axis) - 1) / size.astype(x.dtype)
    return np.maximum(z - tau, 0)


def sparsemax_backward(delta: Array, x: Array, y: Array, axis: int) -> Array:
    kept = y > 0
    mean = (delta * kept).sum(axis=axis, keepdims=True) / kept.sum(axis=axis, keepdims=True)
    return np.where(kept, delta - mean, 0).astype(delta.dtype)


def glu_forward(x: Array, axis: int) -> Array:
    a, b = np.split(x, 2, axis=axis)
    return a * expit(b)


def glu_backward(delta: Array, x: Array, axis: int) -> Array:
    a, b = np.split(x, 2, axis=axis)
    return np.concatenate([delta * expit(b), delta * a * expit(b) * expit(-b)], axis=axis)
