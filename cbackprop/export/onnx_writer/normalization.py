"""Write normalization layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_writer.graph import Call, Graph, translates
from cbackprop.variable import Variable


def sorted_axes(axis: Any, rank: int) -> list[int]:
    """The normalized axes of values with `rank` axes: not negative, and sorted."""
    return sorted({item % rank for item in (axis if isinstance(axis, list) else [axis])})


def shaped(variable: Variable, axes: Sequence[int], rank: int) -> Any:
    """A weight for these axes only, in a shape that broadcasts to values with `rank` axes."""
    shape = [1] * rank
    for axis, size in zip(axes, variable.shape, strict=True):
        shape[axis] = size
    return variable.numpy().reshape(shape[axes[0] :])


@translates(layers.LayerNormalization, any_sizes=True)
def layer_normalization(graph: Graph, call: Call) -> str:
    """LayerNormalization if the axes are the last ones; a formula for other axes and in float64."""
    layer, (x,), rank = call.layer, call.inputs, len(call.output_shape) + 1
    axes = sorted_axes(layer.axis, rank)
    values = {"axes": np.array(axes), "epsilon": layer.epsilon}
    if layer.rms_scaling:
        return graph.formula(LAYERS["over_deviation"][0], x, scale=shaped(layer.gamma, axes, rank), **values)
    if graph.dtype == np.float32 and axes == list(range(axes[0], rank)):
        ones = np.ones(call.output_shape[axes[0] - 1 :])
        weights: list[Any] = [ones if layer.gamma is None else graph.variable(layer.gamma)]
        weights += [] if layer.beta is None else [graph.variable(layer.beta)]
        return graph.add("LayerNormalization", x, *weights, axis=axes[0], epsilon=layer.epsilon)
    if layer.gamma is None and layer.beta is None:
        return graph.formula(LAYERS["standardized"][0], x, **values)
    blank = np.ones([call.output_shape[axis - 1] if axis in axes else 1 for axis in range(axes[0], rank)])
    scale = blank if layer.gamma is None else shaped(layer.gamma, axes, rank)
    offset = 0 * blank if layer.beta is None else shaped(layer.beta, axes, rank)
    return graph.formula(LAYERS["layer_normalization"][0], x, scale=scale, offset=offset, **values)


@translates(layers.RMSNormalization, any_sizes=True)
def rms_normalization(graph: Graph, call: Call) -> str:
    """A formula, because the operator RMSNormalization is newer than `OPSET`."""
    layer, rank = call.layer, len(call.output_shape) + 1
    axes = sorted_axes(layer.axis, rank)
    values = {"axes": np.array(axes), "epsilon": layer.epsilon, "scale": shaped(layer.gamma, axes, rank)}
    return graph.formula(LAYERS["root_mean_square"][0], call.inputs[0], **values)


@translates(layers.UnitNormalization, any_sizes=True)
def unit_normalization(graph: Graph, call: Call) -> str:
    """Division by the norm, as a formula: LpNormalization would divide by 0."""
    axes = np.array(sorted_axes(call.layer.axis, len(call.output_shape) + 1))
    return graph.formula(LAYERS["unit"][0], call.inputs[0], axes=axes, limit=call.layer.limit)


@translates(layers.GroupNormalization, any_sizes=True)
def group_normalization(graph: Graph, call: Call) -> str:
    """GroupNormalization, between Transposes if the channels are not the first axis."""
    layer, rank = call.layer, len(call.output_shape) + 1
    channels = call.output_shape[layer.axis % rank - 1]
    weights = [
        make(channels) if variable is None else graph.variable(variable)
        for variable, make in ((layer.gamma, np.ones), (layer.beta, np.zeros))
    ]
    groups = channels if layer.groups == -1 else layer.groups
    x = channels_first(graph, call)
    options = {"epsilon": layer.epsilon, "stash_type": graph.float_type}
    return channels_back(graph, call, graph.add("GroupNormalization", x, *weights, num_groups=groups, **options))


@translates(layers.BatchNormalization, any_sizes=True)
def batch_normalization(graph: Graph, call: Call) -> str:
    """BatchNormalization with the moving averages, between Transposes if the channels are not the first axis."""
    layer = call.layer
    if call.training and layer.trainable:
        raise ValueError(
            f"Layer {layer.name!r} is called with training=True: batch statistics cannot be written to ONNX."
        )
    mean, variance = layer.moving_mean, layer.moving_variance
    weights = [
        make(mean.size) if variable is None else graph.variable(variable)
        for variable, make in ((layer.gamma, np.ones), (layer.beta, np.zeros))
    ]
    x = channels_first(graph, call)
    statistics = graph.variable(mean), graph.variable(variance)
    numbers = {"epsilon": layer.epsilon, "momentum": layer.momentum}
    return channels_back(graph, call, graph.add("BatchNormalization", x, *weights, *statistics, **numbers))


def channels_first(graph: Graph, call: Call) -> str:
    """The input with the channels axis moved directly after the batch axis."""
    rank = len(call.output_shape) + 1
    axis = call.layer.axis % rank
    return graph.transpose(call.inputs[0], [0, axis, *(i for i in range(1, rank) if i != axis)])


def channels_back(graph: Graph, call: Call, value: str) -> str:
    """The reverse of `channels_first`."""
    rank = len(call.output_shape) + 1
    axis = call.layer.axis % rank
    others = list(range(2, rank))
    return graph.transpose(value, [0, *others[: axis - 1], 1, *others[axis - 1 :]])
