"""Read the operator Scan where this library has written it for a recurrent layer: `onnx_writer.loops`.

The file says which layer that is. It is believed only if the layer, written again, gives the same graph.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cbackprop import activations, layers
from cbackprop.activations.function import ActivationFunction
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, reads
from cbackprop.export.onnx_reader.graph import Array, Node
from cbackprop.export.onnx_reader.parts import part_of
from cbackprop.export.onnx_reader.time_steps import time_distributed
from cbackprop.export.onnx_reader.visibility import one_mask
from cbackprop.export.onnx_writer.graph import Graph
from cbackprop.export.onnx_writer.loops import Way, body_of
from cbackprop.export.onnx_writer.recurrent import step_of
from cbackprop.export.onnx_writer.time_steps import EACH_STEP
from cbackprop.layers import Layer
from cbackprop.tensor import KerasTensor

# For the class of each cell the layers that have it, by the number of axes of an input at one time step; then how many
# states there are, and how many gates.
CELLS: dict[str, tuple[dict[int, type[Layer]], int, int]] = {
    "SimpleRNNCell": ({1: layers.SimpleRNN}, 1, 1),
    "LSTMCell": ({1: layers.LSTM}, 2, 4),
    "GRUCell": ({1: layers.GRU}, 1, 3),
    "ConvLSTMCell": ({2: layers.ConvLSTM1D, 3: layers.ConvLSTM2D, 4: layers.ConvLSTM3D}, 2, 4),
}
FUNCTIONS = ("activation", "recurrent_activation")
ARGUMENTS = ("kernel_size", "strides", "padding", "dilation_rate", "use_bias", "reset_after", "zero_output_for_mask")


class OtherLoopError(UnreadableError):
    """The loop is not one that the writer makes."""

    def __init__(self) -> None:
        super().__init__("it is no loop that this library has written for a recurrent layer")


@dataclass(frozen=True)
class Loop:
    """What a loop is.

    Attributes
    ----------
    layer : class
    arguments : dict
        Of the layer, but for those that say what it returns.
    n_states : int
    masked, remembers : bool
        Whether there is a mask, and whether the output before is remembered beside the states.
    way : Way
    """

    layer: type[Layer]
    arguments: dict[str, Any]
    n_states: int
    masked: bool
    remembers: bool
    way: Way

    @property
    def arguments_of_layer(self) -> dict[str, Any]:
        """All arguments but `return_state`."""
        way = {"return_sequences": self.way.returns_sequences, "go_backwards": self.way.go_backwards}
        return self.arguments | way


def mask_position(node: Node) -> list[int]:
    """The mask is behind the sequences."""
    return [len(node.inputs) - 1] if node.attribute("num_scan_inputs") == 2 else []


@reads("Scan", masks=mask_position)
def scan(builder: Builder, node: Node) -> list[KerasTensor | None]:
    """A recurrent layer, with a mask if there is one: its states, and its output. Or a layer for each time step."""
    if node.attribute("body").doc_string == EACH_STEP:
        return time_distributed(builder, node)
    masked = len(mask_position(node))
    x = builder.tensor(node.inputs[-1 - masked])
    loop = loop_of(node, tuple(x.shape[2:]))
    weights = weights_of(builder, node, loop)
    count, sequences = loop.n_states, loop.way.returns_sequences
    wanted = [name in builder.wanted for name in node.outputs]
    if sequences and loop.remembers and wanted[count]:
        raise OtherLoopError
    own = not sequences and not loop.remembers  # the last output is the state h
    options = loop.arguments_of_layer | {"return_state": any(wanted[own:count])}
    settings: dict[str, Any] = {}
    if masked:
        settings["mask"] = one_mask(builder, node, node.inputs[-1], "steps")
    else:
        x = builder.unmasked(node, x)
    settings |= first_states(builder, node, loop)
    made = builder.apply(node, loop.layer, x, weights=weights, settings=settings, **options)
    output, *states = made if options["return_state"] else [made, *[None] * count]
    if loop.way.turned and sequences:
        output = part_of(builder, node, output, 1, slice(None, None, -1))
    if own:
        return [output, *states[1:]]
    return [*states, *([None] if sequences and loop.remembers else []), output]


def loop_of(node: Node, shape: tuple[int | None, ...]) -> Loop:
    """The layer of a loop, from the description in its file. `shape` is the shape of an input at one time step."""
    body, masked = node.attribute("body"), bool(mask_position(node))
    about = described(body.doc_string)
    by_rank, n_states, _ = CELLS[about["cell"]]
    dims = [dim.dim_value for dim in body.input[0].type.tensor_type.shape.dim][1:] if body.input else []
    remembers = len(node.inputs) - n_states - 1 - masked
    sequences = len(node.outputs) - n_states - remembers
    if len(shape) not in by_rank or len(dims) != len(shape) or None in shape or min(dims) < 1:
        raise OtherLoopError
    if remembers not in (0, 1) or sequences not in (0, 1):
        raise OtherLoopError
    arguments = {name: about[name] for name in ARGUMENTS if name in about}
    arguments |= {name: function_of(about[name]) for name in FUNCTIONS if name in about}
    arguments["filters" if "kernel_size" in about else "units"] = dims[-1]
    if len(shape) > 1:
        arguments["data_format"] = "channels_last"
    back, turned = directions_of(node, 1 + masked, sequences)
    sizes = tuple(int(size or 0) for size in shape)
    zero_output = about.get("zero_output_for_mask") is True
    way = Way(sizes, tuple(dims), back, turned, zero_output, bool(sequences))
    return Loop(by_rank[len(shape)], arguments, n_states, masked, bool(remembers), way)


def described(text: str) -> dict[str, Any]:
    """What a file says of a cell."""
    try:
        about = json.loads(text)
    except ValueError:
        raise OtherLoopError from None
    if not isinstance(about, dict) or about.get("cell") not in CELLS:
        raise OtherLoopError
    return about


def function_of(config: Any) -> ActivationFunction[...]:
    """An activation of this library by its config. Nothing else is made of it: files are not trusted."""
    config = {"class_name": config} if isinstance(config, str) else config
    name, arguments = (config.get("class_name"), config.get("config", {})) if isinstance(config, dict) else (None, {})
    found = dict(activations.registry).get(name) if isinstance(name, str) else None
    if not isinstance(found, ActivationFunction) or not isinstance(arguments, dict):
        raise OtherLoopError
    return found.from_config(arguments)


def directions_of(node: Node, inputs: int, outputs: int) -> tuple[bool, bool]:
    """Whether sequences are gone through backwards, and whether outputs stand in the opposite order."""
    axes = [node.attribute(f"scan_{kind}_axes") or [] for kind in ("input", "output")]
    ways = [node.attribute(f"scan_{kind}_directions") or [] for kind in ("input", "output")]
    if axes != [[1] * inputs, [1] * outputs] or [len(way) for way in ways] != [inputs, outputs]:
        raise OtherLoopError
    if len(set(ways[0])) > 1:
        raise OtherLoopError
    return bool(ways[0][0]), ways[1] == [1]


# States to begin with


def first_states(builder: Builder, node: Node, loop: Loop) -> dict[str, Any]:
    """The setting of a call for its initial states, if they are not 0."""
    names = node.inputs[: loop.n_states]
    given = [name for name in names if not is_zero(builder, name)]
    if loop.remembers and not is_zero(builder, node.inputs[loop.n_states]):
        raise OtherLoopError
    if not given:
        return {}
    if len(given) < len(names):
        raise UnreadableError("some of its states begin with 0, and others do not")
    return {"initial_state": [builder.tensor(name) for name in names]}


def is_zero(builder: Builder, name: str) -> bool:
    """Whether a value is a constant of zeros."""
    return builder.graph.is_constant(name) and not builder.graph.constants[name].any()


# Weights


def weights_of(builder: Builder, node: Node, loop: Loop) -> list[Array]:
    """The weights of the layer.

    Raises
    ------
    UnreadableError
        If the layer is another one than the file says.
    """
    package, body, graph = builder.graph.package, node.attribute("body"), builder.graph
    refuse_large(builder, body, loop)
    make: Any = loop.layer
    layer = make(dtype=builder.dtype, kernel_initializer="zeros", recurrent_initializer="zeros", **loop.arguments)
    layer.build((None, 1, *loop.way.shape))
    if layer.cell.state_shapes(loop.way.shape)[0] != loop.way.state_shape:
        raise OtherLoopError
    again = Graph(package, builder.dtype, [])
    step = functools.partial(step_of(layer.cell), again, layer.cell, shape=loop.way.shape)
    expected = body_of(again, step, loop.n_states, loop.masked, loop.remembers, loop.way)
    constants = {tensor.name: package.numpy_helper.to_array(tensor) for tensor in again.constants}
    found: dict[Any, Array] = {variable: variable.numpy().copy() for variable in layer.variables}
    for mine, name in paired(expected, body, set(constants)).items():
        array = graph.constants.get(name)
        if array is None or array.shape != constants[mine].shape or array.dtype != constants[mine].dtype:
            raise OtherLoopError
        if mine in again.weights:
            again.weights[mine].of(found[again.weights[mine].variable])[...] = array
        elif not np.array_equal(array, constants[mine]):
            raise OtherLoopError
    return [found[variable] for variable in layer.variables]


def refuse_large(builder: Builder, body: Any, loop: Loop) -> None:
    """Refuse a layer with more weights than the file has."""
    constants = builder.graph.constants
    held = sum(constants[name].size for name in {name for one in body.node for name in one.input} if name in constants)
    gates = next(gates for by_rank, _, gates in CELLS.values() if loop.layer in by_rank.values())
    sizes = loop.arguments.get("kernel_size", [1])
    numbers = [*sizes] if isinstance(sizes, list) else [sizes]
    if not all(type(size) is int for size in numbers):
        raise OtherLoopError
    units = loop.way.state_shape[-1]
    if gates * units * (loop.way.shape[-1] + units) * math.prod(numbers) > held:
        raise OtherLoopError


def paired(expected: Any, body: Any, constants: set[str]) -> dict[str, str]:
    """For each constant of a graph, its name in another one, which has the same nodes in the same order."""
    if [len(expected.input), len(expected.output), len(expected.node)] != [
        len(body.input),
        len(body.output),
        len(body.node),
    ]:
        raise OtherLoopError
    names = {mine.name: other.name for mine, other in zip(expected.input, body.input, strict=True)}
    found: dict[str, str] = {}
    for mine, other in zip(expected.node, body.node, strict=True):
        if form_of(mine) != form_of(other):
            raise OtherLoopError
        for a, b in zip(mine.input, other.input, strict=True):
            known = found if a in constants else names
            if known.setdefault(a, b) != b:
                raise OtherLoopError
        names |= zip(mine.output, other.output, strict=True)
    if [names[one.name] for one in expected.output] != [one.name for one in body.output]:
        raise OtherLoopError
    return found


def form_of(node: Any) -> tuple[Any, ...]:
    """What a node is, without names."""
    attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
    return node.op_type, node.domain, len(node.input), len(node.output), attributes
