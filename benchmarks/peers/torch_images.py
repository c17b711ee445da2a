"""PyTorch on images, eager: functions on plain tensors, channels first, as its tensors are by default."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from convnets import (
    NORM_EPSILON,
    NORM_MOMENTUM,
    Average,
    Conv,
    ConvNetwork,
    ConvPrediction,
    ConvTranspose,
    Dense,
    Depthwise,
    Flatten,
    Norm,
    Pool,
    Residual,
    folded,
    leaves,
)
from torch.nn import functional

from peers import UnsupportedError
from peers import torch as dense

TITLE = "PyTorch"
PACKAGES = dense.PACKAGES
set_threads = dense.set_threads
CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


def first(axes: int) -> tuple[int, ...]:
    """The order of axes that brings channels of a batch to the front."""
    return 0, axes + 1, *range(1, axes + 1)


def last(axes: int) -> tuple[int, ...]:
    return 0, *range(2, axes + 2), 1


class Layout:
    """Weights as PyTorch has them, and back; `last` tells whether channels are last in memory."""

    def __init__(self, layers: tuple[Any, ...], shape: tuple[int, ...], last: bool) -> None:
        self.last = last
        # For each layer: how many arrays it has, the axes of its kernel, and the shape that was flattened before it.
        self.entries: list[tuple[int, Any, Any]] = []
        flat = None
        for layer, before in leaves(layers, shape):
            if isinstance(layer, Dense):
                self.entries.append((2, None, None if last else flat))
            elif not isinstance(layer, Pool | Norm):
                n = len(layer.size)
                ends = (n, n + 1) if isinstance(layer, Depthwise) else (n + 1, n)
                self.entries.append((1 + layer.bias, (*ends, *range(n)), None))
            elif isinstance(layer, Norm):
                self.entries.append((4, None, None))
            flat = before if isinstance(layer, Flatten) else None

    def there(self, arrays: list[Any]) -> list[torch.Tensor]:
        return self._each(self._there, arrays)

    def back(self, tensors: list[torch.Tensor]) -> list[Any]:
        return self._each(self._back, [tensor.detach().numpy() for tensor in tensors])

    def _each(self, function: Callable[..., list[Any]], arrays: list[Any]) -> list[Any]:
        """The result of a function for each layer's arrays."""
        rest = iter(arrays)
        return [one for count, *rule in self.entries for one in function(*rule, *itertools.islice(rest, count))]

    def _there(self, axes: Any, flat: Any, kernel: Any, *others: Any) -> list[torch.Tensor]:
        if axes is not None:
            kernel = kernel.transpose(axes)
        elif kernel.ndim == 2:
            if flat is not None:  # rows in the order of (channels, positions)
                kernel = np.moveaxis(kernel.reshape(*flat, -1), len(flat) - 1, 0).reshape(kernel.shape)
            kernel = kernel.T
        tensor = torch.from_numpy(np.ascontiguousarray(kernel))
        if self.last and tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        if self.last and tensor.ndim == 5:
            tensor = tensor.contiguous(memory_format=torch.channels_last_3d)
        return [tensor, *map(torch.from_numpy, others)]

    def _back(self, axes: Any, flat: Any, kernel: Any, *others: Any) -> list[Any]:
        if axes is not None:
            kernel = kernel.transpose(np.argsort(axes))
        elif kernel.ndim == 2:
            kernel = kernel.T
            if flat is not None:
                kernel = np.moveaxis(kernel.reshape(flat[-1], *flat[:-1], -1), 0, len(flat) - 1).reshape(kernel.shape)
        return [kernel, *others]


def forward(layers: tuple[Any, ...], weights: Iterator[Any], x: Any, last: bool = False, training: bool = False) -> Any:
    """The outputs before a softmax."""
    for layer in layers:
        x = apply(layer, weights, x, last, training)
        if getattr(layer, "relu", False):
            x = torch.relu_(x)
    return x


