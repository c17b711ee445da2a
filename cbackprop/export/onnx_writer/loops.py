"""Write the way of a cell through the time steps of sequences as ONNX's operator Scan.

It takes sequences of any length, cells of any formula, and masks: where a mask hides a time step, states stay as they
are. What the cell is stands in the doc_string of the graph of a step, by which `from_onnx` knows it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cbackprop.export.onnx_writer.graph import Graph, read_nodes

__all__ = ["Way", "body_of", "loop"]

Shape = tuple[int, ...]
# From an input of one time step and the states to the new states, of which the first is the output.
Step = Callable[[str, list[str]], list[str]]


@dataclass(frozen=True)
class Way:
    """How a cell goes through sequences.

    Attributes
    ----------
    shape : tuple of int
        Of a sample of an input at one time step.
    state_shape : tuple of int
        Of a sample of each state.
    go_backwards, turned : bool
        Whether it goes from the last step to the first, and whether outputs stand in the opposite of the order in which
        they are made.
    zero_output : bool
        Whether the output at a hidden time step is 0, not that of the step before.
    returns_sequences : bool
        Whether the outputs of all time steps are wanted, not only the last.
    """

    shape: Shape
    state_shape: Shape
    go_backwards: bool = False
    turned: bool = False
    zero_output: bool = False
    returns_sequences: bool = False


def zeros(graph: Graph, shape: Shape) -> str:
    """Zeros of this shape for each sample."""
    sizes = graph.add("Concat", graph.add("Shape", graph.batch, end=1), np.array(shape), axis=0)
    zero = graph.onnx.numpy_helper.from_array(np.zeros(1, graph.dtype))
    return graph.add("ConstantOfShape", sizes, value=zero)


def loop(
    graph: Graph, step: Step, x: str, states: Sequence[str | None], mask: str | None, way: Way, about: dict[str, Any]
) -> tuple[str, list[str]]:
    """Add the Scan for values (batch, steps, ...) and initial states. Return the output and the last states.

    An initial state of ``None`` is 0.
    """
    # Before the first unmasked step, the output is 0, for any state.
    remembers = mask is not None and (way.zero_output or any(state is not None for state in states))
    begin = [zeros(graph, way.state_shape) if state is None else state for state in [*states, *[None] * remembers]]
    sequences = [x] if mask is None else [x, mask]
    body, count = body_of(graph, step, len(states), mask is not None, remembers, way), len(sequences)
    body.doc_string = json.dumps(about | {"zero_output_for_mask": mask is not None and way.zero_output})
    found = graph.several(
        "Scan",
        [*begin, *sequences],
        [True] * (len(states) + remembers + way.returns_sequences),
        body=body,
        num_scan_inputs=count,
        scan_input_axes=[1] * count,
        scan_input_directions=[int(way.go_backwards)] * count,
        **({"scan_output_axes": [1], "scan_output_directions": [int(way.turned)]} if way.returns_sequences else {}),
    )
    output = found[-1] if way.returns_sequences or remembers else found[0]
    return output, found[: len(states)]


def body_of(graph: Graph, step: Step, count: int, masked: bool, remembers: bool, way: Way) -> Any:
    """The graph of one time step: from states, the output before, an input and its mask to the new ones."""
    helper, kinds, scope = graph.onnx.helper, graph.onnx.TensorProto, graph.scope

    def entry(name: str, shape: Shape, kind: int) -> Any:
        return helper.make_tensor_value_info(graph.unique(f"{scope}/{name}"), kind, [None, *shape])

    inputs = [entry(f"state_{number}", way.state_shape, graph.float_type) for number in range(count)]
    inputs += [entry("before", way.state_shape, graph.float_type)] if remembers else []
    inputs += [entry("x", way.shape, graph.float_type)]
    inputs += [entry("counts", (), kinds.BOOL)] if masked else []
    names = [value.name for value in inputs]
    with graph.body(names[count + remembers]) as nodes:
        new = step(names[count + remembers], names[:count])
        outputs = list(new)
        if masked:
            counts = graph.add("Unsqueeze", names[-1], np.arange(1, len(way.state_shape) + 1))
            outputs = [graph.add("Where", counts, a, b) for a, b in zip(new, names, strict=False)]
        if remembers:
            before: Any = 0.0 if way.zero_output else names[count]
            outputs.append(graph.add("Where", counts, new[0], before))
        shown = [outputs[-1] if remembers else outputs[0]] if way.returns_sequences else []
        made = [graph.add("Identity", name) for name in [*outputs, *shown]]
    ends = [helper.make_tensor_value_info(name, graph.float_type, [None, *way.state_shape]) for name in made]
    return helper.make_graph(read_nodes(nodes, made), f"{scope}/step", inputs, ends)
