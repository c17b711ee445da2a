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
from cbackprop.layers.spatial import AxesLayer
from cbackprop.models import Model
from cbackprop.tensor import KerasTensor

__all__ = [
    "OPERATORS",
    "PATTERNS",
    "WHOLE_INPUTS",
    "Builder",
    "Pattern",
    "UnreadableError",
    "masks_of",
    "reads",
    "recognizes",
]

# Layers that only move numbers.
MOVES = (layers.Concatenate, layers.Permute, layers.RepeatVector)
# Layers that compute each element by itself, or from the elements at the same position of several inputs.
ON_ELEMENTS = (
    *(layers.Absolute, layers.Add, layers.Average, layers.Dropout, layers.Identity, layers.Maximum, layers.Minimum),
    *(layers.Multiply, layers.Power, layers.Rescaling, layers.Subtract, layers.TrueDivide),
)
# A sample with more numbers than this is refused: the file is damaged or malicious.
LARGEST_SAMPLE = 2**31 - 1


class UnreadableError(ValueError):
    """A node computes something that no layer computes."""


Reader = Callable[["Builder", Node], KerasTensor | list[KerasTensor] | list[KerasTensor | None]]
PatternReader = Callable[["Builder", Node, dict[str, Any]], KerasTensor]
Acceptance = Callable[[dict[str, Any]], bool]


class Pattern(NamedTuple):
    """A formula of several operators, a check of its variables, and the function that reads a match."""

    formula: Formula
    accept: Acceptance
    read: PatternReader


# The function that reads a node, by its operator.
OPERATORS: dict[str, Reader] = {}
# The positions of inputs that are masks, and of inputs that are whole numbers.
MASK_INPUTS: dict[str, Callable[[Node], Sequence[int]]] = {}
WHOLE_INPUTS: dict[str, Sequence[int]] = {}
PATTERNS: list[Pattern] = []


def reads(
    *operators: str, masks: Callable[[Node], Sequence[int]] = lambda node: (), whole: Sequence[int] = ()
) -> Callable[[Reader], Reader]:
    """Decorator: the function reads nodes with one of these operators.

    `masks` says at which positions a node has inputs that are masks. Inputs at the positions `whole` are whole numbers.
    """

    def enter(function: Reader) -> Reader:
        OPERATORS.update(dict.fromkeys(operators, function))
        MASK_INPUTS.update(dict.fromkeys(operators, masks))
        WHOLE_INPUTS.update(dict.fromkeys(operators, whole))
        return function

    return enter


def masks_of(node: Node) -> list[str]:
    """Those inputs of a node that are masks."""
    positions = MASK_INPUTS[node.operator](node) if node.operator in MASK_INPUTS else ()
    return [node.inputs[position] for position in positions if position < len(node.inputs)]


def recognizes(*texts: str, accept: Acceptance = lambda bound: True) -> Callable[[PatternReader], PatternReader]:
    """Decorator: the function reads nodes that match one of these formulas, if `accept` returns True.

    `accept` gets the same dict as the function: the variables by name, and as ``"sample"`` the shape of a sample of x.
    """

    def enter(function: PatternReader) -> PatternReader:
        PATTERNS.extend(Pattern(parse(text), accept, function) for text in texts)
        return function

    return enter


