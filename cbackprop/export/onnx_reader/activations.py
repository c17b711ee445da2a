"""Operators of activations, and formulas of several, as activation layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cbackprop import activations, layers
from cbackprop.export.formulas import ACTIVATIONS, DOUBLES, LAYERS, OTHER_SPELLINGS, mean_rule
from cbackprop.export.onnx_reader.builder import Builder, positive, recognizes
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.tensor import KerasTensor

# Kernels that are not called like the activation that they belong to.
OF_KERNEL: dict[str, Callable[..., Any]] = {
    "general_relu": lambda slope, threshold: activations.relu.bind(slope, None, threshold),
    "bounded_relu": activations.relu.bind,
    "general_elu": activations.elu.bind,
    "approximate_gelu": lambda: activations.gelu.bind(approximate=True),
}


def _reader(kernel: str) -> Callable[[Builder, Node, dict[str, Any]], KerasTensor]:
    names, _ = ACTIVATIONS[kernel]

    def read(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
        x = builder.tensor(bound["x"])
        numbers = [bound.get(name, 0.0) for name in names]  # 0 where a spelling has no such number
        if names == ("axis",):
            numbers = [positive(int(bound["axes"][0]) if kernel == "glu" else bound["axis"], x.ndim)]
        make = OF_KERNEL.get(kernel) or getattr(activations, kernel).bind
        return builder.apply(node, layers.Activation, x, make(*numbers) if numbers else make())

    return read


def _fits(bound: dict[str, Any]) -> bool:
    """Whether constants are to each other as the activation has them."""
    if "low" in bound:
        return bool(bound["low"] == -bound["threshold"])
    if "points" in bound:
        rule = zip(("points", "weights"), mean_rule(), strict=True)
        same = (bound[name].shape == values.shape and np.allclose(bound[name], values) for name, values in rule)
        return bound["last"].tolist() == [-1] and all(same)
    if "middle" in bound:
        return bool(
            [len(bound[name]) for name in ("axes", "start", "middle", "end")] == [1] * 4
            and bound["start"][0] == 0
            and bound["end"][0] == 2 * bound["middle"][0]
        )
    if "count" not in bound:
        return True
    axis, length = bound["axis"], bound["length"]
    counts = bound["count"].ravel()
    return bool(
        bound["axes"].tolist() == [axis]
        and bound["along"] == axis
        and length.tolist() == [len(counts)]
        and np.array_equal(counts, np.arange(1, len(counts) + 1))
    )


for _kernel, _text in [
    *((name, text) for name, (_, text) in ACTIVATIONS.items()),
    *DOUBLES.items(),
    *OTHER_SPELLINGS,
]:
    recognizes(_text, accept=_fits)(_reader(_kernel))


@recognizes(*LAYERS["steeper_softplus"], accept=lambda bound: bound["beta"] > 0)
def steeper_softplus(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """PyTorch's softplus with a factor `beta`, by which it is divided again."""
    x = builder.apply(node, layers.Rescaling, builder.tensor(bound["x"]), bound["beta"])
    x = builder.apply(node, layers.Activation, x, activations.softplus)
    return builder.apply(node, layers.Rescaling, x, 1 / bound["beta"])
