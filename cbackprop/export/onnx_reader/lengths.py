"""Read the lengths of sequences, which recurrent operators have, as a mask of their first time steps."""

from __future__ import annotations

import numpy as np

from cbackprop import activations, layers
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.tensor import KerasTensor

__all__ = ["lengths_of", "mask_of", "without_empty"]

# The place of the lengths among the inputs of a recurrent operator.
PLACE = 4


def lengths_of(builder: Builder, node: Node, x: KerasTensor) -> KerasTensor | None:
    """The length of each sequence (1,); ``None`` if they are whole.

    Raises
    ------
    UnreadableError
        If the file fixes other lengths.
    """
    graph, steps = builder.graph, x.shape[1]
    name = node.inputs[PLACE] if len(node.inputs) > PLACE else ""
    if not name or (graph.is_constant(name) and (graph.constants[name] == steps).all()):
        return None
    if graph.is_constant(name):
        raise UnreadableError(f"sequences have other lengths than the whole, by sequence_lens, its constant {name!r}")
    lengths = builder.tensor(name)
    if lengths.ndim != 1:
        raise UnreadableError(f"its input {name!r} of shape {lengths.shape} has not one length for each sequence")
    return builder.reshaped(node, lengths, (1,))


def mask_of(builder: Builder, node: Node, x: KerasTensor, lengths: KerasTensor) -> KerasTensor:
    """1 for each time step before the length, else 0: ``min(max(length - t, 0), 1)`` at step t from 0 on."""
    steps = x.shape[1]
    if steps is None:
        remaining = builder.apply(
            node, layers.Subtract, [builder.reshaped(node, lengths, (1, 1)), counted(builder, node, x)]
        )
        remaining = builder.reshaped(node, builder.apply(node, layers.Rescaling, remaining, 1.0, 1.0), (None,))
    else:
        repeated = builder.apply(node, layers.RepeatVector, lengths, steps)
        remaining = builder.apply(
            node, layers.Rescaling, builder.reshaped(node, repeated, (steps,)), 1.0, -np.arange(float(steps))
        )
    return limited(builder, node, remaining)


def counted(builder: Builder, node: Node, x: KerasTensor) -> KerasTensor:
    """The number of each time step, from 1 on, of sequences of any length (steps, 1): h = h + 1."""
    weights = [np.zeros((int(x.shape[-1] or 0), 1)), np.ones((1, 1)), np.ones(1)]
    options = {"activation": activations.linear, "return_sequences": True, "trainable": False}
    x = builder.unmasked(node, x)
    made: KerasTensor = builder.apply(node, layers.SimpleRNN, x, 1, weights=weights, **options)
    return made


def limited(builder: Builder, node: Node, x: KerasTensor) -> KerasTensor:
    """Numbers limited to 0 and 1."""
    made: KerasTensor = builder.apply(node, layers.Activation, x, activations.relu.bind(max_value=1.0))
    return made


def without_empty(builder: Builder, node: Node, state: KerasTensor, lengths: KerasTensor) -> KerasTensor:
    """A state to begin with; for a sequence of length 0 it is 0, as ONNX Runtime has it at the end of that."""
    made: KerasTensor = builder.apply(node, layers.Multiply, [state, limited(builder, node, lengths)])
    return made
