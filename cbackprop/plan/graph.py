"""The graph between a model's inputs and outputs: its calls and its layers, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cbackprop.layers.layer import Layer
from cbackprop.tensor import KerasTensor, Node

__all__ = ["Graph", "check_names", "unfolded_layers"]


def check_names(layers: Sequence[Layer]) -> None:
    """Refuse two layers with the same name, which a config and `Model.get_layer` could not tell apart.

    Raises
    ------
    ValueError
        If two layers have the same name.
    """
    names = [layer.name for layer in layers]
    if len(set(names)) < len(names):
        repeated = [name for name, count in Counter(names).items() if count > 1]
        raise ValueError(f"Layers of a model need different names, but {repeated[0]!r} is used more than once.")


class Graph:
    """Everything that lies between input and output tensors.

    Parameters
    ----------
    inputs, outputs : sequence of KerasTensor

    Attributes
    ----------
    nodes : list of Node
        Calls of layers, each after those that it needs.
    layers : list of Layer
        Each layer once, in the order in which Keras lists layers and weights: by distance from the outputs, then in the
        order in which a walk back from the outputs finds them.

    Raises
    ------
    ValueError
        If an output cannot be computed from the inputs, or two layers have the same name.
    """

    def __init__(self, inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self._met: dict[Layer, int] = {}
        self.nodes = self._walk()
        self.layers = self._sorted_layers()
        self._check_inputs_reach()
        if len(set(map(id, self.inputs))) < len(self.inputs):
            raise ValueError(f"An input is given more than once: {[tensor.name for tensor in self.inputs]}.")
        check_names(self.layers)

    def _walk(self) -> list[Node]:
        """Visit nodes depth-first from the outputs. There is no recursion, so networks may be deep."""
        boundary = set(map(id, self.inputs))
        done: set[Node] = set()
        order: list[Node] = []
        for output in self.outputs:
            pending = [(output, False)]
            while pending:
                tensor, expanded = pending.pop()
                node = tensor.node
                if node is None or node in done:
                    continue
                if expanded:
                    done.add(node)
                    order.append(node)
                    continue
                if id(tensor) in boundary and node.inputs:
                    continue  # a model may begin in the middle of another
                self._met.setdefault(node.layer, len(self._met))
                pending.append((tensor, True))
                pending.extend((parent, False) for parent in reversed(node.inputs))
        return order

    def _sorted_layers(self) -> list[Layer]:
        boundary = set(map(id, self.inputs))
        inside = set(self.nodes)
        node_depth: dict[Node, int] = {}
        layer_depth: dict[Layer, int] = {}
        for node in reversed(self.nodes):
            depth = max(node_depth.get(node, 0), layer_depth.get(node.layer, 0))
            node_depth[node] = layer_depth[node.layer] = depth
            for tensor in node.inputs:
                parent = tensor.node
                if parent is not None and parent in inside and not (id(tensor) in boundary and parent.inputs):
                    node_depth[parent] = max(depth + 1, node_depth.get(parent, 0))
        for tensor in self.inputs:
            node_of_input = tensor.node
            if node_of_input is None or node_of_input.inputs or node_of_input.layer in layer_depth:
                continue
            layer_depth[node_of_input.layer] = 0
            self._met[node_of_input.layer] = -1
        return sorted(layer_depth, key=lambda layer: (-layer_depth[layer], self._met[layer]))

    def _check_inputs_reach(self) -> None:
        """Refuse outputs that need an input that was not given."""
        known = set(map(id, self.inputs))
        for node in self.nodes:
            if not node.inputs and id(node.outputs[0]) not in known:
                raise ValueError(
                    f"The outputs depend on input {node.outputs[0].name!r}, which is not among the model's inputs: "
                    f"{[tensor.name for tensor in self.inputs]}."
                )


def unfolded_layers(model: Any) -> list[Layer]:
    """All layers, with nested models replaced by their layers. A layer of two nested models is listed twice."""
    found: list[Layer] = []
    for layer in model.layers:
        found.extend(unfolded_layers(layer) if layer.is_model else [layer])
    return found
