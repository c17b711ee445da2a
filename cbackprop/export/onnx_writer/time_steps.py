"""Write a layer for each time step of sequences whose length is open, as ONNX's operator Scan without states.

`from_onnx` knows the loop again by the doc_string of the graph of a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cbackprop.export.onnx_writer.graph import Call, Graph, read_nodes
from cbackprop.export.onnx_writer.masks import Mask

__all__ = ["EACH_STEP", "each_step"]

# What the graph of a step says of itself.
EACH_STEP = "TimeDistributed"


def each_step(graph: Graph, call: Call, mask: Mask | None, write: Callable[[Graph, Call], Any]) -> str:
    """Add the Scan for the inner layer of a `TimeDistributed`, which `write` writes; the name of its output.

    `mask` is that of all time steps, if it has something to say of the rows of each.
    """
    helper, kinds, scope = graph.onnx.helper, graph.onnx.TensorProto, graph.scope
    layer, (x,), (shape,), output = call.layer, call.inputs, call.input_shapes, call.output_shape
    if layer.fixes_batch_size:
        raise ValueError(
            f"Layer {layer.name!r} has states that last from one time step to the next, and can only be written to "
            "ONNX for a known number of time steps."
        )
    names = [graph.unique(f"{scope}/{name}") for name in ("x", "counts")]
    asked: list[str] = []  # the name of the step's mask, once it is read

    def counts() -> str:
        asked[:] = names[1:]
        return names[1]

    own = None if mask is None else Mask(graph, scope, mask.shape[1:], counts)
    with graph.body(names[0]) as nodes:
        one = Call(layer.layer, (names[0],), (shape[1:],), output[1:], call.training, masks=(own,))
        made = graph.add("Identity", write(graph, one))
    graph.scope = scope
    sequences = [x]
    inputs = [helper.make_tensor_value_info(names[0], graph.float_type, ["batch", *shape[1:]])]
    if asked and mask is not None and mask.name is not None:
        sequences.append(mask.name)
        inputs.append(helper.make_tensor_value_info(names[1], kinds.BOOL, [None, *mask.shape[1:]]))
    ends = [helper.make_tensor_value_info(made, graph.float_type, [None, *output[1:]])]
    body = helper.make_graph(read_nodes(nodes, [made]), f"{scope}/step", inputs, ends, doc_string=EACH_STEP)
    count = len(sequences)
    return graph.add(
        "Scan", *sequences, body=body, num_scan_inputs=count, scan_input_axes=[1] * count, scan_output_axes=[1]
    )
