"""Write recurrent layers: as one of ONNX's operators if possible, else each time step with simple operators.

ONNX's recurrent operators have only some activations, and cannot stack cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.onnx_writer.activations import write_function
from cbackprop.export.onnx_writer.graph import Call, Graph, translates
from cbackprop.export.onnx_writer.recurrent_operators import both_ways, has_operator, one_way
from cbackprop.layers.recurrent_cell import RecurrentCell, flat_sizes

# A value of the graph for each state; ``None`` for a state of zeros.
State = list[str | None]


def total(graph: Graph, a: str, b: str | None) -> str:
    """a + b."""
    return a if b is None else graph.add("Add", a, b)


def times(graph: Graph, h: str | None, kernel: Any) -> str | None:
    """h U."""
    return None if h is None else graph.add("MatMul", h, kernel)


def columns(graph: Graph, x: str, number: int, units: int) -> str:
    """The columns of x that belong to a gate."""
    return graph.add("Slice", x, np.array([number * units]), np.array([(number + 1) * units]), np.array([1]))


def simple(graph: Graph, cell: Any, x: str, states: State) -> State:
    """h = f(x W + b + h U)."""
    z = total(graph, project(graph, cell, x), times(graph, states[0], graph.variable(cell.recurrent_kernel)))
    return [write_function(graph, cell.name, cell.outer_function, z, (cell.units,))]


def lstm(graph: Graph, cell: Any, x: str, states: State) -> State:
    """Gates i, f, g, o: c = f c + i g, h = o a(c)."""
    n, (h, c) = cell.units, states
    z = total(graph, project(graph, cell, x), times(graph, h, graph.variable(cell.recurrent_kernel)))
    i, f, g, o = (
        write_function(graph, cell.name, function, columns(graph, z, number, n), (n,))
        for number, function in enumerate(
            (cell.recurrent_function, cell.recurrent_function, cell.outer_function, cell.recurrent_function)
        )
    )
    c = total(graph, graph.add("Mul", i, g), None if c is None else graph.add("Mul", f, c))
    return [graph.add("Mul", o, write_function(graph, cell.name, cell.outer_function, c, (n,))), c]


def gru(graph: Graph, cell: Any, x: str, states: State) -> State:
    """Gates z and r and the candidate g: h = z h + (1 - z) g = g + z (h - g)."""
    n, (h,) = cell.units, states
    kernel = cell.recurrent_kernel.numpy()
    x_all = project(graph, cell, x)
    parts = [columns(graph, x_all, number, n) for number in range(3)]
    bias = cell.bias.numpy()[1] if cell.has_recurrent_bias else None

    def product(value: str | None, number: int) -> str | None:
        found = times(graph, value, np.ascontiguousarray(kernel[:, number * n : (number + 1) * n]))
        if bias is None:
            return found
        part = graph.constant(bias[number * n : (number + 1) * n])
        return part if found is None else graph.add("Add", found, part)

    u, r = (
        write_function(graph, cell.name, cell.recurrent_function, total(graph, parts[k], product(h, k)), (n,))
        for k in range(2)
    )
    if cell.reset_after:
        inner = product(h, 2)
        more = None if inner is None else graph.add("Mul", r, inner)
    else:
        more = product(None if h is None else graph.add("Mul", r, h), 2)
    g = write_function(graph, cell.name, cell.outer_function, total(graph, parts[2], more), (n,))
    if h is None:
        return [graph.add("Sub", g, graph.add("Mul", u, g))]
    return [graph.add("Add", g, graph.add("Mul", u, graph.add("Sub", h, g)))]


STEPS: dict[type[RecurrentCell], Any] = {
    layers.SimpleRNNCell: simple,
    layers.LSTMCell: lstm,
    layers.GRUCell: gru,
}


def project(graph: Graph, cell: Any, x: str) -> str:
    """x W + b."""
    weights = [graph.variable(cell.kernel)]
    if cell.bias is not None:
        weights.append(graph.constant(cell.bias.numpy()[0]) if cell.bias.ndim == 2 else graph.variable(cell.bias))
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
    """Refuse a layer whose output can differ between calls."""
    cells = getattr(layer, "cells", [layer])
    drops = any(getattr(cell, "dropout", 0) or getattr(cell, "recurrent_dropout", 0) for cell in cells)
    if getattr(layer, "stateful", False) or (training and drops):
        raise ValueError(
            f"Layer {layer.name!r} keeps its states from batch to batch, or draws random numbers in predictions. "
            "Neither can be written to ONNX."
        )


@translates(layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell, layers.StackedRNNCells)
def cell(graph: Graph, call: Call) -> list[str]:
    """Write one time step: the output and the states."""
    check(call.layer, call.training)
    x, remaining = call.inputs[0], iter(call.inputs[1:])
    states: list[Any] = []
    for one in getattr(call.layer, "cells", [call.layer]):
        own = step_of(one)(graph, one, x, [next(remaining) for _ in flat_sizes(one.state_size)])
        x = own[0]
        states += own
    return [x, *states]


@translates(layers.RNN, layers.SimpleRNN, layers.LSTM, layers.GRU, any_sizes=True)
def recurrent(graph: Graph, call: Call) -> str | list[str]:
    """Write all time steps."""
    check(call.layer, call.training)
    if has_operator(graph, call.layer, call.input_shapes[0][0]):
        found = one_way(graph, call.layer, call.inputs[0], call.inputs[1:])
        return found if call.layer.return_state else found[0]
    outputs, states = run(graph, call.layer, call.inputs, call.input_shapes[0], call.training)
    value = outputs[-1]
    if call.layer.return_sequences:
        value = put_together(graph, outputs, call.layer.cells[-1].output_size)
    return [value, *states] if call.layer.return_state else value


def run(
    graph: Graph, layer: Any, inputs: Sequence[str], shape: tuple[int | None, ...], training: bool | None
) -> tuple[list[Any], list[Any]]:
    """The outputs of all time steps, in the order in which they are made, and the last states."""
    check(layer, training)
    length, features = shape
    if length is None:
        raise ValueError(
            f"Layer {layer.name!r} has cells or activations that ONNX's recurrent operators lack. So each time step is "
            "written by itself, and inputs must have a known number of time steps."
        )
    values = [
        graph.reshape(graph.add("Slice", inputs[0], np.array([t]), np.array([t + 1]), np.array([1])), (features,))
        for t in range(length)
    ]
    values = values[::-1] if layer.go_backwards else values
    given = iter(inputs[1:])
    last: list[Any] = []
    for one in layer.cells:
        states: list[Any] = [next(given, None) for _ in flat_sizes(one.state_size)]
        write, made = step_of(one), []
        for value in values:
            states = write(graph, one, value, states)
            made.append(states[0])
        values = made
        last += states
    return values, last


def put_together(graph: Graph, values: list[str], size: int) -> str:
    """Concatenate the outputs of time steps."""
    return graph.add("Concat", *(graph.reshape(value, (1, size)) for value in values), axis=1)


OPERATORS = {"sum": "Add", "mul": "Mul", "ave": "Add"}


@translates(layers.Bidirectional, any_sizes=True)
def bidirectional(graph: Graph, call: Call) -> str | list[str]:
    """Both layers, and their outputs merged."""
    layer = call.layer
    for cell in layer.forward_layer.cells:
        step_of(cell)
    count = len(flat_sizes(layer.forward_layer.state_size))
    x, given = call.inputs[0], call.inputs[1:]
    ways = (layer.forward_layer, given[:count]), (layer.backward_layer, given[count:])
    if all(has_operator(graph, one, call.input_shapes[0][0]) for one, _ in ways):
        check(layer.forward_layer, call.training)
        both = both_ways(graph, layer, x, given)
        if both is not None:
            return both if len(both) > 1 else both[0]
    found, more = [], []
    for one, states in ways:
        if has_operator(graph, one, call.input_shapes[0][0]):
            output, *last = one_way(graph, one, x, states, one is layer.backward_layer)
            found.append(output)
            more += last
            continue
        outputs, last = run(graph, one, [x, *states], call.input_shapes[0], call.training)
        if layer.return_sequences:
            ordered = outputs[::-1] if one is layer.backward_layer else outputs
            found.append(put_together(graph, ordered, one.cells[-1].output_size))
        else:
            found.append(outputs[-1])
        more += last
    if layer.merge_mode == "concat":
        found = [graph.add("Concat", *found, axis=len(call.output_shape))]
    elif layer.merge_mode is not None:
        merged = graph.add(OPERATORS[layer.merge_mode], *found)
        found = [graph.add("Div", merged, 2.0) if layer.merge_mode == "ave" else merged]
    everything = [*found, *(more if layer.return_state else [])]
    return everything if len(everything) > 1 else everything[0]