class Builder:
    """Makes layers of one float type, and keeps their outputs.

    Parameters
    ----------
    graph : ReadGraph
    dtype : {"float32", "float64"}
    names : sequence of str
        Names that layers must not get.
    read_graph : callable
        Makes a model of another graph (ModelProto): one within a node.

    Attributes
    ----------
    tensors : dict of str to KerasTensor
        The outputs of layers made so far, by the names of values in the graph.
    batch : int or None
        The number of samples that the graph fixes.
    wanted : set of str
        The values that something reads.
    ends : set of str
        The outputs that the model predicts.
    shared : dict of tuple to Layer
        Layers that can be called again, by the graph's constants that are their weights.
    masked : list of Layer
        Those that were called with a mask.
    """

    def __init__(self, graph: ReadGraph, dtype: str, names: Sequence[str], read_graph: Callable[[Any], Model]) -> None:
        self.graph, self.dtype, self.read_graph = graph, dtype, read_graph
        self.tensors: dict[str, KerasTensor] = {}
        self.batch: int | None = None
        self.wanted: set[str] = set()
        self.ends: set[str] = set()
        self.shared: dict[tuple[int, ...], Layer] = {}
        self.masked: list[Layer] = []
        self._names = set(names)
        self._makes_masks = False
        self._permutes: dict[str, Layer] = {}
        self._permuted: dict[tuple[int, tuple[int, ...]], KerasTensor] = {}

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
        if front in self._permutes:  # a Permute made for this operator has the name; the layer itself gets it
            self._permutes.pop(front).name = self.unique(f"{front}/Transpose")
            return front
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

    def permuted(self, node: Node, x: KerasTensor, dims: tuple[int, ...]) -> KerasTensor:
        """A value with its axes in another order. Consecutive Permutes become one, or none."""
        before = dims_before(x)
        if before is not None:
            assert x.node is not None
            (x,), dims = x.node.inputs, tuple(before[axis - 1] for axis in dims)
        if dims == tuple(sorted(dims)):
            return x
        key = id(x), dims
        if key not in self._permuted:
            self._permuted[key] = self._made(node, layers.Permute, x, dims)
            made = self._permuted[key].node
            assert made is not None
            self._permutes[made.layer.name] = made.layer
        return self._permuted[key]

    def reshaped(self, node: Node, x: KerasTensor, shape: Sequence[int | None]) -> KerasTensor:
        """A value whose samples have another shape. One size may be open.

        Consecutive Reshapes become one, or none.
        """
        sizes = [None if size == -1 else size for size in shape]
        if sizes.count(None) > 1:
            raise UnreadableError(f"more than one size of its result {tuple(sizes)} is open")
        if None in sizes and None not in x.shape[1:]:
            rest = math.prod(size for size in sizes if size is not None)
            sizes[sizes.index(None)] = math.prod(sample_shape(x)) // max(rest, 1)
        if x.node is not None and isinstance(x.node.layer, layers.Reshape):
            (x,) = x.node.inputs
        if tuple(sizes) == x.shape[1:]:
            return x
        return self.apply(node, layers.Reshape, x, tuple(-1 if size is None else size for size in sizes))

    def unmasked(self, node: Node, x: KerasTensor) -> KerasTensor:
        """A value without a mask, for operators that see all of it: a Reshape ends masks, if there are any."""
        if not self._makes_masks or x.node is None or x.node.layer.n_inputs == 0:
            return x
        return self.apply(node, layers.Reshape, x, tuple(-1 if size is None else size for size in x.shape[1:]))

    def apply(
        self,
        node: Node,
        layer: type[Layer],
        inputs: Any,
        *arguments: Any,
        weights: Any = None,
        settings: Any = None,
        **options: Any,
    ) -> Any:
        """Make a layer with these arguments, call it with these settings, and set its weights. Returns its outputs.

        If its input comes from a Permute, and the order makes no difference, the layer is put before the Permute. So
        Permutes come to follow each other, and cancel.
        """
        tensors = inputs if isinstance(inputs, list) else [inputs]
        dims = dims_before(tensors[0])
        if dims is not None and all(dims_before(tensor) == dims for tensor in tensors):
            changed = in_front_of(dims, layer, arguments, options)
            if changed is not None:
                sources = [tensor.node.inputs[0] for tensor in tensors if tensor.node is not None]
                arguments, options = changed
                source = sources if isinstance(inputs, list) else sources[0]
                y = self._made(node, layer, source, *arguments, weights=weights, settings=settings, **options)
                return self.permuted(node, y, dims) if y.ndim == len(dims) + 1 else y
        return self._made(node, layer, inputs, *arguments, weights=weights, settings=settings, **options)

    def _made(
        self,
        node: Node,
        layer: type[Layer],
        inputs: Any,
        *arguments: Any,
        weights: Any = None,
        settings: Any = None,
        **options: Any,
    ) -> Any:
        made = layer(*arguments, name=self._name_for(node.name[:200]), dtype=self.dtype, **options)
        if "mask" in (settings or {}):
            self.masked.append(made)
        self._makes_masks = bool(self._makes_masks or self.masked or layer is layers.Masking)
        output: Any = made(inputs, **(settings or {}))
        for one in output if isinstance(output, list | tuple) else [output]:
            if math.prod(size or 1 for size in one.shape) > LARGEST_SAMPLE:
                raise UnreadableError(f"samples of shape {one.shape[1:]} are too large")
        if weights is not None and not all(np.isfinite(np.asarray(weight, np.float64)).all() for weight in weights):
            raise UnreadableError("its constants are not finite")
        if weights is not None:
            made.set_weights([np.asarray(weight) for weight in weights])
        return output


