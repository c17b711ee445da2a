"""Read the operator Scan where this library has written it for a layer at each time step: `onnx_writer.time_steps`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cbackprop import layers
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.tensor import KerasTensor

__all__ = ["time_distributed"]


def time_distributed(builder: Builder, node: Node) -> list[KerasTensor | None]:
    """A `TimeDistributed` with a model of the graph of one time step."""
    body = node.attribute("body")
    axes = [node.attribute(f"scan_{kind}_axes") for kind in ("input", "output")]
    ways = [node.attribute(f"scan_{kind}_directions") or [] for kind in ("input", "output")]
    if len(node.inputs) != 1 or len(node.outputs) != 1 or axes != [[1], [1]] or any(map(any, ways)):
        raise UnreadableError("it is a loop over time steps with states, or with masks of the rows of each")
    x = builder.tensor(node.inputs[0])
    inner = builder.read_graph(of_one_step(builder, body))
    return [builder.apply(node, layers.TimeDistributed, builder.unmasked(node, x), inner)]


def of_one_step(builder: Builder, body: Any) -> Any:
    """A file with the graph of a time step alone, and with those constants of the whole graph that it reads."""
    package, constants = builder.graph.package, builder.graph.constants
    graph = package.GraphProto()
    graph.CopyFrom(body)
    read = [name for name in dict.fromkeys(names_read(body)) if name in constants]
    graph.initializer.extend(package.numpy_helper.from_array(constants[name], name) for name in read)
    return package.helper.make_model(graph, opset_imports=[package.helper.make_opsetid("", builder.graph.opset)])


def names_read(graph: Any) -> Iterator[str]:
    """The names of the values that the nodes of a graph read, and those of the graphs within it."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from names_read(attribute.g)
