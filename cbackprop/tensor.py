"""Symbolic tensors, and the calls of layers that connect them into a graph."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cbackprop.registry import Registry

if TYPE_CHECKING:
    from cbackprop.layers.layer import Layer

__all__ = ["KerasTensor", "Node", "Shape", "flatten", "is_symbolic", "map_structure"]

# The shape of a batch: (None, ...); the shape of a sample is what follows the None.
Shape = tuple[int | None, ...]


class KerasTensor:
    """A value of a network that is being described: a shape and a dtype, no numbers yet.

    Attributes
    ----------
    shape : tuple
        ``(None, ...)``: the batch size comes with the data.
    dtype : str
    name : str
    node : Node
        The call of a layer that makes it.
    """

    def __init__(self, shape: Sequence[int | None], dtype: str, name: str, node: Node | None = None) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype = dtype
        self.name = name
        self.node = node

    @property
    def ndim(self) -> int:
        """Number of axes, the batch included."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"{self!r} is symbolic: it has no values. Make a Model of its inputs and outputs, and call that on arrays."
        )

    def _merge(self, other: Any, layer: str) -> Any:
        if not isinstance(other, KerasTensor):
            raise TypeError(
                f"{self!r} can only be combined with numbers and other symbolic tensors, but got {other!r}."
            )
        return Registry.families["layers"].find(layer)()([self, other])

    def _rescale(self, scale: float, offset: float = 0.0) -> Any:
        return Registry.families["layers"].find("Rescaling")(scale, offset)(self)

    def __add__(self, other: Any) -> Any:
        return self._rescale(1.0, other) if _is_number(other) else self._merge(other, "Add")

    def __sub__(self, other: Any) -> Any:
        return self._rescale(1.0, -other) if _is_number(other) else self._merge(other, "Subtract")

    def __mul__(self, other: Any) -> Any:
        return self._rescale(other) if _is_number(other) else self._merge(other, "Multiply")

    def __truediv__(self, other: Any) -> Any:
        if not _is_number(other) or other == 0:
            raise TypeError(f"{self!r} can only be divided by numbers other than 0, but got {other!r}.")
        return self._rescale(1 / other)

    def __neg__(self) -> Any:
        return self._rescale(-1.0)

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> Any:
        raise TypeError(
            f"{self!r} is symbolic, and has no parts. Take them in a layers.Lambda(lambda x: x[...], backward=...)."
        )

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} is symbolic: it is neither true nor false.")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


class Node:
    """One call of a layer on symbolic tensors.

    Attributes
    ----------
    layer : Layer
    inputs : tuple of KerasTensor
    outputs : tuple of KerasTensor
    training : bool or None
        As the call fixed it; ``None`` leaves it to the run.
    graph : Graph or None
        For a call of a model: its graph, as it was then.
    """

    def __init__(
        self,
        layer: Layer,
        inputs: Sequence[KerasTensor],
        outputs: Sequence[KerasTensor],
        training: bool | None = None,
        graph: Any = None,
    ) -> None:
        self.layer = layer
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.training = training
        self.graph = graph
        for tensor in outputs:
            tensor.node = self


def is_symbolic(structure: Any) -> bool:
    """Whether any leaf of nested lists, tuples and dicts is a symbolic tensor."""
    return any(isinstance(leaf, KerasTensor) for leaf in flatten(structure))


def flatten(structure: Any) -> list[Any]:
    """Leaves of nested lists, tuples and dicts, in order (dicts in the order of their sorted keys).

    A list of numbers is one leaf.
    """
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in flatten(structure[key])]
    if isinstance(structure, (list, tuple)) and _is_structure(structure):
        return [leaf for item in structure for leaf in flatten(item)]
    return [structure]


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The same nesting with `function` applied to every leaf, called in the order of `flatten`."""
    if isinstance(structure, dict):
        mapped = {key: map_structure(function, structure[key]) for key in sorted(structure)}
        return {key: mapped[key] for key in structure}
    if isinstance(structure, (list, tuple)) and _is_structure(structure):
        return type(structure)([map_structure(function, item) for item in structure])
    return function(structure)


def _is_structure(items: Sequence[Any]) -> bool:
    """Whether a list holds arrays or tensors, and is not an array written as a list of numbers."""
    return len(items) > 0 and all(
        isinstance(item, (KerasTensor, dict)) or (hasattr(item, "__array__") and np.ndim(item) > 0)
        if not isinstance(item, (list, tuple))
        else _is_structure(item)
        for item in items
    )
