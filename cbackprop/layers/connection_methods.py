"""The part of a layer that connects it to symbolic tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from cbackprop.layers.building import build_for, resolve_unknown
from cbackprop.layers.call_arguments import BUILT_IN, CallArguments, map_shapes
from cbackprop.layers.compiled_connection import check_float_types, check_inputs, connect_compiled
from cbackprop.layers.unknown_sizes import has_unknown
from cbackprop.part_of import part_of
from cbackprop.tensor import Node, Shape
from cbackprop.validation import check_memory

__all__ = ["ConnectionMethods"]


@part_of("Layer")
class ConnectionMethods:
    """The part of `Layer` that connects it to symbolic tensors, and returns its connections."""

    # How many inputs the layer takes; None for two or more.
    n_inputs: ClassVar[int | None] = 1
    # The number of axes of an array that is one sample without a batch axis; None: every array has a batch axis.
    axes_of_one_sample: ClassVar[int | None] = None
    # The arguments of a call, if the layer does not compute in Python: further tensors have names of their own.
    call_signature: ClassVar[inspect.Signature] = BUILT_IN
    # Which of these hold inputs, each with the argument for its mask; and settings, which hold no tensors.
    input_arguments: ClassVar[dict[str, str]] = {"inputs": "mask"}
    call_settings: ClassVar[tuple[str, ...]] = ()

    name: str
    built: bool
    nodes: list[Node]
    batch_input_shape: Shape | None
    compute_output_shape: Callable[[Any], Any]

    def connect(self, call: CallArguments) -> Any:
        """The output of a layer that does not compute in Python, for symbolic tensors.

        If `compute_output_shape` gives several shapes, it is a structure of outputs.
        """
        return connect_compiled(self, call)

    def check_inputs(self, tensors: list[Any]) -> None:
        """Refuse a wrong number of inputs, inputs that are not symbolic, or of another float type."""
        check_inputs(self, tensors)

    def check_more_inputs(self, tensors: list[Any], more: list[Any]) -> None:
        """Refuse tensors in the call's other arguments that do not fit the inputs."""

    def complete_call(self, call: CallArguments) -> None:
        """Fill in arguments that were left out because another one is used for them, before arguments are sorted."""

    def shapes_of_call(self, shape: Any, input_shapes: list[Shape], settings: dict[str, Any]) -> Any:
        """The shape, or shapes, of what a call with these settings returns. Without settings it is `shape`."""
        return shape

    def joined_shapes(self, shapes: list[Any]) -> list[Any]:
        """The shapes of all inputs, given the shapes that `build` or `compute_output_shape` got one by one."""
        return shapes

    def check_float_types(self, tensors: list[Any]) -> None:
        """Refuse inputs of another float type."""
        check_float_types(self, tensors)

    def resolve(self, input_shape: Any) -> Any:
        """Build the layer if need be, and return its output shape, or the structure of shapes of its outputs."""
        if has_unknown(input_shape):
            return resolve_unknown(self, input_shape)
        shape: Any = self.compute_output_shape(input_shape)
        map_shapes(lambda one: check_memory(f"the output of layer {self.name!r}", one), shape)
        if not self.built:
            build_for(self, input_shape)
        self.check_built_for(input_shape)
        return shape

    def check_built_for(self, input_shape: Any) -> None:
        """Refuse an input shape that the existing weights do not fit."""

    @property
    def input(self) -> Any:
        """The symbolic input of the layer's first call."""
        tensors = self._first_node().inputs
        return tensors[0] if len(tensors) == 1 else list(tensors)

    @property
    def output(self) -> Any:
        """The symbolic output of the layer's first call."""
        node = self._first_node()
        return list(node.outputs) if node.structure is None else node.structure

    def _first_node(self) -> Node:
        if not self.nodes:
            raise AttributeError(f"Layer {self.name!r} has not been called yet, so it has no input or output.")
        return self.nodes[0]

    @property
    def input_shape(self) -> Any:
        """Shape of the input of the layer's first call, the batch axis (``None``) included."""
        if not self.nodes:
            return self.batch_input_shape
        shapes = [tensor.shape for tensor in self.nodes[0].inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """Shape of the output of the layer's first call, the batch axis (``None``) included."""
        shapes = [tensor.shape for tensor in self._first_node().outputs]
        return shapes[0] if len(shapes) == 1 else shapes
