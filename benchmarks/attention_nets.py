"""The networks with attention that are measured: encoder blocks of a transformer, and a dense layer on their mean.

A block has self-attention and two dense layers, of which the first is four times as wide and has a ReLU. The results of
both parts are added to their inputs and normalized. Weights of a block are in Keras's order: kernels and biases of
query, key, value and output; scale and offset; kernels and biases of the two dense layers; scale and offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from workloads import Network, Prediction

WIDER = 4
NORM_EPSILON = 1e-3
# Arrays of weights in a block.
ARRAYS = 16


@dataclass(frozen=True)
class AttentionNetwork(Network):
    """`widths` are the number of features and the number of outputs."""

    heads: int = 4
    length: int = 32
    causal: bool = False
    blocks: int = 1

    @property
    def name(self) -> str:
        what = "causal " if self.causal else ""
        blocks = f"{self.blocks} {what}block{'s' if self.blocks > 1 else ''}"
        return f"{blocks}, {self.widths[0]} wide, {self.heads} heads, {self.length} steps, batch {self.batch}"

    def forward_operations(self, rows: int) -> int:
        """Multiplications and additions of products. With a causal mask, only half of the scores are counted."""
        width, outputs = self.widths
        scores = 2 * self.length * width // (2 if self.causal else 1)
        step = (4 + 2 * WIDER) * width**2 + scores
        return 2 * rows * (self.blocks * self.length * step + width * outputs)

    def step_operations(self) -> int:
        """The same for a training step. Deltas of the data, from three of the projections, are not needed."""
        width, _ = self.widths
        return 3 * self.forward_operations(self.batch) - 2 * self.batch * self.length * 3 * width**2

    def weights(self) -> list[Any]:
        rng = np.random.default_rng(1)
        width, outputs = self.widths
        features, wide = width // self.heads, WIDER * width
        projection = [(width, self.heads, features), (self.heads, features)]
        block = [*projection * 3, (self.heads, features, width), (width,), (width,), (width,)]
        block += [(width, wide), (wide,), (wide, width), (width,), (width,), (width,)]
        arrays = []
        for number, shape in enumerate([*block * self.blocks, (width, outputs), (outputs,)]):
            drawn = rng.uniform(-1, 1, shape).astype(np.float32)
            is_scale = number < ARRAYS * self.blocks and number % ARRAYS in (8, 14)
            kernel = len(shape) > 1 and shape != projection[1]
            arrays.append(1 + 0.1 * drawn if is_scale else drawn * (width**-0.5 if kernel else 0.1))
        return [array.astype(np.float32) for array in arrays]

    def inputs(self, rows: int) -> Any:
        shape = rows, self.length, self.widths[0]
        return np.random.default_rng(2).normal(size=shape).astype(np.float32)


def packed(network: AttentionNetwork, arrays: list[Any]) -> list[Any]:
    """Weights with those of query, key and value side by side as one kernel and one bias, and kernels as matrices."""
    found: list[Any] = []
    width = network.widths[0]
    for i in range(0, ARRAYS * network.blocks, ARRAYS):
        block = arrays[i : i + ARRAYS]
        kernels, biases = block[0:6:2], block[1:6:2]
        found.append(np.concatenate([kernel.reshape(width, width) for kernel in kernels], axis=1))
        found.append(np.concatenate([bias.reshape(width) for bias in biases]))
        found += [block[6].reshape(width, width), *block[7:]]
    return [*found, *arrays[ARRAYS * network.blocks :]]


def unpacked(network: AttentionNetwork, arrays: list[Any]) -> list[Any]:
    """The weights that `packed` was given."""
    found: list[Any] = []
    width, heads = network.widths[0], network.heads
    step = ARRAYS - 4
    for i in range(0, step * network.blocks, step):
        block = [np.asarray(array) for array in arrays[i : i + step]]
        for kernel, bias in zip(np.split(block[0], 3, axis=1), np.split(block[1], 3), strict=True):
            found += [kernel.reshape(width, heads, -1), bias.reshape(heads, -1)]
        found += [block[2].reshape(heads, -1, width), *block[3:]]
    return [*found, *[np.asarray(array) for array in arrays[step * network.blocks :]]]


def network(
    width: int, heads: int, length: int, batch: int, steps: int, causal: bool = False, blocks: int = 1
) -> AttentionNetwork:
    return AttentionNetwork((width, 1), "relu", "mse", batch, "adam", steps, heads, length, causal, blocks)


TRAINING = [
    network(64, 4, 32, 32, 4),
    network(128, 8, 64, 16, 2),
    # Unusual shapes, for which nothing is tuned.
    network(48, 3, 50, 20, 4),
    network(96, 2, 100, 10, 2, causal=True, blocks=2),
    network(32, 4, 300, 8, 2),
    network(256, 4, 128, 4, 1, causal=True),
]
INFERENCE = [
    Prediction(TRAINING[0], 1, "predict_on_batch"),
    Prediction(TRAINING[1], 1, "predict_on_batch"),
    Prediction(TRAINING[1], 256, "predict"),
]
# Long sequences, whose peak memory is measured.
MEMORY = [network(64, 4, length, 1, 3) for length in (512, 2048)]
