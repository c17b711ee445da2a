"""Write recurrent layers: as ONNX's operators, or as loops over time steps.

ONNX's operators for recurrent layers know some activations only, of masks only those that are given as the lengths of
sequences, and in ONNX Runtime no float64.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop import activations, layers
from cbackprop.export.onnx_writer.activations import write_function
from cbackprop.export.onnx_writer.conv_lstm import conv_lstm
from cbackprop.export.onnx_writer.graph import Call, Graph, Lasting, translates
from cbackprop.export.onnx_writer.loops import Way, loop
from cbackprop.export.onnx_writer.recurrent_operators import both_ways, has_operator, one_way
from cbackprop.layers.conv_lstm_cell import ConvLSTMCell
from cbackprop.layers.recurrent_cell import RecurrentCell, flat_sizes

Shape = tuple[Any, ...]


def columns(graph: Graph, x: str, number: int, units: int) -> str:
    """The columns of x that belong to a gate."""
    return graph.add("Slice", x, np.array([number * units]), np.array([(number + 1) * units]), np.array([1]))


def simple(graph: Graph, cell: Any, x: str, states: Sequence[str], shape: Shape) -> list[str]:
    """h = f(x W + b + h U)."""
    recurrent = graph.add("MatMul", states[0], graph.variable(cell.recurrent_kernel))
    z = graph.add("Add", project(graph, cell, x), recurrent)
    return [write_function(graph, cell.name, cell.outer_function, z, (cell.units,))]


def lstm(graph: Graph, cell: Any, x: str, states: Sequence[str], shape: Shape) -> list[str]:
    """Gates i, f, g, o: c = f c + i g, h = o a(c)."""
    n, (h, c) = cell.units, states
    recurrent = graph.add("MatMul", h, graph.variable(cell.recurrent_kernel))
    z = graph.add("Add", project(graph, cell, x), recurrent)
    i, f, g, o = (
        write_function(graph, cell.name, function, columns(graph, z, number, n), (n,))
        for number, function in enumerate(
            (cell.recurrent_function, cell.recurrent_function, cell.outer_function, cell.recurrent_function)
        )
    )
    c = graph.add("Add", graph.add("Mul", i, g), graph.add("Mul", f, c))
    return [graph.add("Mul", o, write_function(graph, cell.name, cell.outer_function, c, (n,))), c]


def gru(graph: Graph, cell: Any, x: str, states: Sequence[str], shape: Shape) -> list[str]:
    """Gates z and r and the candidate g: h = z h + (1 - z) g = g + z (h - g)."""
    n, (h,) = cell.units, states
    x_all = project(graph, cell, x)
    parts = [columns(graph, x_all, number, n) for number in range(3)]

    def product(value: str, number: int) -> str:
        of_gate = slice(number * n, (number + 1) * n)
        found = graph.add("MatMul", value, graph.variable(cell.recurrent_kernel, index=(slice(None), of_gate)))
        if not cell.has_recurrent_bias:
            return found
        return graph.add("Add", found, graph.variable(cell.bias, index=(1, of_gate)))

    u, r = (
        write_function(graph, cell.name, cell.recurrent_function, graph.add("Add", parts[k], product(h, k)), (n,))
        for k in range(2)
    )
    more = graph.add("Mul", r, product(h, 2)) if cell.reset_after else product(graph.add("Mul", r, h), 2)
    g = write_function(graph, cell.name, cell.outer_function, graph.add("Add", parts[2], more), (n,))
    return [graph.add("Add", g, graph.add("Mul", u, graph.add("Sub", h, g)))]


# For each cell, a function that writes one time step: from the input, whose samples have this shape, and the states to
# the new states, of which the first is the output.
STEPS: dict[type[RecurrentCell], Any] = {
    layers.SimpleRNNCell: simple,
    layers.LSTMCell: lstm,
    layers.GRUCell: gru,
    ConvLSTMCell: conv_lstm,
}


def project(graph: Graph, cell: Any, x: str) -> str:
    """x W + b."""
    weights = [graph.variable(cell.kernel)]
    if cell.bias is not None:
        weights.append(graph.variable(cell.bias, index=(0,) if cell.bias.ndim == 2 else ()))
    return graph.add("Gemm", x, *weights)


def step_of(cell: Any) -> Any:
    """The function that writes a time step of a cell.

    Raises
    ------
    ValueError
        If the cell is written in Python, or draws random numbers in a prediction.
    """
    for cls in type(cell).__mro__:
        if cls in STEPS and not cell.is_python and cell.implementation == cls.implementation:
            return STEPS[cls]
    kind = "is written in Python" if cell.is_python else "has a computation of its own"
    raise ValueError(f"Cell {cell.name!r} {kind}, and cannot be written to ONNX.")


def check(layer: Any, training: bool | None) -> None:
    """Refuse a layer that draws random numbers."""
    cells = getattr(layer, "cells", [layer])
    drops = any(getattr(cell, "dropout", 0) or getattr(cell, "recurrent_dropout", 0) for cell in cells)
    if training and drops:
        raise ValueError(
            f"Layer {layer.name!r} has random numbers in predictions, which cannot be written to ONNX: it is called "
            "with training=True."
        )


@translates(layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell, layers.StackedRNNCells)
def cell(graph: Graph, call: Call) -> list[str]:
    """Write one time step: the output and the states."""
    check(call.layer, call.training)
    x, shape, remaining = call.inputs[0], call.input_shapes[0], iter(call.inputs[1:])
    states: list[Any] = []
    for one in getattr(call.layer, "cells", [call.layer]):
        own = step_of(one)(graph, one, x, [next(remaining) for _ in flat_sizes(one.state_size)], shape)
        x, shape = own[0], (one.output_size,)
        states += own
    return [x, *states]


RECURRENT = (layers.RNN, layers.SimpleRNN, layers.LSTM, layers.GRU)
CONVOLVING = (layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)


@translates(*RECURRENT, *CONVOLVING, any_sizes=True)
def recurrent(graph: Graph, call: Call) -> str | list[str]:
    """All time steps."""
    value, states = run(graph, call, call.layer, call.inputs[1:])
    return [value, *states] if call.layer.return_state else value


def run(
    graph: Graph, call: Call, layer: Any, given: Sequence[str], turned: bool = False, zero_output: bool = False
) -> tuple[str, list[str]]:
    """The output of a layer that goes in one direction, and its last states.

    Outputs stand in the order in which they are made, or if they are to be `turned`, the other way round. With
    `zero_output`, they are 0 where a mask hides them.
    """
    check(layer, call.training)
    for one in layer.cells:
        step_of(one)
    mask = None if call.mask is None else call.mask.name
    states = first_states(graph, call, layer, given)
    if mask is None and has_operator(graph, layer):
        value, last = one_way(graph, layer, call.inputs[0], states, turned)
    else:
        value, last = loops(graph, call, layer, states, mask, turned, zero_output)
    keep_states(graph, layer, last)
    return value, last


def loops(
    graph: Graph, call: Call, layer: Any, given: Sequence[str], mask: str | None, turned: bool, zero_output: bool
) -> tuple[str, list[str]]:
    """The output of a layer and its last states, by a loop for each cell."""
    first = getattr(layer, "data_format", None) == "channels_first"
    x, shape = call.inputs[0], tuple(call.input_shapes[0][1:])
    if None in shape:
        raise ValueError(
            f"Layer {layer.name!r} can only be written to ONNX for inputs of which only the number of time steps is "
            f"open, but a sample has shape {call.input_shapes[0]}."
        )
    if first:
        x, shape = channels_last(graph, x, len(shape), 1), (*shape[1:], shape[0])
        given = [channels_last(graph, state, len(shape)) for state in given]
    remaining, states = iter(given), []
    for number, one in enumerate(layer.cells):
        is_last, write = number == len(layer.cells) - 1, step_of(one)
        way = Way(
            shape,
            state_shape_of(one, shape),
            layer.go_backwards,
            turned if is_last else layer.go_backwards,
            zero_output or layer.zero_output_for_mask,
            layer.return_sequences or not is_last,
        )
        begin = [next(remaining, None) for _ in range(one.n_states)]
        x, last = loop(graph, functools.partial(write, graph, one, shape=shape), x, begin, mask, way, about(one))
        shape = way.state_shape
        states += last
    if first:
        x = channels_first(graph, x, len(shape), int(layer.return_sequences))
        states = [channels_first(graph, state, len(shape)) for state in states]
    return x, states


def state_shape_of(cell: Any, shape: Shape) -> tuple[int, ...]:
    """The shape of each state of a sample."""
    found: tuple[int, ...] = cell.state_shapes(shape)[0]
    return found


def about(cell: Any) -> dict[str, Any]:
    """What a cell is, but for its weights: the name of its class, and the arguments that change its formula."""
    names = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias", "reset_after")
    found = {name: getattr(cell, name) for name in names if hasattr(cell, name)}
    functions = {name: getattr(cell, name) for name in ("activation", "recurrent_activation") if hasattr(cell, name)}
    described = {
        name: activations.serialize(one.as_activation() if isinstance(one, layers.Layer) else one)
        for name, one in functions.items()
    }
    return {"cell": next(cls for cls in type(cell).__mro__ if cls in STEPS).__name__, **found, **described}


def channels_last(graph: Graph, value: str, rank: int, leading: int = 0) -> str:
    """Images with the channels moved from the front to the end. `rank` is that of an image with its channels."""
    front = range(leading + 1)
    return graph.transpose(value, (*front, *range(leading + 2, leading + 1 + rank), leading + 1))


def channels_first(graph: Graph, value: str, rank: int, leading: int = 0) -> str:
    """The way back from `channels_last`."""
    front = range(leading + 1)
    return graph.transpose(value, (*front, leading + rank, *range(leading + 1, leading + rank)))


# States that last


def first_states(graph: Graph, call: Call, layer: Any, given: Sequence[str]) -> list[str]:
    """The states that a layer begins with: those given, those that it has left, or none if they are 0.

    At the first call, those that it has left are inputs of the graph.
    """
    if not layer.stateful:
        return list(given)
    if layer not in graph.lasting:
        graph.lasting[layer] = lasting_of(layer, call.input_shapes[0])
    found = graph.lasting[layer]
    if given:
        return list(given)
    for state in found:
        if not state.last:
            state.first = state.last = graph.unique(state.name)
    return [state.last for state in found]


def lasting_of(layer: Any, shape: Shape) -> list[Lasting]:
    """The states of a layer that last, with their names."""
    names = []
    for number, one in enumerate(layer.cells):
        front = f"{layer.name}_{number}" if len(layer.cells) > 1 else layer.name
        names += [(front, letter) for letter in "hc"[: one.n_states]]
    shapes = layer.state_shapes((None, *shape))
    return [
        Lasting(f"{front}_{letter}", f"{front}_next_{letter}", shape)
        for (front, letter), shape in zip(names, shapes, strict=True)
    ]


def keep_states(graph: Graph, layer: Any, last: Sequence[str]) -> None:
    """Note the states that a layer leaves, if they last."""
    if layer.stateful:
        for state, name in zip(graph.lasting[layer], last, strict=True):
            state.last = name


# Both directions

OPERATORS = {"sum": "Add", "mul": "Mul", "ave": "Add"}


@translates(layers.Bidirectional, any_sizes=True)
def bidirectional(graph: Graph, call: Call) -> str | list[str]:
    """Both layers, and their outputs merged."""
    layer = call.layer
    ways = layer.forward_layer, layer.backward_layer
    for one in (*ways[0].cells, *ways[1].cells):
        step_of(one)
    given = call.inputs[1 : 1 + ways[0].n_states], call.inputs[1 + ways[0].n_states :]
    no_mask = call.mask is None or call.mask.name is None
    if no_mask and all(has_operator(graph, one) for one in ways):
        for way in ways:
            check(way, call.training)
        states = [first_states(graph, call, way, own) for way, own in zip(ways, given, strict=True)]
        both = both_ways(graph, layer, call.inputs[0], states)
        if both is not None:
            outputs, (first, second) = both
            keep_states(graph, ways[0], first)
            keep_states(graph, ways[1], second)
            return everything(layer, outputs, [*first, *second])
    found, more = [], []
    for way, own in zip(ways, given, strict=True):
        value, last = run(graph, call, way, own, way is layer.backward_layer, layer.return_sequences)
        found.append(value)
        more += last
    if layer.merge_mode == "concat":
        found = [graph.add("Concat", *found, axis=len(call.output_shape))]
    elif layer.merge_mode is not None:
        merged = graph.add(OPERATORS[layer.merge_mode], *found)
        found = [graph.add("Div", merged, 2.0) if layer.merge_mode == "ave" else merged]
    return everything(layer, found, more)


def everything(layer: Any, outputs: list[str], states: list[str]) -> str | list[str]:
    """What a call returns: the outputs, and the states if they are returned."""
    found = [*outputs, *(states if layer.return_state else [])]
    return found if len(found) > 1 else found[0]
