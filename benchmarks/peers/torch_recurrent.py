"""PyTorch's recurrent layers, eager."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from recurrent_nets import RecurrentNetwork
from torch import nn
from workloads import Prediction

from peers import torch as dense

TITLE = "PyTorch"
PACKAGES = dense.PACKAGES
set_threads = dense.set_threads
CELLS = {"SimpleRNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


def turned(cell: str, array: Any) -> Any:
    """A GRU's gates in PyTorch's order r, z, n, or in Keras's z, r, h again: the last axis."""
    if cell != "GRU":
        return array
    first, second, third = np.split(array, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)


class Net(nn.Module):
    """The network with weights that are given as in Keras."""

    def __init__(self, network: RecurrentNetwork) -> None:
        super().__init__()
        features, units, outputs = network.widths
        self.cell = network.cell
        self.layer = CELLS[network.cell](features, units, batch_first=True)
        self.last = nn.Linear(units, outputs)
        kernel, recurrent, bias, last, last_bias = network.weights()
        bias, more = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
        with torch.no_grad():
            for weight, array in {
                self.layer.weight_ih_l0: turned(self.cell, kernel).T,
                self.layer.weight_hh_l0: turned(self.cell, recurrent).T,
                self.layer.bias_ih_l0: turned(self.cell, bias),
                self.layer.bias_hh_l0: turned(self.cell, more),
                self.last.weight: last.T,
                self.last.bias: last_bias,
            }.items():
                weight.copy_(torch.from_numpy(np.ascontiguousarray(array)))
        if self.cell != "GRU":  # one bias, as in Keras
            self.layer.bias_hh_l0.requires_grad_(False)

    def forward(self, x: Any) -> Any:
        return self.last(self.layer(x)[0][:, -1])

    def found(self) -> list[Any]:
        """The weights as in Keras."""
        layer = self.layer
        arrays = [
            array.detach().numpy()
            for array in (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
        ]
        kernel, recurrent, bias, more = arrays
        bias = np.stack([bias, more]) if self.cell == "GRU" else bias
        kernel, recurrent, bias = (turned(self.cell, array) for array in (kernel.T, recurrent.T, bias))
        return [kernel, recurrent, bias, self.last.weight.detach().numpy().T, self.last.bias.detach().numpy()]


class Training(dense.Training):
    def __init__(self, network: RecurrentNetwork) -> None:
        self.network = network
        self.x, self.y = map(torch.from_numpy, network.data())
        self.net = Net(network)
        trained = [weight for weight in self.net.parameters() if weight.requires_grad]
        self.loss = dense.LOSSES[network.loss]
        self.optimizer = dense.OPTIMIZERS[network.optimizer](trained, dense.RATES[network.optimizer])

    def outputs(self, x: Any) -> Any:
        return self.net(x)

    def found(self) -> list[Any]:
        return self.net.found()


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        self.net = Net(prediction.network).eval()
        self.x = prediction.network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        with torch.inference_mode():
            for _ in range(calls):
                y = self.net(torch.from_numpy(self.x)).numpy()
        return y
