"""Write a model as an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop.export import onnx_limits
from cbackprop.export.onnx_writer import (  # noqa: F401 - register
    attention,
    convolution,
    layers,
    merging,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    resizing,
)
from cbackprop.export.onnx_writer.activations import write_activation
from cbackprop.export.onnx_writer.graph import (
    Call,
    Graph,
    Lasting,
    Translation,
    check_sizes,
    read_nodes,
    translates,
    translation_of,
)
from cbackprop.export.onnx_writer.masks import Mask, Value, given_masks, masks_of_outputs
from cbackprop.export.onnx_writer.time_steps import each_step
from cbackprop.layers import (
    Absolute,
    ActivationLayer,
    Add,
    Average,
    Dense,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Identity,
    Maximum,
    Minimum,
    Multiply,
    Power,
    Rescaling,
    Subtract,
    TimeDistributed,
    TrueDivide,
)
from cbackprop.layers.merging import Merge
from cbackprop.models import Model
from cbackprop.models.calls import graph_for
from cbackprop.tensor import KerasTensor, Node, output_dtype
from cbackprop.validation import check_integer
from cbackprop.version import __version__

__all__ = ["graph_of"]

# Layers that compute each element by itself, or from the elements at the same position of several inputs.
ON_ELEMENTS = (
    *(Absolute, Add, Average, Dropout, GaussianDropout, GaussianNoise, Identity, Maximum, Minimum, Multiply, Power),
    *(Subtract, TrueDivide),
)


def graph_of(package: Any, model: Any, opset: Any) -> bytes:
    """The content of an ONNX file that computes a model's predictions.

    Raises
    ------
    TypeError, ValueError
        If the model, or an argument, cannot be written.
    """
    if not isinstance(model, Model):
        raise TypeError(f"model must be a model, but got {model!r} of type {type(model).__name__}.")
    opset = check_integer("opset", opset, onnx_limits.OPSET, package.defs.onnx_opset_version())
    if not model.built:
        raise ValueError(f"Model {model.name!r} has no shape yet: start it with an Input, build it, or fit it.")
    size = sum(variable.array.nbytes for variable in model.variables)
    if size > onnx_limits.LARGEST_FILE:
        raise ValueError(
            f"Model {model.name!r} has {size / 2**30:.2f} GB of weights, but an ONNX file holds at most 2 GB."
        )
    inputs = keys_of(model.input_structure, model.input_names)
    graph = Graph(package, model.dtype, inputs)
    outputs = [graph.unique(name) for name in keys_of(model.output_structure, model.output_names)]
    values = [Value(name) for name in enter(graph, model, inputs)]
    found = [value.name for value in unfold(graph, model.graph, values, None)]
    found = leave(graph, model, found, outputs)
    states = [state for own in graph.lasting.values() for state in own]
    finish(graph, [*found, *(state.last for state in states)], [*outputs, *next_names(graph, states)])
    return proto_of(graph, model, inputs, outputs, opset)


def next_names(graph: Graph, states: Sequence[Lasting]) -> list[str]:
    """The names of the outputs for states that last."""
    for state in states:
        state.next_name = graph.unique(state.next_name)
    return [state.next_name for state in states]


def keys_of(structure: Any, names: list[str]) -> list[str]:
    """The names of inputs or outputs for users: the keys of a dict, or the names of the layers."""
    plain = isinstance(structure, dict) and all(isinstance(item, KerasTensor) for item in structure.values())
    return sorted(structure) if plain else names


def enter(graph: Graph, model: Model, names: list[str]) -> list[str]:
    """Add the inputs, converted to the graph's float type."""
    values = []
    for tensor, name in zip(model.inputs, names, strict=True):
        graph.scope = name
        values.append(name if tensor.dtype == model.dtype else graph.add("Cast", name, to=graph.float_type))
    return values


def leave(graph: Graph, model: Model, found: list[str], names: list[str]) -> list[str]:
    """Convert outputs with integers from floats to the type in which `predict` returns them."""
    values = []
    for tensor, value, name in zip(model.outputs, found, names, strict=True):
        graph.scope = name
        dtype = output_dtype(tensor)
        values.append(value if dtype is None else graph.add("Cast", value, to=type_of(graph, dtype)))
    return values


