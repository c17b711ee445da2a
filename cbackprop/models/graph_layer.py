"""Layers that are graphs of other layers."""

from __future__ import annotations

from typing import Any

from cbackprop.config import floatx
from cbackprop.engine.sizes import sizes_of
from cbackprop.layers import Layer
from cbackprop.layers.adjusting import note_plan
from cbackprop.layers.unknown_sizes import has_unknown
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.part_of import part_of
from cbackprop.plan.graph import Graph
from cbackprop.plan.plan import Plan
from cbackprop.plan.sizes import PlansOfSizes
from cbackprop.tensor import KerasTensor, is_optional
from cbackprop.variable import Variable

__all__ = ["GraphLayer", "NoShapeError"]


class NoShapeError(AttributeError, ValueError):
    """A model without a shape was asked for something that depends on the shape. Keras raises ``AttributeError``."""


@part_of("Model")
class GraphLayer(Layer):
    """The part of `Model` that is a graph of layers: its inputs, outputs, layers, weights and plans."""

    n_inputs = None
    is_model = True
    _graph: Graph | None = None
    _plan: Plan | PlansOfSizes | None = None
    input_structure: Any = None
    output_structure: Any = None

    def _find_float_type(self) -> str:
        """The float type of the layers, which all agree, or of an input."""
        layers = [layer.dtype for layer in self.layers if layer.n_inputs != 0]
        found = [dtype for dtype in [*layers, *(tensor.dtype for tensor in self.inputs)] if dtype in FLOAT_TYPES]
        return found[0] if found else floatx()

    @property
    def graph(self) -> Graph:
        """The graph between inputs and outputs.

        Raises
        ------
        ValueError
            If the model has no shape yet.
        """
        if self._graph is None:
            raise ValueError(f"Model {self.name!r} has no shape yet: start it with an Input, build it, or fit it.")
        return self._graph

    def _known(self, what: str) -> Graph:
        """The graph, for the attribute `what`.

        Raises
        ------
        NoShapeError
            If the model has no shape yet. `hasattr` then returns False.
        """
        if self._graph is None:
            raise NoShapeError(
                f"Model {self.name!r} has no {what} yet, because it has no shape yet: start it with an Input, build "
                "it, or fit it."
            )
        return self._graph

    @property
    def inputs(self) -> list[KerasTensor]:
        """Symbolic inputs, flat."""
        return list(self._known("inputs").inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        """Symbolic outputs, flat."""
        return list(self._known("outputs").outputs)

    @property
    def input(self) -> Any:
        """Symbolic inputs, in the structure that the model was made with."""
        return self.input_structure

    @property
    def output(self) -> Any:
        """Symbolic outputs, in the structure that the model was made with."""
        return self.output_structure

    @property
    def input_shape(self) -> Any:
        """Shape of the input, the batch axis (``None``) included, or a list of shapes."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """Shape of the output, the batch axis (``None``) included, or a list of shapes."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def layers(self) -> list[Layer]:
        """All layers, each one once. A nested model counts as one layer."""
        return self.graph.layers

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs."""
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The keys of a dict of outputs, or the unique names of the layers that make the outputs."""
        if isinstance(self.output_structure, dict) and len(self.output_structure) == len(self.outputs):
            return sorted(self.output_structure)
        names: list[str] = []
        for tensor in self.outputs:
            name = tensor.node.layer.name if tensor.node else tensor.name
            names.append(name if name not in names else f"{name}_{len(names)}")
        return names

    @property
    def has_open_inputs(self) -> bool:
        """Whether the plan depends on the data, because inputs have open sizes or may be left out."""
        return any(has_unknown(tensor.shape) or is_optional(tensor) for tensor in self.inputs)

    @property
    def taken(self) -> list[KerasTensor]:
        """The inputs, with the shapes that data must have."""
        return self.inputs

    def takes_only(self, tensors: list[KerasTensor]) -> bool:
        """Whether data must have these shapes."""
        return self.taken is tensors or [t.shape for t in self.taken] == [t.shape for t in tensors]

    @property
    def plans(self) -> Plan | PlansOfSizes:
        """The plan that engines execute. If it depends on the data, an object that makes plans for given sizes."""
        plans = self._plan
        if plans is None:
            with Layer._making:  # another thread may change the layers
                graph = self.graph
                is_open = self.has_open_inputs
                note_plan(self, graph)
                if is_open:
                    plans = self._plan = PlansOfSizes(graph, keeps_sizes=self.takes_only(self.inputs))
                else:
                    plans = self._plan = Plan(graph.inputs, graph.outputs)
        return plans

    @property
    def plan(self) -> Plan:
        """The plan that engines execute, with all inputs.

        Raises
        ------
        ValueError
            If inputs leave sizes open.
        """
        plans, shapes = self.plans, [tensor.shape for tensor in self.inputs]
        if isinstance(plans, Plan):
            return plans
        if not any(map(has_unknown, shapes)):
            return plans.of(sizes_of(self.inputs))
        raise ValueError(f"All sizes of the inputs must be known for this, but model {self.name!r} has {shapes}.")

    def plan_for(self, inputs: list[Any]) -> Plan:
        """The plan for arrays of these shapes."""
        plans = self.plans
        return plans if isinstance(plans, Plan) else plans.of(sizes_of(inputs))

    def tensors_for(self, inputs: list[Any]) -> tuple[list[KerasTensor], list[KerasTensor]]:
        """Symbolic inputs and outputs for arrays of these shapes, without inputs that are left out."""
        plans = self.plans
        return (self.inputs, self.outputs) if isinstance(plans, Plan) else plans.tensors(sizes_of(inputs))

    @property
    def variables(self) -> list[Variable]:
        """All weights, in the order of `get_weights`."""
        return list(dict.fromkeys(variable for layer in self.layers for variable in layer.variables))

    @property
    def trainable_variables(self) -> list[Variable]:
        """The weights that training changes."""
        if not self.trainable:
            return []
        return list(dict.fromkeys(variable for layer in self.layers for variable in layer.trainable_variables))

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The weights that training does not change."""
        trainable = set(self.trainable_variables)
        return [variable for variable in self.variables if variable not in trainable]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Setting it sets it for every layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        Layer.trainable.__set__(self, value)  # type: ignore[attr-defined]
        for layer in self.layers:
            layer.trainable = value

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or by position.

        Raises
        ------
        ValueError
            If there is no such layer, or not exactly one of `name` and `index` is given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer takes either a name or an index.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"The model has {len(self.layers)} layers, but index {index} was asked for.")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No layer is called {name!r}. Layers: {[layer.name for layer in self.layers]}.")
