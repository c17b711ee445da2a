"""PyTorch's `scaled_dot_product_attention` between functions on plain tensors, eager.

One product makes query, key and value.
"""

from __future__ import annotations

from typing import Any

import torch
from attention_nets import ARRAYS, NORM_EPSILON, AttentionNetwork, packed, unpacked
from torch.nn import functional
from workloads import Prediction

from peers import torch as dense

TITLE = "PyTorch"
PACKAGES = dense.PACKAGES
set_threads = dense.set_threads


def fused(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """Attention (rows, heads, steps, features)."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=causal)


def forward(network: AttentionNetwork, weights: list[Any], x: Any, attend: Any = fused) -> Any:
    """The output of the dense layer on the mean over steps."""
    for i in range(0, (ARRAYS - 4) * network.blocks, ARRAYS - 4):
        x = block(network, weights[i : i + ARRAYS - 4], x, attend)
    return torch.addmm(weights[-1], x.mean(1), weights[-2])


def block(network: AttentionNetwork, weights: list[Any], x: Any, attend: Any) -> Any:
    kernel, bias, out, out_bias, gamma, beta, first, first_bias, second, second_bias, gamma_2, beta_2 = weights
    rows, length, width = x.shape
    flat = x.reshape(-1, width)
    projected = torch.addmm(bias, flat, kernel).view(rows, length, 3, network.heads, -1)
    q, k, v = projected.permute(2, 0, 3, 1, 4)
    found = torch.addmm(out_bias, attend(q, k, v, network.causal).transpose(1, 2).reshape(-1, width), out)
    x = functional.layer_norm(flat + found, (width,), gamma, beta, NORM_EPSILON)
    y = torch.addmm(second_bias, torch.relu_(torch.addmm(first_bias, x, first)), second)
    return functional.layer_norm(x + y, (width,), gamma_2, beta_2, NORM_EPSILON).view(rows, length, width)


class Training(dense.Training):
    def __init__(self, network: AttentionNetwork) -> None:
        self.network = network
        self.x, self.y = map(torch.from_numpy, network.data())
        self.weights = [torch.from_numpy(array).requires_grad_() for array in packed(network, network.weights())]
        self.loss = dense.LOSSES[network.loss]
        self.optimizer = dense.OPTIMIZERS[network.optimizer](self.weights, dense.RATES[network.optimizer])

    def outputs(self, x: Any) -> Any:
        return forward(self.network, self.weights, x)

    def found(self) -> list[Any]:
        return unpacked(self.network, [weight.detach().numpy() for weight in self.weights])


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        self.network = prediction.network
        self.weights = [torch.from_numpy(array) for array in packed(self.network, self.network.weights())]
        self.x = prediction.network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        with torch.inference_mode():
            for _ in range(calls):
                y = forward(self.network, self.weights, torch.from_numpy(self.x)).numpy()
        return y
