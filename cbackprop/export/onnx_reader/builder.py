"""Make layers from the nodes of a graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import Formula, parse
from cbackprop.export.onnx_reader.graph import Array, Node, ReadGraph
from cbackprop.layers import Layer
from cbackprop.tensor import KerasTensor

__all__ = ["OPERATORS", "PATTERNS", "Builder", "Pattern", "UnreadableError", "reads", "recognizes"]

# Layers that only move numbers.
MOVES = (layers.Concatenate, layers.Permute, layers.RepeatVector)
# A sample with more numbers than this is refused: the file is damaged or malicious.
LARGEST_SAMPLE = 2**31 - 1


class UnreadableError(ValueError):
    """No layer computes what a node computes."""


Reader = Callable[["Builder", Node], KerasTensor | list[KerasTensor]]
PatternReader = Callable[["Builder", Node, dict[str, Any]], KerasTensor]
Acceptance = Callable[[dict[str, Any]], bool]


class Pattern(NamedTuple):
    """A formula of several operators, a check of its variables, and the function that reads a match."""

    formula: Formula
    accept: Acceptance
    read: PatternReader


# The functions that read nodes, by operator.
OPERATORS: dict[str, Reader] = {}
PATTERNS: list[Pattern] = []


def reads(*operators: str) -> Callable[[Reader], Reader]:
    """Decorator: the function reads nodes with one of these operators."""

    def enter(function: Reader) -> Reader:
        OPERATORS.update(dict.fromkeys(operators, function))
        return function

    return enter


def recognizes(*texts: str, accept: Acceptance = lambda bound: True) -> Callable[[PatternReader], PatternReader]:
    """Decorator: the function reads nodes that match one of these formulas, if `accept` returns True.

    `accept` gets the same dict as the function: the variables by name, and as ``"sample"`` the shape of a sample of x.
    """

    def enter(function: PatternReader) -> PatternReader:
        PATTERNS.extend(Pattern(parse(text), accept, function) for text in texts)
        return function

    return enter


class Builder:
    """Makes layers of a float type, and keeps the tensors made so far.

    Parameters
    ----------
    graph : ReadGraph
    dtype : {"float32", "float64"}
    names : sequence of str
        Names that layers must not get.

    Attributes
    ----------
    tensors : dict of str to KerasTensor
        By the names of values in the graph.
    batch : int or None
        The number of samples that the graph fixes.
    """

    def __init__(self, graph: ReadGraph, dtype: str, names: Sequence[str]) -> None:
        self.graph, self.dtype = graph, dtype
        self.tensors: dict[str, KerasTensor] = {}
        self.batch: int | None = None
        self._names = set(names)

    def unique(self, name: str) -> str:
        """`name`, with a number appended if it is taken."""
        found, number = name, 1
        while found in self._names:
            found, number = f"{name}_{number}", number + 1
        self._names.add(found)
        return found

    def _name_for(self, name: str) -> str:
        """``"dense"`` for a node ``"dense/Gemm"``; the whole name if ``"dense"`` is taken."""
        front = name.rpartition("/")[0].strip("/")
        return self.unique(front if front and front not in self._names else name)

    def tensor(self, name: str) -> KerasTensor:
        """A value that depends on the inputs.

        Raises
        ------
        UnreadableError
            If it does not depend on the inputs.
        """
        if name not in self.tensors:
            raise UnreadableError(self.graph.why_unknown(name))
        return self.tensors[name]

    def optional(self, node: Node, position: int) -> Array | None:
        """A constant input; ``None`` if it is left out.

        Raises
        ------
        UnreadableError
            If it is not a constant.
        """
        name = node.inputs[position] if position < len(node.inputs) else ""
        if not name:
            return None
        if not self.graph.is_constant(name):
            known = name in self.tensors
            raise UnreadableError(f"its input {name!r} is not constant" if known else self.graph.why_unknown(name))
        return self.graph.constants[name]

    def constant(self, node: Node, position: int) -> Array:
        """A constant input that must not be left out."""
        array = self.optional(node, position)
        if array is None:
            raise UnreadableError(f"its input {position} is missing")
        return array

    def apply(
        self, node: Node, layer: type[Layer], inputs: Any, *arguments: Any, weights: Any = None, **options: Any
    ) -> KerasTensor:
        """Make a layer with these arguments, call it, and set its weights."""
        made = layer(*arguments, name=self._name_for(node.name[:200]), dtype=self.dtype, **options)
        output: KerasTensor = made(inputs)
        if math.prod(size or 1 for size in output.shape) > LARGEST_SAMPLE:
            raise UnreadableError(f"samples of shape {output.shape[1:]} are too large")
        if weights is not None and not all(np.isfinite(np.asarray(weight, np.float64)).all() for weight in weights):
            raise UnreadableError("its constants are not finite")
        if weights is not None:
            made.set_weights([np.asarray(weight) for weight in weights])
        return output


def sample_shape(tensor: KerasTensor) -> tuple[int, ...]:
    """The shape of one sample."""
    return tuple(int(size) for size in tensor.shape[1:] if size is not None)


def is_data(tensor: KerasTensor) -> bool:
    """Whether a value contains unchanged numbers of the inputs, which are checked before a model runs."""
    if tensor.node is None or tensor.node.layer.n_inputs == 0:
        return True
    moves = tensor.node.layer.is_view or isinstance(tensor.node.layer, MOVES)
    return moves and all(is_data(source) for source in tensor.node.inputs)


def fitting(array: Array, tensor: KerasTensor) -> Array:
    """A constant in the form that broadcasts to samples, without a batch axis.

    Raises
    ------
    UnreadableError
        If it would change their shape.
    """
    shape = sample_shape(tensor)
    own = array[0] if array.ndim == len(shape) + 1 and array.shape[0] == 1 else array
    try:
        fits = np.broadcast_shapes(own.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise UnreadableError(f"a constant of shape {array.shape} does not fit values of shape {tensor.shape}")
    return own


def positive(axis: int, rank: int) -> int:
    """An axis of a sample as a positive number; the batch is 0.

    Raises
    ------
    UnreadableError
        If it is the batch axis or does not exist.
    """
    found = axis + rank if axis < 0 else axis
    if not 1 <= found < rank:
        raise UnreadableError(f"axis {axis} is not an axis of the samples, which have {rank - 1}")
    return found
