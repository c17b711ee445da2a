"""Write the graph of a model in Graphviz's DOT language."""

from __future__ import annotations

import os
from typing import Any

from cbackprop.validation import check_boolean, check_number

__all__ = ["Dot", "model_to_dot"]


class Dot:
    """A graph in Graphviz's DOT language, with pydot's methods for output.

    Notebooks show it as an image if the package graphviz is installed.
    """

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def to_string(self) -> str:
        """The text, for the program ``dot``."""
        return "\n".join(self._lines) + "\n"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the text to a file; ``dot -Tsvg`` turns it into an image."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.to_string())

    __str__ = to_string


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> Dot:
    """Describe a model in Graphviz's DOT language: a node for each call of a layer, an arrow for each tensor.

    Parameters
    ----------
    model : Model
    show_shapes : bool, default False
        Show the shapes of inputs and outputs; ``None`` stands for the batch.
    show_dtype : bool, default False
        Show the dtype of outputs.
    show_layer_names : bool, default True
        Show the names of layers as well as their classes.
    rankdir : {"TB", "LR"}, default "TB"
        From top to bottom, or from left to right.
    expand_nested : bool, default False
        Show the layers within nested models.
    dpi : float, default 200
        Dots per inch of bitmap images.
    subgraph : bool, default False
        Whether to make a cluster that can be put into another graph.
    show_layer_activations : bool, default False
        Show the activations of layers.
    show_trainable : bool, default False
        Show whether layers are trainable.
    splines : str, default "ortho"
        How Graphviz draws lines.

    Returns
    -------
    Dot
        ``to_string()`` returns the text, and ``write(path)`` writes it to a file. No package is needed for that. To
        draw it use Graphviz; `plot_model` draws a model without Graphviz.

    Raises
    ------
    TypeError, ValueError
        If `model` is not a model or not built, or another argument is wrong.

    References
    ----------
    Arguments and defaults are those of Keras 3, which returns a pydot object.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((4,), name="x"), cb.layers.Dense(1, name="y")], name="small")
    >>> print(cb.utils.model_to_dot(model))
    digraph "small" {
      graph [rankdir=TB, dpi=200, splines=ortho]
      node [shape=box]
      n0 [label="x (InputLayer)"]
      n1 [label="y (Dense)"]
      n0 -> n1
    }
    <BLANKLINE>
    """
    if not getattr(type(model), "is_model", False):
        raise TypeError(f"model must be a model, but got {type(model).__name__}.")
    if rankdir not in ("TB", "LR", "BT", "RL"):
        raise ValueError(f"rankdir must be 'TB' or 'LR', but got {rankdir!r}.")
    shown = {
        "shapes": check_boolean("show_shapes", show_shapes),
        "dtype": check_boolean("show_dtype", show_dtype),
        "names": check_boolean("show_layer_names", show_layer_names),
        "activations": check_boolean("show_layer_activations", show_layer_activations),
        "trainable": check_boolean("show_trainable", show_trainable),
        "nested": check_boolean("expand_nested", expand_nested),
    }
    cluster = check_boolean("subgraph", subgraph)
    settings = f"rankdir={rankdir}, dpi={check_number('dpi', dpi, 1):g}, splines={splines}"
    head = f"subgraph {_quoted('cluster_' + model.name)} {{" if cluster else f"digraph {_quoted(model.name)} {{"
    writer = _Writer(shown)
    writer.graph(model.graph, {}, "  ")
    return Dot([head, f"  graph [{settings}]", "  node [shape=box]", *writer.nodes, *writer.arrows, "}"])


class _Writer:
    """Collects nodes and arrows, and numbers the nodes."""

    def __init__(self, shown: dict[str, bool]) -> None:
        self.shown = shown
        self.nodes: list[str] = []
        self.arrows: list[str] = []
        self.count = 0

    def graph(self, graph: Any, ends: dict[int, str], indent: str) -> dict[int, str]:
        """Write the calls of a graph; return the node that makes each tensor. `ends` has the nodes of its inputs."""
        makers = dict(ends)
        begins = [tensor.node for tensor in graph.inputs if tensor.node is not None and not tensor.node.inputs]
        for node in dict.fromkeys([*begins, *(node for node in graph.nodes if node.inputs)]):
            if all(id(tensor) in makers for tensor in node.outputs):
                continue
            if node.graph is not None and self.shown["nested"]:
                self._nested(node, makers, indent)
                continue
            name = self._node(self._label(node), indent)
            for tensor in node.inputs:
                if id(tensor) not in makers:  # a model may start at a tensor within another model
                    makers[id(tensor)] = self._node(f"output of {tensor.name}", indent)
                self.arrows.append(f"  {makers[id(tensor)]} -> {name}")
            makers.update((id(tensor), name) for tensor in node.outputs)
        return makers

    def _nested(self, node: Any, makers: dict[int, str], indent: str) -> None:
        title = _quoted(f"{node.layer.name} ({type(node.layer).__name__})")
        self.nodes += [f"{indent}subgraph cluster_{len(self.nodes)} {{", f"{indent}  label={title}"]
        outer = {id(mine): makers[id(theirs)] for mine, theirs in zip(node.graph.inputs, node.inputs, strict=True)}
        inside = self.graph(node.graph, outer, indent + "  ")
        self.nodes.append(indent + "}")
        pairs = zip(node.outputs, node.graph.outputs, strict=True)
        makers.update((id(theirs), inside[id(mine)]) for theirs, mine in pairs)

    def _node(self, label: str, indent: str) -> str:
        name = f"n{self.count}"
        self.count += 1
        self.nodes.append(f"{indent}{name} [label={_quoted(label)}]")
        return name

    def _label(self, node: Any) -> str:
        layer, kind = node.layer, type(node.layer).__name__
        lines = [f"{layer.name} ({kind})" if self.shown["names"] else kind]
        if self.shown["activations"] and layer.activation is not None:
            lines.append(f"activation: {getattr(layer.activation, '__name__', type(layer.activation).__name__)}")
        if self.shown["shapes"]:
            before, after = (
                ", ".join(str(tensor.shape) for tensor in tensors) for tensors in (node.inputs, node.outputs)
            )
            lines.append(f"{before} → {after}" if before else after)
        if self.shown["dtype"]:
            lines.append(", ".join(dict.fromkeys(tensor.dtype for tensor in node.outputs)))
        if self.shown["trainable"] and layer.variables:
            lines.append("trainable" if layer.trainable else "frozen")
        return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
