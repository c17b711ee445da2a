"""The recurrent networks that are measured: a recurrent layer over sequences, and a dense layer on its last output.

Weights are as in Keras: kernel (features, gates * units), recurrent kernel (units, gates * units), bias; then those of
the dense layer. The bias of a GRU has two rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from workloads import Network, Prediction

# How many gates each cell has, and how many rows its bias has.
CELLS = {"SimpleRNN": (1, 1), "LSTM": (4, 1), "GRU": (3, 2)}


@dataclass(frozen=True)
class RecurrentNetwork(Network):
    """`widths` are the numbers of features, of units and of outputs."""

    cell: str = "LSTM"
    length: int = 50

    @property
    def name(self) -> str:
        features, units, _ = self.widths
        return f"{self.cell} {units}, {self.length}x{features}, batch {self.batch}"

    def forward_operations(self, rows: int) -> int:
        features, units, outputs = self.widths
        gates, _ = CELLS[self.cell]
        return 2 * rows * (self.length * gates * units * (features + units) + units * outputs)

    def step_operations(self) -> int:
        """Multiplications and additions of products. Deltas of the data are not needed."""
        features, units, _ = self.widths
        gates, _ = CELLS[self.cell]
        return 3 * self.forward_operations(self.batch) - 2 * self.batch * self.length * gates * units * features

    def weights(self) -> list[Any]:
        rng = np.random.default_rng(1)
        features, units, outputs = self.widths
        gates, rows = CELLS[self.cell]
        limit = units**-0.5
        shapes = [
            (features, gates * units),
            (units, gates * units),
            (rows, gates * units),
            (units, outputs),
            (outputs,),
        ]
        arrays = [rng.uniform(-limit, limit, shape).astype(np.float32) for shape in shapes]
        arrays[2] = arrays[2][0] if rows == 1 else arrays[2]
        return arrays

    def inputs(self, rows: int) -> Any:
        shape = rows, self.length, self.widths[0]
        return np.random.default_rng(2).normal(size=shape).astype(np.float32)


def network(cell: str, units: int, length: int, features: int, batch: int, steps: int) -> RecurrentNetwork:
    return RecurrentNetwork((features, units, 1), "tanh", "mse", batch, "adam", steps, cell, length)


TRAINING = [
    network("SimpleRNN", 32, 50, 8, 32, 20),
    network("LSTM", 32, 50, 8, 32, 10),
    network("LSTM", 128, 100, 16, 64, 2),
    network("GRU", 32, 50, 8, 32, 10),
    network("GRU", 128, 100, 16, 64, 2),
    # Unusual shapes, for which nothing is tuned.
    network("LSTM", 50, 23, 3, 20, 10),
    network("GRU", 77, 31, 5, 40, 4),
    network("SimpleRNN", 200, 17, 30, 100, 4),
]
INFERENCE = [
    Prediction(TRAINING[1], 1, "predict_on_batch"),
    Prediction(TRAINING[2], 1, "predict_on_batch"),
    Prediction(TRAINING[2], 256, "predict"),
]