def dims_before(tensor: KerasTensor) -> tuple[int, ...] | None:
    """The order in which a Permute puts the axes of a value; ``None`` if no Permute makes it."""
    layer = None if tensor.node is None else tensor.node.layer
    return tuple(layer.dims) if isinstance(layer, layers.Permute) else None


def in_front_of(
    dims: tuple[int, ...], layer: type[Layer], arguments: Any, options: Any
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments with which a layer computes the same before a Permute as with the given ones after it.

    ``None`` if it cannot, or if the Permute is needed anyway.
    """
    if layer in ON_ELEMENTS and not any(map(np.ndim, (*arguments, *options.values()))):
        return arguments, options
    if layer is layers.Activation and not options and arguments[0].kernel().axis is None:
        return arguments, options
    if layer in (layers.BatchNormalization, layers.GroupNormalization) and isinstance(options.get("axis"), int):
        return arguments, options | {"axis": dims[options["axis"] - 1]}
    if layer is layers.Concatenate and len(arguments) == 1:
        return (dims[arguments[0] - 1],), options
    if dims == (len(dims), *range(1, len(dims))) and issubclass(layer, AxesLayer):
        moved = tuple("channels_last" if one == "channels_first" else one for one in arguments)
        named = {name: "channels_last" if one == "channels_first" else one for name, one in options.items()}
        return (moved, named) if (moved, named) != (arguments, options) else None
    return None


def sample_shape(tensor: KerasTensor) -> tuple[int, ...]:
    """The shape of one sample.

    Raises
    ------
    UnreadableError
        If the graph leaves a size open.
    """
    if None in tensor.shape[1:]:
        raise UnreadableError(f"it is read only for inputs of one size, and not of shape {tensor.shape}")
    return tuple(int(size) for size in tensor.shape[1:] if size is not None)


def length_of(tensor: KerasTensor, axis: int) -> int:
    """The size of an axis.

    Raises
    ------
    UnreadableError
        If the graph leaves it open.
    """
    size = tensor.shape[axis]
    if size is None:
        raise UnreadableError(
            f"axis {axis} of a value of shape {tensor.shape} is open, and it is read only for one size"
        )
    return int(size)


def is_data(tensor: KerasTensor) -> bool:
    """Whether a value holds input data unchanged. Input data is checked before a model runs."""
    if tensor.node is None or tensor.node.layer.n_inputs == 0:
        return True
    moves = tensor.node.layer.is_view or isinstance(tensor.node.layer, MOVES)
    return moves and all(is_data(source) for source in tensor.node.inputs)


def fitting(array: Array, tensor: KerasTensor) -> Array:
    """A constant without a batch axis, in a shape that broadcasts to samples.

    Raises
    ------
    UnreadableError
        If it would change the shape of the samples.
    """
    shape = tensor.shape[1:]
    own = array[0] if array.ndim == len(shape) + 1 and array.shape[0] == 1 else array
    pairs = zip(own.shape[::-1], shape[::-1], strict=False)
    fits = own.ndim <= len(shape) and all(size in (1, whole) for size, whole in pairs)
    if not fits:
        raise UnreadableError(f"a constant of shape {array.shape} does not fit values of shape {tensor.shape}")
    return own


def positive(axis: int, rank: int) -> int:
    """An axis of a sample, counted from the front; the batch is 0.

    Raises
    ------
    UnreadableError
        If it is the batch axis or does not exist.
    """
    found = axis + rank if axis < 0 else axis
    if not 1 <= found < rank:
        raise UnreadableError(f"axis {axis} is not an axis of the samples, which have {rank - 1} axes")
    return found
