"""Read recurrent layers: the operators RNN, LSTM and GRU, in one direction or both.

Where sequences have lengths that are data, these become a mask: see `lengths`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cbackprop import activations, layers
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, reads
from cbackprop.export.onnx_reader.graph import Array, Node
from cbackprop.export.onnx_reader.lengths import lengths_of, mask_of, without_empty
from cbackprop.export.onnx_reader.parts import part_of
from cbackprop.tensor import KerasTensor

# For each operator: the layer, the places of its gates among the operator's gates, and the default functions.
KINDS: dict[str, tuple[Any, tuple[int, ...], tuple[str, ...]]] = {
    "RNN": (layers.SimpleRNN, (0,), ("Tanh",)),
    "LSTM": (layers.LSTM, (0, 2, 3, 1), ("Sigmoid", "Tanh", "Tanh")),
    "GRU": (layers.GRU, (0, 1, 2), ("Sigmoid", "Tanh")),
}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


@dataclass(frozen=True)
class Function:
    """The function of a gate: ``kernel(factor * z + shift)``; there is no kernel for what no layer has."""

    name: str
    kernel: Any
    factor: float = 1.0
    shift: float = 0.0

    def is_other_than(self, function: Function) -> bool:
        """Whether no weights make this one of another: there are none in front of the function of a cell state."""
        return (self.kernel.kernel(), self.factor, self.shift) != (function.kernel.kernel(), 1, 0)


def hard_sigmoid(slope: float, middle: float) -> Function:
    """The line between 0 and 1 of this slope, by the one of a layer that needs no factor if there is one."""
    name = "HardSigmoid"
    for one, of_layer in ((1 / 6, activations.hard_sigmoid), (0.5, activations.sparse_sigmoid)):
        if math.isclose(slope, one, rel_tol=1e-6) and middle == 0.5:
            return Function(name, of_layer)
    return Function(name, activations.hard_sigmoid, 6 * slope, 6 * middle - 3)


# By the name in lower case: the numbers alpha and beta by default, and the function. There is no default where programs
# have different ones.
FUNCTIONS: dict[str, tuple[tuple[float | None, ...], Callable[..., Function]]] = {
    "relu": ((), lambda: Function("Relu", activations.relu)),
    "tanh": ((), lambda: Function("Tanh", activations.tanh)),
    "sigmoid": ((), lambda: Function("Sigmoid", activations.sigmoid)),
    "softsign": ((), lambda: Function("Softsign", activations.softsign)),
    "softplus": ((), lambda: Function("Softplus", activations.softplus)),
    "leakyrelu": ((0.01,), lambda a: Function("LeakyRelu", activations.leaky_relu.bind(a))),
    "thresholdedrelu": ((None,), lambda a: Function("ThresholdedRelu", activations.threshold.bind(a, 0.0))),
    "elu": ((1.0,), lambda a: Function("Elu", activations.elu.bind(a))),
    "affine": ((None, None), lambda a, b: Function("Affine", activations.linear, a, b)),
    "hardsigmoid": ((0.2, 0.5), hard_sigmoid),
    "scaledtanh": ((None, None), lambda a, b: Function("ScaledTanh", activations.tanh if a == 1 else None, b)),
}


@reads("RNN", "LSTM", "GRU", whole=(INPUTS.index("sequence_lens"),))
def recurrent(builder: Builder, node: Node) -> list[KerasTensor | None]:
    """A recurrent layer: the outputs of all steps (steps, directions, units), and the last states."""
    refuse_extras(builder, node)
    x = builder.tensor(node.inputs[0])
    if x.ndim != 3 or x.shape[-1] is None:
        raise UnreadableError(f"values of shape {x.shape} are no sequences")
    wanted = [name in builder.wanted for name in node.outputs]
    sequence, h, c = [*wanted, False, False, False][:3]
    # The output at the last step is h. It counts as a state only if there is another output.
    ways = ways_of(builder, node, int(x.shape[-1]))
    options = {"return_sequences": sequence, "return_state": (sequence and h) or c}
    states = initial_states(builder, node, x, ways)
    settings: dict[str, Any] = {}
    if (lengths := lengths_of(builder, node, x)) is not None:
        settings["mask"] = mask_of(builder, node, x, lengths)
        states = [without_empty(builder, node, state, lengths) for state in states]
        options["zero_output_for_mask"] = sequence
    else:
        x = builder.unmasked(node, x)
    settings |= {"initial_state": states} if states else {}
    merging = (
        merging_of(builder, node, 0 if sequence else 1) if len(ways) == 2 and not options["return_state"] else None
    )
    mode = "concat" if merging is None else MERGES[merging.operator]
    made = apply_ways(builder, node, x, ways, options, settings, mode)
    output, *last = made if isinstance(made, list | tuple) else [made]
    if merging is not None:
        put_merged(builder, merging, [output, *last])
        return [None] * len(node.outputs)
    per_way = 2 if node.operator == "LSTM" else 1
    units = ways[0].units
    found = [
        builder.reshaped(node, output, (x.shape[1], len(ways), units)) if sequence else None,
        (side_by_side(builder, node, last[::per_way]) if last else builder.reshaped(node, output, (len(ways), units)))
        if h
        else None,
        side_by_side(builder, node, last[1::per_way]) if c else None,
    ]
    return found[: len(node.outputs)]


def refuse_extras(builder: Builder, node: Node) -> None:
    """Refuse what no layer computes."""
    if node.attribute("clip") is not None:
        raise UnreadableError(f"it clips the arguments of functions (clip={node.attribute('clip'):g})")
    if node.attribute("input_forget"):
        raise UnreadableError("its input gate and its forget gate are coupled, by input_forget=1")
    peepholes = builder.optional(node, INPUTS.index("P"))
    if peepholes is not None and peepholes.any():
        raise UnreadableError("its gates read the cell state (peepholes, its input P)")


@dataclass(frozen=True)
class Way:
    """One direction of a recurrent layer."""

    layer: Any
    units: int
    options: dict[str, Any]
    weights: list[Array]


def ways_of(builder: Builder, node: Node, features: int) -> list[Way]:
    """One, or that from the first step and that from the last."""
    directions = {b"forward": 1, b"reverse": 1, b"bidirectional": 2}
    direction = node.attribute("direction") or b"forward"
    count = directions.get(direction, 0)
    kernels, recurrents, biases = (builder.optional(node, place) for place in (1, 2, 3))
    gates = len(KINDS[node.operator][1])
    if kernels is None or recurrents is None or recurrents.ndim != 3:
        raise UnreadableError("its weights are missing")
    units = recurrents.shape[-1]
    shapes = (count, gates * units, features), (count, gates * units, units), (count, 2 * gates * units)
    for name, array, shape in zip("WRB", (kernels, recurrents, biases), shapes, strict=True):
        if array is not None and (array.shape != shape or 0 in shape):
            raise UnreadableError(f"its input {name} has shape {array.shape}, not {shape}")
    if node.attribute("hidden_size") not in (None, units):
        raise UnreadableError(f"its weights are for {units} units, not {node.attribute('hidden_size')}")
    functions = functions_of(node, count)
    return [
        way_of(node, functions[way], kernels[way], recurrents[way], None if biases is None else biases[way])
        for way in range(count)
    ]


def functions_of(node: Node, count: int) -> list[list[Function]]:
    """The functions of each direction. Numbers belong to those functions, in order, that have any."""
    default = KINDS[node.operator][2]
    names = [name.decode(errors="replace") for name in node.attributes.get("activations", ())]
    names = names or [*default] * count
    if len(names) != len(default) * count:
        raise UnreadableError(f"it has {len(names)} activations, not {len(default) * count}")
    numbers = [iter(node.attribute(name) or ()) for name in ("activation_alpha", "activation_beta")]
    found = []
    for name in names:
        if name.lower() not in FUNCTIONS:
            raise UnreadableError(f"no layer has its function {name!r}")
        defaults, make = FUNCTIONS[name.lower()]
        given = [next(one, value) for one, value in zip(numbers, defaults, strict=False)]
        if None in given:
            raise UnreadableError(f"its function {name!r} has no alpha or beta, for which programs take different ones")
        found.append(make(*(float(str(np.float32(number))) for number in given)))
        if found[-1].kernel is None:
            raise UnreadableError(f"no layer has its function {name!r} with alpha and beta {given}")
    return [found[way * len(default) : (way + 1) * len(default)] for way in range(count)]


def way_of(node: Node, functions: list[Function], kernel: Array, recurrent: Array, bias: Array | None) -> Way:
    """A layer and its weights. Factors and shifts of functions go into the weights of their gates."""
    layer, order, _ = KINDS[node.operator]
    units = recurrent.shape[-1]
    outer = functions[-1] if node.operator == "RNN" else functions[1]
    if node.operator == "LSTM" and functions[2].is_other_than(outer):
        raise UnreadableError(
            f"the functions of its candidate and of its cell state differ, {[f.name for f in functions]}"
        )
    of_gate = [outer] if node.operator == "RNN" else [functions[0]] * (len(order) - 1) + [outer]
    if node.operator == "LSTM":
        of_gate = [functions[0], functions[0], outer, functions[0]]
    factors = np.repeat([function.factor for function in of_gate], units)
    shifts = np.repeat([function.shift for function in of_gate], units)

    def gates(array: Array) -> Array:
        """Its rows in the order of the layer."""
        return array.reshape(-1, units, *array.shape[1:])[list(order)].reshape(array.shape)

    options: dict[str, Any] = {"activation": outer.kernel, "use_bias": bias is not None or bool(shifts.any())}
    if node.operator != "RNN":
        options["recurrent_activation"] = functions[0].kernel
    both = np.zeros((2, kernel.shape[0])) if bias is None else bias.reshape(2, -1)
    biases = np.stack([gates(one) for one in both]) * factors + [shifts, 0 * shifts]
    if node.operator == "GRU":
        options["reset_after"] = bool(node.attribute("linear_before_reset"))
    if not options.get("reset_after"):
        biases = biases.sum(0)
    weights = [gates(kernel).T * factors, gates(recurrent).T * factors]
    return Way(layer, units, options, [*weights, *([biases] if options["use_bias"] else [])])


def apply_ways(
    builder: Builder,
    node: Node,
    x: KerasTensor,
    ways: list[Way],
    options: dict[str, Any],
    settings: Any,
    mode: str | None,
) -> Any:
    """Make the layer, and call it. Outputs of all steps stand in the order of the inputs."""
    first = ways[0]
    if len(ways) == 1:
        back = node.attribute("direction") == b"reverse"
        given = first.options | options | {"go_backwards": back}
        made = builder.apply(node, first.layer, x, first.units, weights=first.weights, settings=settings, **given)
        if not back or not options["return_sequences"]:
            return made
        turn = part_of(builder, node, made[0] if options["return_state"] else made, 1, slice(None, None, -1))
        return [turn, *made[1:]] if options["return_state"] else turn
    forward, backward = (
        way.layer(way.units, dtype=builder.dtype, go_backwards=back, **way.options, **options)
        for way, back in zip(ways, (False, True), strict=True)
    )
    same = ways[0].options == ways[1].options
    weights = [*ways[0].weights, *ways[1].weights]
    more: dict[str, Any] = {"merge_mode": mode} | ({} if same else {"backward_layer": backward})
    return builder.apply(node, layers.Bidirectional, x, forward, weights=weights, settings=settings, **more)


# Operators that put both directions together, and how a layer calls it.
MERGES = {"ReduceSum": "sum", "ReduceProd": "mul", "ReduceMean": "ave", "Split": None}


def merging_of(builder: Builder, node: Node, place: int) -> Node | None:
    """The node that puts both directions together, if nothing else reads them."""
    graph, name = builder.graph, node.outputs[place]
    readers = [one for one in graph.nodes if name in one.inputs]
    if len(readers) != 1 or name in builder.ends or readers[0].operator not in MERGES:
        return None
    reader, axis = readers[0], 2 - place
    if reader.operator == "Split":
        sizes = builder.optional(reader, 1)
        whole = len(reader.outputs) == 2 and (sizes is None or sizes.tolist() == [1, 1])
        return reader if whole and reader.attribute("axis") in (axis, axis - 4 + place) else None
    axes = builder.optional(reader, 1)
    same = axes is not None and axes.tolist() in ([axis], [axis - 4 + place])
    return reader if same and not reader.attribute("keepdims") else None


def put_merged(builder: Builder, merging: Node, outputs: list[KerasTensor]) -> None:
    """Note what the node that puts both directions together makes."""
    for name, output in zip(merging.outputs, outputs, strict=True):
        parts = merging.operator == "Split"
        shape = (*output.shape[1:-1], 1, output.shape[-1]) if parts else output.shape[1:]
        builder.tensors[name] = builder.reshaped(merging, output, shape)


def side_by_side(builder: Builder, node: Node, states: list[KerasTensor]) -> KerasTensor:
    """States of all directions as (directions, units)."""
    rows = [builder.reshaped(node, state, (1, state.shape[-1])) for state in states]
    return rows[0] if len(rows) == 1 else builder.apply(node, layers.Concatenate, rows, 1)


def initial_states(builder: Builder, node: Node, x: KerasTensor, ways: list[Way]) -> list[KerasTensor]:
    """The initial states, by directions; none if all are 0."""
    places = [INPUTS.index("initial_h"), *([INPUTS.index("initial_c")] if node.operator == "LSTM" else [])]
    names = [node.inputs[place] if place < len(node.inputs) else "" for place in places]
    units = ways[0].units
    found = [given_state(builder, node, name, len(ways), units) for name in names]
    if not any(isinstance(state, KerasTensor) or state.any() for state in found):
        return []
    return [one_state(builder, node, x, state, way) for way in range(len(ways)) for state in found]


def given_state(builder: Builder, node: Node, name: str, count: int, units: int) -> KerasTensor | Array:
    """States of all directions (directions, units): of each sample, or a constant."""
    if not name:
        return np.zeros((count, units))
    if not builder.graph.is_constant(name):
        state = builder.tensor(name)
        if state.shape[1:] != (count, units):
            raise UnreadableError(f"its input {name!r} has shape {state.shape}, not {(None, count, units)}")
        return state
    array = builder.graph.constants[name]
    samples_first = array.swapaxes(0, 0 if node.attribute("layout") else 1) if array.ndim == 3 else array[:0]
    if samples_first.shape[1:] != (count, units) or not (samples_first == samples_first[:1]).all():
        raise UnreadableError(
            f"its input {name!r} of shape {array.shape} does not hold the same states for each sample"
        )
    first: Array = samples_first[0]
    return first


def one_state(builder: Builder, node: Node, x: KerasTensor, state: KerasTensor | Array, way: int) -> KerasTensor:
    """The state of one direction (units,)."""
    if isinstance(state, KerasTensor):
        return builder.reshaped(node, part_of(builder, node, state, 1, slice(way, way + 1)), (state.shape[-1],))
    units = state.shape[-1]
    number = builder.apply(node, layers.GetItem, x, (slice(None), 0, slice(0, 1)))
    repeated = builder.apply(node, layers.RepeatVector, number, units)
    row = builder.reshaped(node, repeated, (units,))
    return builder.apply(node, layers.Rescaling, row, 0.0, state[way].astype(np.float64))