def apply(layer: Any, weights: Iterator[Any], x: Any, channels_last: bool, training: bool) -> Any:
    """A layer's outputs before its ReLU."""
    axes = x.ndim - 2
    match layer:
        case Conv():
            return convolve(layer, weights, x, axes)
        case ConvTranspose():
            kernel, bias = next(weights), next(weights)
            return TRANSPOSED[axes](x, kernel, bias, layer.strides, layer.pads())
        case Depthwise():
            kernel, bias = next(weights), next(weights)
            return CONVOLUTIONS[axes](x, kernel, bias, padding=[k // 2 for k in layer.size], groups=x.shape[1])
        case Norm():
            gamma, beta, mean, variance = itertools.islice(weights, 4)
            return functional.batch_norm(x, mean, variance, gamma, beta, training, 1 - NORM_MOMENTUM, NORM_EPSILON)
        case Dense():
            return functional.linear(x, next(weights), next(weights))
        case Residual():
            return torch.relu_(forward(layer.layers, weights, x, channels_last, training).add_(x))
        case Average():
            return x.mean(tuple(range(2, x.ndim)))
        case Flatten():
            return (x.permute(last(axes)) if channels_last else x).flatten(1)
    return POOLS[axes](x, layer.size)


def convolve(layer: Conv, weights: Iterator[Any], x: Any, axes: int) -> Any:
    kernel = next(weights)
    bias = next(weights) if layer.bias else None
    pads = layer.pads(x.shape[2:])
    if any(before != after for before, after in pads):
        x = functional.pad(x, [end for pair in reversed(pads) for end in pair])
        pads = [(0, 0)] * axes
    return CONVOLUTIONS[axes](x, kernel, bias, layer.strides, [before for before, _ in pads], layer.dilation)


class Images:
    """A batch's images in the layout of the peer, from rows that are kept in the order of memory."""

    channels_last: ClassVar[bool] = False

    def check(self, network: ConvNetwork) -> None:
        if self.channels_last and len(network.widths) == 2:
            raise UnsupportedError("it has no such layout of signals")

    def stored(self, x: Any) -> torch.Tensor:
        """Whole data; `index_select` keeps the order of memory only of contiguous tensors."""
        return torch.from_numpy(x if self.channels_last else np.ascontiguousarray(x.transpose(first(x.ndim - 2))))

    def seen(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows of such data as a tensor (rows, channels, positions)."""
        return rows.permute(first(rows.ndim - 2)) if self.channels_last and rows.ndim > 2 else rows


class Training(Images, dense.Training):
    def __init__(self, network: ConvNetwork) -> None:
        self.check(network)
        self.network = network
        x, y = network.data()
        self.x = self.stored(x)
        self.y = self.x if network.loss == "mse" else torch.from_numpy(y)
        self.layout = Layout(network.layers, network.widths, self.channels_last)
        self.weights = self.layout.there(network.weights())
        self.loss = dense.LOSSES[network.loss]
        pairs = zip(self.weights, network.moving(), strict=True)
        trained = [weight.requires_grad_() for weight, moving in pairs if not moving]
        self.optimizer = dense.OPTIMIZERS[network.optimizer](trained, dense.RATES[network.optimizer])

    def outputs(self, x: Any) -> Any:
        return forward(self.network.layers, iter(self.weights), self.seen(x), self.channels_last, training=True)

    def targets(self, y: Any) -> Any:
        return self.seen(y)

    def found(self) -> list[Any]:
        return self.layout.back(self.weights)


class Inference(Images):
    def __init__(self, prediction: ConvPrediction) -> None:
        network = prediction.network
        self.check(network)
        self.layers, weights = folded(network)
        layout = Layout(self.layers, network.widths, self.channels_last)
        self.weights = layout.there(weights)
        self.x = self.stored(network.inputs(prediction.rows)).numpy()

    def run(self, calls: int) -> Any:
        with torch.inference_mode():
            for _ in range(calls):
                x = self.seen(torch.from_numpy(self.x))
                y = torch.softmax(forward(self.layers, iter(self.weights), x, self.channels_last), 1).numpy()
        return y
