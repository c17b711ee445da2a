"""The convolutional networks that are measured: layers as data, which every peer turns into its own.

Images are channels last, and kernels are as in Keras: (size..., channels in, filters), of transposed convolutions
(size..., filters, channels in), of depthwise ones (size..., channels, 1). Classes are trained with cross-entropy,
pictures that are rebuilt with the mean squared error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from workloads import Network, Prediction

NORM_EPSILON, NORM_MOMENTUM = 1e-3, 0.99  # Keras's defaults
Shape = tuple[int, ...]


def uniform(rng: Any, shape: Shape, fan: int) -> Any:
    """Weights with which values keep their size through layers with ReLU."""
    limit = math.sqrt(6 / fan)
    return rng.uniform(-limit, limit, shape).astype(np.float32)


@dataclass(frozen=True)
class Conv:
    """A convolution; `padding` is "valid", "same" or "causal", and `relu` tells whether ReLU follows."""

    filters: int
    size: Shape
    strides: int = 1
    padding: str = "valid"
    dilation: int = 1
    bias: bool = True
    relu: bool = True

    def output(self, shape: Shape) -> Shape:
        return *(self.along(n, k)[0] for n, k in zip(shape, self.size, strict=False)), self.filters

    def along(self, n: int, k: int) -> tuple[int, int, int]:
        """Positions along an axis, and how much padding is before and after it."""
        span = (k - 1) * self.dilation + 1
        if self.padding == "valid":
            return (n - span) // self.strides + 1, 0, 0
        positions = -(-n // self.strides)
        total = max((positions - 1) * self.strides + span - n, 0)
        before = total if self.padding == "causal" else total // 2
        return positions, before, total - before

    def pads(self, shape: Shape) -> list[tuple[int, int]]:
        return [self.along(n, k)[1:] for n, k in zip(shape, self.size, strict=False)]

    def weights(self, shape: Shape, rng: Any) -> list[Any]:
        kernel = uniform(rng, (*self.size, shape[-1], self.filters), math.prod(self.size) * shape[-1])
        return [kernel, uniform(rng, (self.filters,), 600)] if self.bias else [kernel]

    def operations(self, shape: Shape) -> int:
        return 2 * math.prod(self.output(shape)) * math.prod(self.size) * shape[-1]


@dataclass(frozen=True)
class ConvTranspose:
    """A transposed convolution with "same" padding."""

    filters: int
    size: Shape
    strides: int
    relu: bool = True
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        return *(n * self.strides for n in shape[:-1]), self.filters

    def pads(self) -> list[int]:
        """The numbers to cut off at each end; sizes minus strides are even in all networks."""
        return [(k - self.strides) // 2 for k in self.size]

    def weights(self, shape: Shape, rng: Any) -> list[Any]:
        fan = math.prod(self.size) * shape[-1] // self.strides ** len(self.size)
        return [uniform(rng, (*self.size, self.filters, shape[-1]), fan), uniform(rng, (self.filters,), 600)]

    def operations(self, shape: Shape) -> int:
        return 2 * math.prod(shape) * math.prod(self.size) * self.filters


@dataclass(frozen=True)
class Depthwise:
    """Each channel by a filter of its own, "same" padding."""

    size: Shape
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        return shape

    def weights(self, shape: Shape, rng: Any) -> list[Any]:
        kernel = uniform(rng, (*self.size, shape[-1], 1), math.prod(self.size))
        return [kernel, uniform(rng, (shape[-1],), 600)]

    def operations(self, shape: Shape) -> int:
        return 2 * math.prod(shape) * math.prod(self.size)


@dataclass(frozen=True)
class Norm:
    """Batch normalization; weights are gamma, beta, moving mean and moving variance."""

    relu: bool = True

    def output(self, shape: Shape) -> Shape:
        return shape

    def weights(self, shape: Shape, rng: Any) -> list[Any]:
        ranges = (0.5, 1.5), (-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5)
        return [rng.uniform(*ends, shape[-1]).astype(np.float32) for ends in ranges]

    def operations(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class Pool:
    """The maximum of windows of so many positions along each axis."""

    size: int = 2

    def output(self, shape: Shape) -> Shape:
        return *(n // self.size for n in shape[:-1]), shape[-1]

    def weights(self, shape: Shape, rng: Any) -> list[Any]:
        return []

    def operations(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class Average(Pool):
    """The mean of all positions."""

    def output(self, shape: Shape) -> Shape:
        return shape[-1:]


@dataclass(frozen=True)
class Flatten(Pool):
    def output(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclass(frozen=True)
class Dense:
    units: int
    relu: bool = False

    def output(self, shape: Shape) -> Shape:
        return (self.units,)

    def weights(self, shape: Shape, rng: Any) -> list[Any]:
        return [uniform(rng, (shape[0], self.units), 2 * shape[0]), uniform(rng, (self.units,), 600)]

    def operations(self, shape: Shape) -> int:
        return 2 * shape[0] * self.units


@dataclass(frozen=True)
class Residual:
    """ReLU of the inputs plus what the layers make of them."""

    layers: tuple[Any, ...]

    def output(self, shape: Shape) -> Shape:
        return shape

    def weights(self, shape: Shape, rng: Any) -> list[Any]:
        return [array for layer, one in walk(self.layers, shape) for array in layer.weights(one, rng)]

    def operations(self, shape: Shape) -> int:
        return sum(layer.operations(one) for layer, one in walk(self.layers, shape))


def walk(layers: tuple[Any, ...], shape: Shape) -> Iterator[tuple[Any, Shape]]:
    """Each layer with the shape of its inputs, without the batch."""
    for layer in layers:
        yield layer, shape
        shape = layer.output(shape)


def leaves(layers: tuple[Any, ...], shape: Shape) -> Iterator[tuple[Any, Shape]]:
    """The same, with the layers of blocks instead of the blocks."""
    for layer, before in walk(layers, shape):
        if isinstance(layer, Residual):
            yield from leaves(layer.layers, before)
        else:
            yield layer, before


@dataclass(frozen=True)
class ConvNetwork(Network):
    """Layers on images, signals or volumes; `widths` is the shape of an input, channels last."""

    title: str = ""
    layers: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.title}, batch {self.batch}, {self.optimizer}"

    def walk(self) -> Iterator[tuple[Any, Shape]]:
        return walk(self.layers, self.widths)

    @property
    def output_shape(self) -> Shape:
        *_, (last, shape) = self.walk()
        return last.output(shape)

    def forward_operations(self, rows: int) -> int:
        """Multiplications and additions of convolutions and matrix products, padding counted as if it were data."""
        return rows * sum(layer.operations(shape) for layer, shape in self.walk())

    def step_operations(self) -> int:
        return 3 * self.forward_operations(self.batch) - self.batch * self.layers[0].operations(self.widths)

    def weights(self) -> list[Any]:
        rng = np.random.default_rng(1)
        return [array for layer, shape in self.walk() for array in layer.weights(shape, rng)]

    def moving(self) -> list[bool]:
        """Which of the weights are statistics of a batch normalization, which the optimizer does not train."""
        kinds = [(type(layer), count_weights(layer)) for layer, _ in leaves(self.layers, self.widths)]
        return [kind is Norm and i >= 2 for kind, count in kinds for i in range(count)]

    def inputs(self, rows: int) -> Any:
        return np.random.default_rng(2).normal(size=(rows, *self.widths)).astype(np.float32)

    def data(self) -> tuple[Any, Any]:
        x = self.inputs(self.samples)
        if self.loss == "mse":
            return x, x
        return x, np.random.default_rng(3).permutation(self.samples) % self.output_shape[0]


@dataclass(frozen=True)
class ConvPrediction(Prediction):
    @property
    def name(self) -> str:
        assert isinstance(self.network, ConvNetwork)
        return f"{self.network.title}, {self.rows:,} image(s), {self.door}"


def folded(network: ConvNetwork) -> tuple[tuple[Any, ...], list[Any]]:
    """Layers and weights for inference, with batch normalizations in the convolutions before them."""
    weights = iter(network.weights())
    return fold(network.layers, weights)


def fold(layers: tuple[Any, ...], weights: Iterator[Any]) -> tuple[tuple[Any, ...], list[Any]]:
    found: list[Any] = []
    arrays: list[Any] = []
    for layer in layers:
        if isinstance(layer, Residual):
            inner, own = fold(layer.layers, weights)
            found.append(Residual(inner))
            arrays += own
        elif isinstance(layer, Norm):
            gamma, beta, mean, variance = (next(weights) for _ in range(4))
            scale = gamma / np.sqrt(variance + NORM_EPSILON)
            bias = arrays.pop() if found[-1].bias else np.zeros_like(beta)
            arrays[-1] = arrays[-1] * scale
            arrays.append((bias - mean) * scale + beta)
            found[-1] = replace(found[-1], bias=True, relu=layer.relu)
        else:
            found.append(layer)
            arrays += [next(weights) for _ in range(count_weights(layer))]
    return tuple(found), arrays


def count_weights(layer: Any) -> int:
    """How many arrays a layer has, but for a block of layers."""
    if isinstance(layer, Conv):
        return 1 + layer.bias
    return 4 if isinstance(layer, Norm) else 0 if isinstance(layer, Pool) else 2


def block(filters: int, size: Shape = (3, 3)) -> tuple[Conv, Norm]:
    """A convolution, batch normalization and ReLU."""
    return Conv(filters, size, padding="same", bias=False, relu=False), Norm()


def bottleneck(inner: int, outer: int) -> Residual:
    """As in ResNet: 1x1 to fewer channels, 3x3, 1x1 back."""
    last = Conv(outer, (1, 1), bias=False, relu=False), Norm(relu=False)
    return Residual((*block(inner, (1, 1)), *block(inner), *last))


def network(
    title: str, shape: Shape, layers: tuple[Any, ...], batch: int, steps: int, optimizer: str = "adam", loss: str = "ce"
) -> ConvNetwork:
    return ConvNetwork(shape, "relu", loss, batch, optimizer, steps, title, layers)


CLASSES = Flatten(), Dense(10)
LENET = network(
    "LeNet-5",
    (28, 28, 1),
    (
        *(Conv(6, (5, 5)), Pool(), Conv(16, (5, 5)), Pool()),
        *(Flatten(), Dense(120, relu=True), Dense(84, relu=True), Dense(10)),
    ),
    *(128, 20),
)
VGG = network(
    "VGG-like 32-32-64-64 on 32x32x3",
    (32, 32, 3),
    (*block(32), *block(32), Pool(), *block(64), *block(64), Pool(), *CLASSES),
    *(64, 2),
)
SIGNAL = network(
    "1-D 25 filters 5-3-3 on 40",
    (40, 1),
    (Conv(25, (5,), 2), Conv(25, (3,), 2), Conv(25, (3,), 2), *CLASSES),
    *(100, 100),
)
SEPARABLE = network(
    "depthwise 3x3, 1x1 to 32 on 32x32x16",
    (32, 32, 16),
    (Depthwise((3, 3)), Conv(32, (1, 1)), Average(), Dense(10)),
    *(32, 20),
)
# Unusual shapes, for which nothing is tuned.
VOLUME = network(
    "3-D 3x3x3 8-16 on 16x16x16x1",
    (16, 16, 16, 1),
    (Conv(8, (3, 3, 3), padding="same"), Pool(), Conv(16, (3, 3, 3), padding="same"), Pool(), *CLASSES),
    *(16, 10),
)
CAUSAL = network(
    "1-D causal, dilated 1-2-4-8, 24 filters on 1000x3",
    (1000, 3),
    (*(Conv(24, (3,), padding="causal", dilation=d) for d in (1, 2, 4, 8)), Average(), Dense(5)),
    *(20, 5),
)
AUTOENCODER = network(
    "autoencoder 4x4 stride 2 on 64x64x1",
    (64, 64, 1),
    (
        *(Conv(12, (4, 4), 2, "same"), Conv(24, (4, 4), 2, "same")),
        *(ConvTranspose(12, (4, 4), 2), ConvTranspose(1, (4, 4), 2, relu=False)),
    ),
    *(30, 5, "momentum", "mse"),
)
SMALL_WIDE = network(
    "5x5 48 to 40 on 7x7x48",
    (7, 7, 48),
    (Conv(40, (5, 5), padding="same"), Conv(40, (5, 5), padding="same"), Average(), Dense(7)),
    *(50, 5, "momentum"),
)
RESNET = network(
    "two bottlenecks 64-16-64 on 16x16x3",
    (16, 16, 3),
    (*block(64), bottleneck(16, 64), bottleneck(16, 64), Average(), Dense(10)),
    *(32, 5),
)

TRAINING = [LENET, VGG, SIGNAL, SEPARABLE, VOLUME, CAUSAL, AUTOENCODER, SMALL_WIDE, RESNET]
INFERENCE = [
    ConvPrediction(network, rows, door)
    for rows, door in ((1, "predict_on_batch"), (1, "model(x)"), (256, "predict"))
    for network in (LENET, VGG)
] + [ConvPrediction(network, 1, "predict_on_batch") for network in (SIGNAL, CAUSAL, RESNET)]
# Peak memory of `fit`.
MEMORY = [replace(LENET, batch=1024, steps=3), replace(VGG, batch=256, steps=3)]
