"""Activations as operators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.activations import ActivationFunction
from cbackprop.export.formulas import ACTIVATIONS, DOUBLES, mean_rule
from cbackprop.export.onnx_writer.graph import Call, Graph, translates

__all__ = ["write_activation"]


@translates(*(cls for _, cls in layers.registry if issubclass(cls, layers.ActivationLayer)))
def activation_layer(graph: Graph, call: Call) -> str:
    """Any layer that applies an activation and nothing else."""
    return write_activation(graph, call.layer.name, call.layer.activation, call.inputs[0], call.output_shape)


def write_activation(
    graph: Graph, layer_name: str, activation: ActivationFunction, x: str, shape: tuple[int, ...]
) -> str:
    """An activation of a value whose samples have this shape.

    Raises
    ------
    ValueError
        If there is no formula for it.
    """
    kernel = activation.kernel()
    name, numbers = kernel.name, kernel.numbers
    if name == "linear":
        return x
    if name == "general_relu":
        slope, greatest, threshold = numbers
        if greatest == math.inf:
            numbers = slope, threshold
        else:
            name = "bounded_relu"
    if name not in ACTIVATIONS or isinstance(kernel.axis, tuple):
        raise ValueError(f"Activation {activation!r} of layer {layer_name!r} cannot be written to ONNX.")
    arguments, text = ACTIVATIONS[name]
    values: dict[str, Any] = dict(zip(arguments, numbers, strict=False))
    if graph.dtype == np.float64:
        text = DOUBLES.get(name, text)
        values |= dict(zip(("points", "weights"), mean_rule(), strict=True)) | {"last": np.array([-1])}
    if kernel.axis is not None:
        values = along_axis(kernel.axis % (len(shape) + 1), shape)
    return graph.formula(text, x, **values)


def along_axis(axis: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """What formulas of activations along an axis leave open; shape is that of a sample of the result."""
    length = shape[axis - 1]
    return {
        "axis": axis,
        "axes": np.array([axis]),
        **{name: np.array([k * length]) for k, name in enumerate(("start", "middle", "end"))},  # of what is halved
        "along": np.array(axis),
        "length": np.array([length]),
        "count": np.arange(1.0, length + 1).reshape(-1, *[1] * (len(shape) - axis)),
    }
