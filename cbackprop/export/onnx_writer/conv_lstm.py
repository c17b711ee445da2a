"""Write ConvLSTM layers: for each time step, two Convs and the formula of an LSTM at each position."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.onnx_writer.activations import write_function
from cbackprop.export.onnx_writer.convolution import pads_of
from cbackprop.export.onnx_writer.graph import Call, Graph, translates
from cbackprop.export.onnx_writer.recurrent import State, check, total

__all__: list[str] = []


class Steps:
    """The time steps of a layer. Images have the channels last; Transposes around each Conv bring them first."""

    def __init__(self, graph: Graph, layer: Any, image: tuple[int, ...]) -> None:
        self.graph, self.cell = graph, layer.cell
        self.rank = layer.cell.rank
        self.image = image
        self.state_shape = layer.cell.state_shapes(image)[0]

    def convolve(self, convolution: Any, x: str, image: tuple[int, ...], weights: list[Any]) -> str:
        """The convolution of an image."""
        geometry = convolution.geometry_with(image, 4 * self.cell.filters, 1)
        pads = pads_of(Call(convolution, (x,), (image,), (), None), geometry)
        found = self.graph.add(
            "Conv",
            self.graph.transpose(x, (0, self.rank + 1, *range(1, self.rank + 1))),
            *weights,
            kernel_shape=convolution.kernel_size,
            strides=convolution.strides,
            dilations=convolution.dilation_rate,
            pads=pads,
        )
        return self.graph.transpose(found, (0, *range(2, self.rank + 2), 1))

    def kernel(self, variable: Any) -> str:
        """A kernel in the layout of Conv: (filters, channels, ...)."""
        return self.graph.variable(variable, (self.rank + 1, self.rank, *range(self.rank)))

    def step(self, x: str, states: State) -> State:
        """The new h and c from an image and the states: gates i, f, g, o, c = f c + i g, h = o a(c)."""
        graph, cell, (h, c) = self.graph, self.cell, states
        bias = [] if cell.bias is None else [graph.variable(cell.bias)]
        z = self.convolve(cell.of_inputs, x, self.image, [self.kernel(cell.kernel), *bias])
        if h is not None:
            more = self.convolve(cell.of_states, h, self.state_shape, [self.kernel(cell.recurrent_kernel)])
            z = graph.add("Add", z, more)
        i, f, g, o = (
            self.function(function, self.filters(z, number))
            for number, function in enumerate(
                (cell.recurrent_function, cell.recurrent_function, cell.outer_function, cell.recurrent_function)
            )
        )
        c = total(graph, graph.add("Mul", i, g), None if c is None else graph.add("Mul", f, c))
        return [graph.add("Mul", o, self.function(cell.outer_function, c)), c]

    def function(self, function: Any, value: str) -> str:
        """Apply a function to gates."""
        return write_function(self.graph, self.cell.name, function, value, self.state_shape)

    def filters(self, z: str, number: int) -> str:
        """The channels that belong to a gate."""
        begin, axis = number * self.cell.filters, np.array([self.rank + 1])
        return self.graph.add("Slice", z, np.array([begin]), np.array([begin + self.cell.filters]), axis)


@translates(layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)
def conv_lstm(graph: Graph, call: Call) -> str | list[str]:
    """Write all time steps."""
    layer, rank = call.layer, call.layer.rank
    check(layer, call.training)
    first = layer.data_format == "channels_first"

    def last(value: str) -> str:
        return graph.transpose(value, (0, *range(2, rank + 2), 1)) if first else value

    def back(value: str) -> str:
        return graph.transpose(value, (0, rank + 1, *range(1, rank + 1))) if first else value

    length, *sizes = call.input_shapes[0]
    image = (*sizes[1:], sizes[0]) if first else tuple(sizes)
    steps = Steps(graph, layer, image)
    states: State = [last(value) for value in call.inputs[1:]] or [None, None]
    outputs = []
    for t in reversed(range(length)) if layer.go_backwards else range(length):
        part = graph.add("Slice", call.inputs[0], np.array([t]), np.array([t + 1]), np.array([1]))
        states = steps.step(last(graph.reshape(part, tuple(sizes))), states)
        outputs.append(back(str(states[0])))
    value = outputs[-1]
    if layer.return_sequences:
        shape = layer.cell.channels_in_place(steps.state_shape)
        value = graph.add("Concat", *(graph.reshape(output, (1, *shape)) for output in outputs), axis=1)
    return [value, *(back(str(state)) for state in states)] if layer.return_state else value
