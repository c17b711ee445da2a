"""Write recurrent layers as ONNX's operators RNN, LSTM and GRU, for sequences of any length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.export.onnx_writer.graph import Graph
from cbackprop.layers.recurrent_cell import flat_sizes

__all__ = ["both_ways", "has_operator", "one_way"]

# For each cell: the operator, the gates in the operator's order (as numbers of the cell's gates), and which functions
# the operator lists (the cell's inner and outer ones).
OPERATORS: dict[type[Any], tuple[str, tuple[int, ...], tuple[str, ...]]] = {
    layers.SimpleRNNCell: ("RNN", (0,), ("outer",)),
    layers.LSTMCell: ("LSTM", (0, 3, 1, 2), ("recurrent", "outer", "outer")),
    layers.GRUCell: ("GRU", (0, 1, 2), ("recurrent", "outer")),
}
# The functions of these operators: for each kernel the name, alpha and beta.
FUNCTIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "relu": ("Relu", ()),
    "tanh": ("Tanh", ()),
    "sigmoid": ("Sigmoid", ()),
    "softsign": ("Softsign", ()),
    "softplus": ("Softplus", ()),
    "linear": ("Affine", (1.0, 0.0)),
    "hard_sigmoid": ("HardSigmoid", (1 / 6, 0.5)),
    "sparse_sigmoid": ("HardSigmoid", (0.5, 0.5)),
}
# Functions with only an alpha, which is the kernel's only number.
WITH_ALPHA = {"leaky_relu": "LeakyRelu", "elu": "Elu"}


def function_of(kernel: Any) -> tuple[str, tuple[float, ...]] | None:
    """ONNX's name of a function, and its alpha and beta; ``None`` if these operators do not have it."""
    if kernel.name in WITH_ALPHA:
        return WITH_ALPHA[kernel.name], tuple(kernel.numbers)
    return FUNCTIONS.get(kernel.name)


def kind_of(cell: Any) -> tuple[str, tuple[int, ...], tuple[str, ...]] | None:
    """The operator that computes a cell; ``None`` if there is none."""
    for cls in type(cell).__mro__:
        if cls in OPERATORS and not cell.is_python and cell.implementation == cls.implementation:
            return OPERATORS[cls]
    return None


def functions_of(cell: Any) -> list[tuple[str, tuple[float, ...]] | None]:
    """The functions of a cell, in the order of its operator."""
    kind = kind_of(cell)
    kernels = {"recurrent": cell.recurrent_function, "outer": cell.outer_function}
    return [None] if kind is None else [function_of(kernels[which]) for which in kind[2]]


def has_operator(graph: Graph, layer: Any) -> bool:
    """Whether operators compute all cells of a layer. For float64, ONNX Runtime has none of them."""
    return graph.dtype == np.float32 and all(None not in functions_of(cell) for cell in layer.cells)


def are_one_operator(first: Any, second: Any) -> bool:
    """Whether one bidirectional operator can compute both: each has one cell, of the same formula."""
    if first.go_backwards or len(first.cells) != 1 or len(second.cells) != 1:
        return False
    a, b = first.cells[0], second.cells[0]
    return kind_of(a) == kind_of(b) and all(
        getattr(a, name, None) == getattr(b, name, None) for name in ("units", "use_bias", "reset_after")
    )


def one_way(graph: Graph, layer: Any, x: str, states: Sequence[str], turned: bool = False) -> tuple[str, list[str]]:
    """The output of a layer, and its last states if they are wanted.

    Outputs are in the order in which they are computed; with `turned`, in the reverse order.
    """
    value, last = graph.transpose(x, (1, 0, 2)), []
    given, keeps = iter(states), layer.return_state or layer.stateful
    h = ""
    for number, cell in enumerate(layer.cells):
        is_last = number == len(layer.cells) - 1
        own = [next(given) for _ in flat_sizes(cell.state_size)] if states else []
        wanted = [layer.return_sequences or not is_last, keeps or not layer.return_sequences]
        direction = "reverse" if layer.go_backwards else "forward"
        y, *found = operate(graph, [cell], value, [own], direction, wanted, keeps)
        if y:
            value = graph.add("Squeeze", y, np.array([1]))
        rows = [graph.add("Squeeze", state, np.array([0])) for state in found if state]
        h = rows[0] if rows else ""
        last += rows
    last = last if keeps else []
    if not layer.return_sequences:
        return h, last
    value = graph.transpose(value, (1, 0, 2))
    if layer.go_backwards != turned:  # the operator returns outputs in the order of the inputs
        value = graph.add("Slice", value, np.array([-1]), np.array([-(2**31)]), np.array([1]), np.array([-1]))
    return value, last


