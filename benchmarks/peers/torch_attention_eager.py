"""PyTorch's attention from products and a softmax, each an array of its own."""

from __future__ import annotations

from typing import Any

import torch

from peers import torch_attention as fused

TITLE = "PyTorch, products and softmax"
PACKAGES = fused.PACKAGES
set_threads = fused.set_threads


def attend(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """Attention (rows, heads, steps, features)."""
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    return torch.softmax(scores, -1) @ v


class Training(fused.Training):
    def outputs(self, x: Any) -> Any:
        return fused.forward(self.network, self.weights, x, attend)
