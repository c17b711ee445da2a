"""Write a time step of ConvLSTM layers: two Convs, and what an LSTM does, at each position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop.export.onnx_writer.activations import write_function
from cbackprop.export.onnx_writer.convolution import pads_of
from cbackprop.export.onnx_writer.graph import Call, Graph

__all__ = ["conv_lstm"]


def conv_lstm(graph: Graph, cell: Any, x: str, states: Sequence[str], shape: tuple[int, ...]) -> list[str]:
    """The new h and c from an image and the states: gates i, f, g, o, c = f c + i g, h = o a(c).

    Images have the channels last, between Transposes around each Conv.
    """
    h, c = states
    image = cell.state_shapes(shape)[0]
    weights = [kernel_of(graph, cell, cell.kernel), *([] if cell.bias is None else [graph.variable(cell.bias)])]
    z = graph.add(
        "Add",
        convolve(graph, cell, cell.of_inputs, x, shape, weights),
        convolve(graph, cell, cell.of_states, h, image, [kernel_of(graph, cell, cell.recurrent_kernel)]),
    )
    i, f, g, o = (
        write_function(graph, cell.name, function, filters(graph, cell, z, number), image)
        for number, function in enumerate(
            (cell.recurrent_function, cell.recurrent_function, cell.outer_function, cell.recurrent_function)
        )
    )
    c = graph.add("Add", graph.add("Mul", i, g), graph.add("Mul", f, c))
    return [graph.add("Mul", o, write_function(graph, cell.name, cell.outer_function, c, image)), c]


def convolve(graph: Graph, cell: Any, convolution: Any, x: str, image: tuple[int, ...], weights: Sequence[str]) -> str:
    """The convolution of an image."""
    rank = cell.rank
    geometry = convolution.geometry_with(image, 4 * cell.filters, 1)
    found = graph.add(
        "Conv",
        graph.transpose(x, (0, rank + 1, *range(1, rank + 1))),
        *weights,
        kernel_shape=convolution.kernel_size,
        strides=convolution.strides,
        dilations=convolution.dilation_rate,
        pads=pads_of(Call(convolution, (x,), (image,), (), None), geometry),
    )
    return graph.transpose(found, (0, *range(2, rank + 2), 1))


def kernel_of(graph: Graph, cell: Any, variable: Any) -> str:
    """A kernel as Conv has it: (filters, channels, ...)."""
    return graph.variable(variable, (cell.rank + 1, cell.rank, *range(cell.rank)))


def filters(graph: Graph, cell: Any, z: str, number: int) -> str:
    """The filters of a gate."""
    begin, axis = number * cell.filters, np.array([cell.rank + 1])
    return graph.add("Slice", z, np.array([begin]), np.array([begin + cell.filters]), axis)