def operate(
    graph: Graph,
    cells: Sequence[Any],
    x: str,
    states: Sequence[Sequence[str]],
    direction: str,
    wanted: list[bool],
    all_states: bool,
) -> list[str]:
    """Add the operator for cells of one or two directions, each with states (batch, units).

    `wanted`: whether the outputs of all steps are used, and whether the last output is.
    """
    operator, order, _ = OPERATORS[next(cls for cls in type(cells[0]).__mro__ if cls in OPERATORS)]
    inputs: list[Any] = [x, *weights_of(graph, cells, order)]
    rows = [
        [graph.add("Unsqueeze", state, np.array([0])) for state in together] for together in zip(*states, strict=True)
    ]
    if rows:
        inputs += [""] * (5 - len(inputs))
        inputs += [one[0] if len(one) == 1 else graph.add("Concat", *one, axis=0) for one in rows]
    more = {"linear_before_reset": int(cells[0].reset_after)} if operator == "GRU" else {}
    wanted = [*wanted, *([all_states] if operator == "LSTM" else [])]
    return graph.several(
        operator, inputs, wanted, hidden_size=cells[0].units, direction=direction, **named_functions(cells), **more
    )


def named_functions(cells: Sequence[Any]) -> dict[str, Any]:
    """The attributes for functions; none if they are the operator's defaults."""
    found = [function for cell in cells for function in functions_of(cell) if function is not None]
    defaults = {1: ["Tanh"], 2: ["Sigmoid", "Tanh"], 3: ["Sigmoid", "Tanh", "Tanh"]}[len(found) // len(cells)]
    if [name for name, _ in found] == defaults * len(cells):
        return {}
    alphas = [numbers[0] for _, numbers in found if numbers]
    betas = [numbers[1] for _, numbers in found if len(numbers) > 1]
    return {
        "activations": [name for name, _ in found],
        **({"activation_alpha": alphas} if alphas else {}),
        **({"activation_beta": betas} if betas else {}),
    }


def weights_of(graph: Graph, cells: Sequence[Any], order: Sequence[int]) -> list[str]:
    """W, R and, if there is one, B: for each direction the gates in the operator's order, as rows."""

    def gates(array: NDArray[Any]) -> NDArray[Any]:
        parts = np.split(array, len(order), axis=-1)
        return np.concatenate([parts[gate] for gate in order], axis=-1)

    kernels = np.stack([gates(cell.kernel.numpy()).T for cell in cells])
    recurrent = np.stack([gates(cell.recurrent_kernel.numpy()).T for cell in cells])
    found = [graph.constant(kernels, "W"), graph.constant(recurrent, "R")]
    if cells[0].bias is not None:
        # B has two rows: one is added to the product with the inputs, the other to the product with the state.
        rows = [np.atleast_2d(gates(cell.bias.numpy())) for cell in cells]
        pairs = [row if len(row) == 2 else np.concatenate([row, 0 * row]) for row in rows]
        found.append(graph.constant(np.stack([pair.ravel() for pair in pairs]), "B"))
    return found


REDUCTIONS = {"sum": "ReduceSum", "mul": "ReduceProd", "ave": "ReduceMean"}


def both_ways(
    graph: Graph, layer: Any, x: str, states: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]] | None:
    """The outputs of a Bidirectional layer, and the last states of each direction if they are wanted.

    ``None`` if no operator computes both directions.
    """
    ways = layer.forward_layer, layer.backward_layer
    if not are_one_operator(*ways):
        return None
    cells, keeps = [way.cells[0] for way in ways], layer.return_state or layer.stateful
    wanted = [layer.return_sequences, keeps or not layer.return_sequences]
    turned = graph.transpose(x, (1, 0, 2))
    y, *last = operate(graph, cells, turned, states, "bidirectional", wanted, keeps)
    axis = 1 if layer.return_sequences else 0
    outputs = merged(graph, layer.merge_mode, y if layer.return_sequences else last[0], axis, 2 * cells[0].units)
    if layer.return_sequences:
        outputs = [graph.transpose(output, (1, 0, 2)) for output in outputs]
    halves = [parted(graph, state, 0) for state in last] if keeps else []
    return outputs, [[half[way] for half in halves] for way in (0, 1)]


def merged(graph: Graph, mode: str | None, value: str, axis: int, width: int) -> list[str]:
    """Merge both directions, which are one axis of the value."""
    if mode is None:
        return parted(graph, value, axis)
    if mode in REDUCTIONS:
        return [graph.add(REDUCTIONS[mode], value, np.array([axis]), keepdims=0)]
    order = [*range(axis), axis + 1, axis, axis + 2]
    side_by_side = graph.add("Transpose", value, perm=order)
    return [graph.add("Reshape", side_by_side, np.array([*[0] * (axis + 1), width]))]


def parted(graph: Graph, value: str, axis: int) -> list[str]:
    """Split an axis of length 2 into its halves, without the axis."""
    parts = graph.several("Split", [value, np.array([1, 1])], [True, True], axis=axis)
    return [graph.add("Squeeze", part, np.array([axis])) for part in parts]
