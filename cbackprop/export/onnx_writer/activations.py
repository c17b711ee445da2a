"""Write activations as operators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.activations import Kernel
from cbackprop.export.formulas import ACTIVATIONS, DOUBLES, SEVERAL_AXES, mean_rule
from cbackprop.export.onnx_writer.graph import Call, Graph, translates

__all__ = ["write_activation", "write_function"]


@translates(*(cls for _, cls in layers.registry if issubclass(cls, layers.ActivationLayer)), any_sizes=True)
def activation_layer(graph: Graph, call: Call) -> str:
    """Write a layer that only applies an activation."""
    return write_activation(graph, call.layer, call.inputs[0], call.output_shape)


def write_activation(graph: Graph, layer: layers.Layer, x: str, shape: tuple[Any, ...]) -> str:
    """Write the activation of a layer. `shape` is that of a sample of the value `x`.

    Raises
    ------
    ValueError
        If there is no formula for the activation.
    """
    if layer.function is None:
        raise ValueError(f"Layer {layer.name!r} has an activation in Python, which cannot be written to ONNX.")
    return write_function(graph, layer.name, layer.function, x, shape)


def write_function(graph: Graph, layer: str, kernel: Kernel, x: str, shape: tuple[Any, ...]) -> str:
    """Write a function that a layer applies. `shape` is that of a sample of the value `x`.

    Raises
    ------
    ValueError
        If there is no formula for it.
    """
    name, numbers = kernel.name, kernel.numbers
    if name == "linear":
        return x
    if name == "general_relu":
        slope, greatest, threshold = numbers
        if greatest == math.inf:
            numbers = slope, threshold
        else:
            name = "bounded_relu"
    if name not in ACTIVATIONS:
        raise ValueError(f"Activation {name!r} of layer {layer!r} cannot be written to ONNX.")
    axes = kernel.axes((None, *shape))
    if len(axes) > 1 and None in shape:
        raise ValueError(f"Activation {name!r} of layer {layer!r} can only be written along axes of known sizes.")
    if len(axes) > 1:
        return graph.formula(SEVERAL_AXES[name], x, **as_one_axis(axes, shape))
    arguments, text = ACTIVATIONS[name]
    values: dict[str, Any] = dict(zip(arguments, numbers, strict=False))
    if graph.dtype == np.float64:
        text = DOUBLES.get(name, text)
        values |= dict(zip(("points", "weights"), mean_rule(), strict=True)) | {"last": np.array([-1])}
    if axes and shape[axes[0] - 1] is None and name not in ("softmax", "log_softmax"):
        raise ValueError(f"Activation {name!r} of layer {layer!r} can only be written along an axis of known size.")
    if axes:
        values = along_axis(axes[0], shape)
    return graph.formula(text, x, **values)


def as_one_axis(axes: tuple[int, ...], shape: tuple[int, ...]) -> dict[str, Any]:
    """The variables of formulas along several adjacent axes. `shape` is that of a sample."""
    first, last = axes[0], axes[-1]
    length = math.prod(shape[first - 1 : last])
    return {
        "axis": first,
        "merged": np.array([0, *shape[: first - 1], length, *shape[last:]]),
        "shape": np.array([0, *shape]),
    }


def along_axis(axis: int, shape: tuple[Any, ...]) -> dict[str, Any]:
    """The variables of formulas along one axis. `shape` is that of a sample of the result."""
    length = shape[axis - 1]
    if length is None:
        return {"axis": axis}
    return {
        "axis": axis,
        "axes": np.array([axis]),
        **{name: np.array([k * length]) for k, name in enumerate(("start", "middle", "end"))},  # cut an axis in halves
        "along": np.array(axis),
        "length": np.array([length]),
        "count": np.arange(1.0, length + 1).reshape(-1, *[1] * (len(shape) - axis)),
    }
