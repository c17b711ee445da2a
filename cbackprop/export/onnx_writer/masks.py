"""Masks of values, which say which rows count: written where a layer reads them, and only there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cbackprop.export.onnx_writer.graph import Graph
from cbackprop.layers.concatenate import Concatenate
from cbackprop.layers.masks import Differs, rule_of
from cbackprop.layers.merging import Merge
from cbackprop.layers.unknown_sizes import SMALL, filled
from cbackprop.tensor import KerasTensor, Node, flatten

__all__ = ["Mask", "Value", "given_masks", "masks_of_outputs"]

Shape = tuple[int | None, ...]


class Mask:
    """Truth values, one for each row of a value.

    Parameters
    ----------
    graph : Graph
    scope : str
        The prefix of names.
    shape : tuple of (int or None)
        Of a sample.
    write : callable
        Adds the mask to the graph, and returns its name; ``None`` if all rows count.
    """

    def __init__(self, graph: Graph, scope: str, shape: Shape, write: Callable[[], str | None]) -> None:
        self.graph, self.scope, self.shape = graph, scope, shape
        self._write = write

    @functools.cached_property
    def name(self) -> str | None:
        """The name of the truth values in the graph; ``None`` if all rows count."""
        outside, self.graph.scope = self.graph.scope, self.scope
        try:
            return self._write()
        finally:
            self.graph.scope = outside

    def step(self, t: int) -> Mask:
        """The mask of the rows at a place of the first axis."""
        return Mask(self.graph, self.scope, self.shape[1:], functools.partial(self._part, t))

    def _part(self, t: int) -> str | None:
        if self.name is None:
            return None
        part = self.graph.add("Slice", self.name, np.array([t]), np.array([t + 1]), np.array([1]))
        return self.graph.add("Squeeze", part, np.array([1]))


class Value(NamedTuple):
    """A value of the graph: its name, and which of its rows count, if not all do."""

    name: str
    mask: Mask | None = None


def sample(tensor: KerasTensor) -> Shape:
    """The shape of a sample; ``None`` for sizes that are open."""
    return tuple(tensor.shape[1:])


def given_masks(graph: Graph, node: Node, sources: Sequence[Value]) -> list[Value]:
    """The inputs of a call, with the masks that the call was given in place of their own."""
    count = len(node.data)
    if count == len(node.inputs):
        return list(sources)
    given = iter(zip(sources[count:], node.inputs[count:], strict=True))
    found = list(sources[:count])
    for place, mask in enumerate(flatten(node.arguments.mask)[:count]):
        if mask is not None:
            value, tensor = next(given)
            write = functools.partial(differs, graph, value.name, 0.0, False)
            found[place] = Value(found[place].name, Mask(graph, f"{node.layer.name}/mask", sample(tensor), write))
    return found


def masks_of_outputs(graph: Graph, node: Node, sources: Sequence[Value]) -> list[Mask | None]:
    """For each output of a call its mask, as a plan decides it."""
    layer, outputs = node.layer, node.outputs
    mask = mask_of_call(graph, node, sources)
    if len(outputs) == 1 or mask is None:
        return [mask] * len(outputs)
    return [
        mask if tensor.shape[1:-1] == mask.shape and layer.output_has_mask(number) else None
        for number, tensor in enumerate(outputs)
    ]


def mask_of_call(graph: Graph, node: Node, sources: Sequence[Value]) -> Mask | None:
    """The mask of a call's first output: that of an input, one that is written, or none."""
    layer, masks = node.layer, [source.mask for source in sources]
    known = [mask for mask in masks if mask is not None]
    output = sample(node.outputs[0])
    made = functools.partial(Mask, graph, f"{layer.name}/mask", output[:-1])
    rules = ("mask_rule", "compute_mask")
    owner = next(cls for cls in type(layer).__mro__ if any(name in cls.__dict__ for name in rules))
    if known and owner is Concatenate:
        return made(functools.partial(side_by_side, graph, layer, sources, output))
    if known and owner is Merge:
        return made(functools.partial(any_of, graph, known, len(output) - 1)) if len(known) == len(masks) else None
    rule = rule_of(
        layer,
        [example(sample(tensor)) for tensor in node.data],
        [None if mask is None else example(mask.shape) for mask in masks],
        example(output),
    )
    if rule is None or isinstance(rule, int):
        return None if rule is None else masks[rule]
    if not isinstance(rule, Differs):
        return made(functools.partial(refuse, layer))
    of_rows = len(output) == len(sample(node.data[0]))  # else of numbers, which stand for rows
    return made(functools.partial(differs, graph, sources[0].name, rule.value, of_rows))


def example(shape: Shape) -> tuple[int, ...]:
    """The shape with sizes in place of those that are open."""
    found: tuple[int, ...] = filled((None, *shape), SMALL[0])[1:]
    return found


def refuse(layer: Any) -> None:
    """Raise the error for a mask that Python code makes."""
    raise ValueError(f"The mask of layer {layer.name!r} is computed in Python, and cannot be written to ONNX.")


def differs(graph: Graph, x: str, value: float, of_rows: bool) -> str:
    """Where numbers differ from a value, or any in a row does."""
    differ = graph.add("Not", graph.add("Equal", x, float(value)))
    if not of_rows:
        return differ
    most = graph.add("ReduceMax", graph.add("Cast", differ, to=graph.float_type), np.array([-1]), keepdims=0)
    return graph.add("Cast", most, to=int(graph.onnx.TensorProto.BOOL))


def any_of(graph: Graph, masks: Sequence[Mask], rank: int) -> str | None:
    """Where any of several masks is true, after broadcasting to `rank` axes of a sample."""
    names = []
    for mask in masks:
        if mask.name is None:
            return None
        missing = np.arange(1, rank - len(mask.shape) + 1)
        names.append(graph.add("Unsqueeze", mask.name, missing) if missing.size else mask.name)
    return functools.reduce(lambda a, b: graph.add("Or", a, b), dict.fromkeys(names))


def side_by_side(graph: Graph, layer: Any, sources: Sequence[Value], output: Shape) -> str | None:
    """The masks of concatenated values one after the other; along the last axis, where any of them says so."""
    axis, rank = layer.positive_axis(len(output) + 1), len(output)
    known = [source.mask for source in sources if source.mask is not None]
    if axis == rank:
        return any_of(graph, known, rank - 1) if len(known) == len(sources) else None
    names = [None if source.mask is None else source.mask.name for source in sources]
    parts = [
        everything(graph, source.name, rank) if name is None else name
        for source, name in zip(sources, names, strict=True)
    ]
    return graph.add("Concat", *parts, axis=axis)


def everything(graph: Graph, x: str, rank: int) -> str:
    """True for each row of a value."""
    rows = graph.add("Shape", x, end=rank)
    yes = graph.onnx.numpy_helper.from_array(np.ones(1, bool))
    return graph.add("ConstantOfShape", rows, value=yes)