def unfold(graph: Graph, described: Any, inputs: Sequence[Value], training: bool | None) -> list[Value]:
    """Add the calls of a model's graph, given the values of its inputs. Return the values of its outputs."""
    at = {id(tensor): value for tensor, value in zip(described.inputs, inputs, strict=True)}
    for node in described.nodes:
        if all(id(tensor) in at for tensor in node.outputs):
            continue
        sources = [at[id(tensor)] for tensor in node.inputs]
        mode = training if node.training is None else node.training
        if node.graph is not None:
            results = unfold(graph, node.graph, sources, mode)
        else:
            results = write_call(graph, node, sources, mode)
        for tensor, result in zip(node.outputs, results, strict=True):
            at.setdefault(id(tensor), result)
    return [at[id(tensor)] for tensor in described.outputs]


def write_call(graph: Graph, node: Node, sources: Sequence[Value], training: bool | None) -> list[Value]:
    """Add a call of a layer and its activation; its outputs."""
    layer = node.layer
    graph.scope = layer.name
    sources = given_masks(graph, node, sources)
    names, shapes = tuple(source.name for source in sources), tuple(sample_shape(tensor) for tensor in node.data)
    settings = {} if node.arguments is None else node.arguments.settings
    reads_masks = node.arguments is None or node.arguments.reads_masks
    masks = tuple(source.mask for source in sources) if reads_masks else ()
    found = write(graph, Call(layer, names, shapes, sample_shape(node.outputs[0]), training, settings, masks))
    made = found if isinstance(found, list) else [found]
    return [Value(*one) for one in zip(made, masks_of_outputs(graph, node, sources), strict=True)]


def write(graph: Graph, call: Call) -> Any:
    """Add a call of a layer and its activation, or of a model; return the name of its output, or several names."""
    layer, shape = call.layer, call.output_shape
    if layer.is_model:
        described = graph_for(layer, [(None, *shape) for shape in call.input_shapes])
        masks = call.masks or [None] * len(call.inputs)
        values = [Value(*one) for one in zip(call.inputs, masks, strict=True)]
        return unfold(graph, described, values, call.training)[0].name
    value = write_layer(graph, translation_of(layer), call)
    if isinstance(value, list):
        return value
    if isinstance(layer, ActivationLayer) or (layer.function is None and not layer.activates_in_python):
        return value
    before, order = graph.before_transpose(value, len(shape) + 1)
    if not is_elementwise(layer):
        return write_activation(graph, layer, value, shape)
    return graph.transpose(write_activation(graph, layer, before, turned_back(shape, order)), order)


@translates(TimeDistributed, any_sizes=True)
def time_distributed(graph: Graph, call: Call) -> str:
    """The layer for each time step; a Dense for all steps at once, and a loop over steps whose number is open."""
    (x,), (shape,), inner = call.inputs, call.input_shapes, call.layer.layer
    if isinstance(inner, Dense):
        return str(write(graph, Call(inner, (x,), (shape,), call.output_shape, call.training)))
    mask = mask_of_steps(call)
    if shape[0] is None:
        return each_step(graph, call, mask, write)
    found = []
    for t in range(shape[0]):
        one = graph.reshape(graph.add("Slice", x, np.array([t]), np.array([t + 1]), np.array([1])), shape[1:])
        masks = (None if mask is None else mask.step(t),)
        single = Call(inner, (one,), (shape[1:],), call.output_shape[1:], call.training, masks=masks)
        found.append(graph.reshape(write(graph, single), (1, *call.output_shape[1:])))
    return graph.add("Concat", *found, axis=1)


def mask_of_steps(call: Call) -> Mask | None:
    """The mask, if the layer for each time step reads it, and it has something to say of the rows of a step."""
    mask: Mask | None = call.mask
    if mask is None or not call.layer.layer.supports_masking or mask.shape[1:] != call.input_shapes[0][1:-1]:
        return None
    return mask


