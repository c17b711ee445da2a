"""Write layers with weights, and layers that rearrange samples."""

from __future__ import annotations

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_writer.graph import Call, Graph, translates


@translates(layers.Dense, any_sizes=True)
def dense(graph: Graph, call: Call) -> str:
    """Gemm; for samples with several axes, MatMul and Add."""
    layer, (x,) = call.layer, call.inputs
    kernel = graph.variable(layer.kernel)
    weights = [kernel] if layer.bias is None else [kernel, graph.variable(layer.bias)]
    if len(call.output_shape) == 1:
        return graph.add("Gemm", x, *weights)
    if layer.bias is None:
        return graph.add("MatMul", x, kernel)
    return graph.formula(LAYERS["dense"][0], x, kernel=kernel, bias=weights[1])


@translates(layers.EinsumDense, any_sizes=True)
def einsum_dense(graph: Graph, call: Call) -> str:
    """Einsum, whose equation has a letter for each axis, and Add."""
    layer, (x,) = call.layer, call.inputs
    text = layer.contraction((None, *call.input_shapes[0])).text
    kernel = graph.variable(layer.kernel)
    if layer.bias is None:
        return graph.add("Einsum", x, kernel, equation=text)
    return graph.formula(LAYERS["einsum"][0], x, kernel=kernel, equation=text, bias=graph.variable(layer.bias))


@translates(layers.Embedding, any_sizes=True)
def embedding(graph: Graph, call: Call) -> str:
    """Gather. As in `predict`, numbers are truncated to integers and clipped to the rows of the table."""
    layer = call.layer
    table = graph.variable(layer.embeddings)
    return graph.formula(LAYERS["embedding"][0], call.inputs[0], table=table, last=float(layer.input_dim - 1))


@translates(layers.ReversibleEmbedding)
def reversible_embedding(graph: Graph, call: Call) -> str:
    """Gather; for the reverse direction, MatMul and the cap on the logits."""
    layer, (x,) = call.layer, call.inputs
    if len(call.output_shape) > len(call.input_shapes[0]):
        return embedding(graph, call)
    tied = layer.reverse_embeddings is None
    table = graph.variable(layer.embeddings, (1, 0)) if tied else graph.variable(layer.reverse_embeddings)
    logits = graph.add("MatMul", x, table)
    cap = layer.logit_soft_cap
    return logits if cap is None else graph.add("Mul", graph.add("Tanh", graph.add("Div", logits, cap)), cap)


@translates(layers.PReLU, any_sizes=True)
def prelu(graph: Graph, call: Call) -> str:
    """PRelu with a broadcast slope; for float64 a formula, because ONNX Runtime lacks the operator."""
    text = LAYERS["prelu"][graph.dtype == np.float64]
    return graph.formula(text, call.inputs[0], slope=graph.variable(call.layer.alpha))


@translates(layers.Flatten, layers.Reshape, any_sizes=True)
def reshape(graph: Graph, call: Call) -> str:
    """Reshape, or nothing if the shape stays the same. Channels that come first are transposed before."""
    (x,), rank = call.inputs, len(call.input_shapes[0]) + 1
    if rank > 2 and isinstance(call.layer, layers.Flatten) and call.layer.data_format == "channels_first":
        x = graph.transpose(x, (0, *range(2, rank), 1))
    return x if call.input_shapes[0] == call.output_shape else graph.reshape(x, call.output_shape)


@translates(layers.Permute, any_sizes=True)
def permute(graph: Graph, call: Call) -> str:
    """Transpose."""
    return graph.transpose(call.inputs[0], (0, *call.layer.dims))


@translates(layers.GetItem)
def get_item(graph: Graph, call: Call) -> str:
    """Slice, followed by Reshape if axes are removed or added."""
    (x,), (shape,) = call.inputs, call.input_shapes
    parts = [
        slice(entry % size, entry % size + 1, 1) if isinstance(entry, int) else entry
        for entry, size in zip(call.layer.entries_of(len(shape) + 1), shape, strict=True)
    ]
    limits = [part.indices(size) for part, size in zip(parts, shape, strict=True)]
    cut = [
        (axis, *limit) for axis, (limit, size) in enumerate(zip(limits, shape, strict=True), 1) if limit != (0, size, 1)
    ]
    if cut:
        axes, starts, ends, steps = (np.array(column, np.int64) for column in zip(*cut, strict=True))
        ends[ends < 0] = -(2**31)  # with a negative step, down to and including element 0
        x = graph.add("Slice", x, starts, ends, axes, steps)
    lengths = tuple(len(range(*limit)) for limit in limits)
    return x if lengths == call.output_shape else graph.reshape(x, call.output_shape)


@translates(layers.Absolute, any_sizes=True)
def absolute(graph: Graph, call: Call) -> str:
    """Abs."""
    return graph.add("Abs", call.inputs[0])


@translates(layers.RepeatVector)
def repeat_vector(graph: Graph, call: Call) -> str:
    """A new axis, and Expand along it."""
    shape = np.array([1, call.layer.n, 1])
    return graph.formula(LAYERS["repeat"][0], call.inputs[0], axes=np.array([1]), shape=shape)


@translates(
    layers.Identity,
    layers.ActivityRegularization,
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.AlphaDropout,
    layers.GaussianNoise,
    layers.GaussianDropout,
    layers.RandomFlip,
    layers.RandomTranslation,
    layers.RandomRotation,
    layers.RandomZoom,
    layers.RandomShear,
    layers.RandomBrightness,
    layers.RandomContrast,
    any_sizes=True,
)
def nothing(graph: Graph, call: Call) -> str:
    """Write nothing for layers that act only in training."""
    refuse_random_numbers(call)
    return call.inputs[0]


def refuse_random_numbers(call: Call) -> None:
    """Raise ``ValueError`` for a layer that draws random numbers even in predictions."""
    if call.training and hasattr(call.layer, "stream"):
        raise ValueError(
            f"Layer {call.layer.name!r} is called with training=True: its random numbers cannot be written to ONNX."
        )


@translates(layers.RandomCrop)
def random_crop(graph: Graph, call: Call) -> str:
    """Slice, if the crop in the middle has the right size; else products with the weights of rows and columns.

    Resize is not an alternative: some runtimes have it only for the last two axes, and not for float64.
    """
    refuse_random_numbers(call)
    (x,), first = call.inputs, call.layer.data_format == "channels_first"
    sizes = call.input_shapes[0][1:] if first else call.input_shapes[0][:2]
    top, left, height, width = call.layer.window_in(sizes)
    if (height, width) == (call.layer.height, call.layer.width):
        if (height, width) == sizes:
            return x
        starts = np.array([top, left])
        return graph.add("Slice", x, starts, starts + np.array([height, width]), np.array([2, 3] if first else [1, 2]))
    rows, columns = call.layer.weights_in(sizes)
    text = LAYERS["resized"][first]
    return graph.formula(text, x, rows=rows, columns=columns.T, to_first=[0, 3, 1, 2], to_last=[0, 2, 3, 1])
