"""The parts of a plan: steps, the calls of layers that they belong to, and penalties on layers' outputs."""

from __future__ import annotations

from typing import Any, NamedTuple

from cbackprop.layers.layer import Layer, NothingComputedError, registry
from cbackprop.layers.operation import Operation
from cbackprop.tensor import KerasTensor

__all__ = ["Activity", "Call", "SampleShape", "Step", "implementation_of", "sample_shape"]

SampleShape = tuple[int, ...]


class Call(NamedTuple):
    """One use of a layer or of a nested model: the layer, and how many uses of it came before."""

    layer: Layer
    number: int


class Step(NamedTuple):
    """One computation: a layer reads buffers and writes one.

    If `output` is the same buffer as the only input, the step works in place. Shapes are those of one sample. `within`
    has the calls that the step is a part of, from the outermost on.
    """

    layer: Operation
    inputs: tuple[int, ...]
    output: int
    input_shapes: tuple[SampleShape, ...]
    output_shape: SampleShape
    training: bool | None
    within: tuple[Call, ...] = ()

    @property
    def implementation(self) -> str:
        """``"module.Class"`` of the compiled layer and of its twin."""
        return implementation_of(type(self.layer))


class Activity(NamedTuple):
    """A layer's output with a penalty: its buffer, which no step overwrites, and its shape."""

    regularizer: Any
    buffer: int
    shape: SampleShape
    layer: Any = None  # the layer whose output it is


def implementation_of(cls: type[Operation]) -> str:
    """Where a layer's compiled class and its twin are: its `implementation`, or the names of its own module and class.

    Raises
    ------
    NothingComputedError
        For a class without an implementation: `Layer` itself, or a user's class that computes nothing.
    """
    if cls.implementation:
        return cls.implementation
    for base in cls.__mro__:
        if registry.name_of(base) is not None:
            return f"{base.__module__.rpartition('.')[2]}.{base.__name__}"
    raise NothingComputedError(
        f"{cls.__name__} computes nothing: define call(self, inputs, training=False), on NumPy arrays, and "
        "backward(self, inputs, outputs, delta) where gradients must pass; see cbackprop.layers.Layer."
    )


def sample_shape(tensor: KerasTensor) -> SampleShape:
    """The shape of one sample of a symbolic tensor."""
    return tuple(int(size) for size in tensor.shape[1:] if size is not None)