def write_layer(graph: Graph, translate: Translation, call: Call) -> Any:
    """Add a call of a layer, without its activation. Layers on elements are put before Transposes, not behind.

    So Transposes come to follow each other, and cancel.
    """
    check_sizes(translate, call)
    layer, rank = call.layer, len(call.output_shape) + 1
    before = [graph.before_transpose(name, rank) for name in call.inputs]
    orders = [order for _, order in before]
    same = all(len(shape) + 1 == rank for shape in call.input_shapes) and orders.count(orders[0]) == len(orders)
    leaves_out = isinstance(layer, Merge) and layer.hidden_as is not None and any(call.masks)
    if leaves_out or not same or not works_on_elements(layer):
        return translate(graph, call)
    (order, *_), names = orders, tuple(name for name, _ in before)
    shapes = tuple(turned_back(shape, order) for shape in call.input_shapes)
    inner = Call(layer, names, shapes, turned_back(call.output_shape, order), call.training)
    return graph.transpose(translate(graph, inner), order)


def works_on_elements(layer: Any) -> bool:
    """Whether the order of a sample's axes makes no difference to the layer."""
    if isinstance(layer, ActivationLayer):
        return is_elementwise(layer)
    scalars = isinstance(layer, Rescaling) and not any(map(np.ndim, (layer.scale, layer.offset)))
    return scalars or isinstance(layer, ON_ELEMENTS)


def is_elementwise(layer: Any) -> bool:
    """Whether the activation of a layer works on each element, not along an axis."""
    return layer.function is not None and layer.function.axis is None


def turned_back(shape: tuple[Any, ...], order: Sequence[int]) -> tuple[Any, ...]:
    """The shape of a sample before a Transpose with this order, if it is `shape` after it."""
    return tuple(size for _, size in sorted(zip(order[1:], shape, strict=True)))


def sample_shape(tensor: KerasTensor) -> tuple[int | None, ...]:
    """The shape of one sample; ``None`` for open sizes."""
    return tuple(tensor.shape[1:])


def finish(graph: Graph, found: list[str], outputs: list[str]) -> None:
    """Give the outputs their names. An input, or a value that is two outputs, needs an extra node."""
    graph.nodes = read_nodes(graph.nodes, found)
    made = {name: node for node in graph.nodes for name in node.output}
    renamed: dict[str, str] = {}
    for value, output in zip(found, outputs, strict=True):
        if value in made and value not in renamed:
            renamed[value] = output
    for node in graph.nodes:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                names[position] = renamed.get(name, name)
    for value, output in zip(found, outputs, strict=True):
        if renamed.get(value) != output:
            graph.scope = output
            graph.nodes.append(
                graph.onnx.helper.make_node("Identity", [renamed.get(value, value)], [output], name=output)
            )


def proto_of(graph: Graph, model: Model, inputs: list[str], outputs: list[str], opset: int) -> bytes:
    """The content of the file."""
    helper = graph.onnx.helper
    ends = [
        helper.make_tensor_value_info(
            name,
            type_of(graph, output_dtype(tensor) or tensor.dtype),
            ["batch", *(size or f"{name}_size_{axis}" for axis, size in enumerate(tensor.shape[1:], 1))],
        )
        for name, tensor in zip([*inputs, *outputs], [*model.inputs, *model.outputs], strict=True)
    ]
    states = [state for own in graph.lasting.values() for state in own]
    starts = [*ends[: len(inputs)], *(state_info(graph, state.first, state) for state in states if state.first)]
    ends = [*ends[len(inputs) :], *(state_info(graph, state.next_name, state) for state in states)]
    made = helper.make_graph(graph.nodes, model.name, starts, ends, graph.constants)
    opsets = [helper.make_opsetid("", opset)]
    proto = helper.make_model(made, opset_imports=opsets, producer_name="cbackprop", producer_version=__version__)
    proto.ir_version = helper.find_min_ir_version_for(opsets)
    try:
        return bytes(proto.SerializeToString())
    except Exception as error:  # protobuf's error if the whole graph is too large
        raise ValueError(f"Model {model.name!r} does not fit into an ONNX file of 2 GB: {error}.") from error


def state_info(graph: Graph, name: str, state: Lasting) -> Any:
    """An input or output for a state that lasts."""
    return graph.onnx.helper.make_tensor_value_info(name, graph.float_type, ["batch", *state.shape])


def type_of(graph: Graph, dtype: str) -> int:
    """The number of a type in ONNX."""
    return int(graph.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
