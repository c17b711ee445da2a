"""Make a model from the graph in an ONNX file."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any

from cbackprop import layers
from cbackprop.export import onnx_limits
from cbackprop.export.example_plan import example_plan
from cbackprop.export.formulas import MASKS, TENSORS
from cbackprop.export.onnx_reader import (  # noqa: F401 - register
    activations,
    attention,
    attention_operator,
    convolution,
    loops,
    masked,
    normalization,
    operators,
    parts,
    pooling,
    preprocessing,
    recurrent,
    resizing,
    weights,
)
from cbackprop.export.onnx_reader.batch_axis import put_batch_first
from cbackprop.export.onnx_reader.builder import (
    OPERATORS,
    PATTERNS,
    WHOLE_INPUTS,
    Builder,
    Pattern,
    UnreadableError,
    masks_of,
)
from cbackprop.export.onnx_reader.contractions import with_products
from cbackprop.export.onnx_reader.folding import FOLDED
from cbackprop.export.onnx_reader.graph import Node, ReadGraph
from cbackprop.export.onnx_reader.inference import BATCH
from cbackprop.export.onnx_reader.input_axes import RECURRENT, is_open
from cbackprop.export.onnx_reader.matching import match
from cbackprop.export.onnx_reader.places import Place
from cbackprop.export.onnx_reader.rearranging.rule import shown
from cbackprop.export.onnx_reader.scikit_learn import with_plain_operators
from cbackprop.export.onnx_reader.visibility import is_known, leaves_of
from cbackprop.layers import Input, Layer
from cbackprop.layers.attention_step import AttentionStep
from cbackprop.layers.global_pooling import GlobalPooling
from cbackprop.layers.masks import Chosen
from cbackprop.models import Model
from cbackprop.number_types import FLOAT_TYPES, INTEGER_TYPES
from cbackprop.suggestions import nearest
from cbackprop.tensor import KerasTensor, output_dtype

__all__ = ["model_of"]

# Operators that move numbers of any type, or check types themselves.
OF_ANY_TYPE = (
    *("Identity", "Cast", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Concat"),
    *("Slice", "Gather", "Split", "Expand"),
)
OF_SEVERAL_OUTPUTS = ("Attention", "GRU", "LSTM", "LayerNormalization", "RNN", "Scan", "Split")
# A node, the function that reads it, and the variables of the formula if it is the last operator of one.
Reading = tuple[Node, Any, dict[str, Any] | None]


def model_of(package: Any, path: str, content: bytes, outputs: Sequence[str] | None) -> Model:
    """Make a model from a file's graph.

    Raises
    ------
    ValueError
        If the file is not a valid ONNX file, or no model computes its graph.
    """
    try:
        proto = parsed(package, path, content)
        labels = with_plain_operators(package, proto, outputs)
        graph = ReadGraph(package, proto)
        model = built(graph, proto, chosen(graph, proto, outputs))
        model.class_names = labels
        return model
    except (UnreadableError, ValueError, TypeError) as error:
        raise ValueError(f"{path!r} cannot be read as a model: {error}") from error


def parsed(package: Any, path: str, content: bytes) -> Any:
    """Parse the file's content and let ONNX check it."""
    proto = package.ModelProto()
    try:
        proto.ParseFromString(content)
    except Exception as error:  # protobuf's errors have no public base class
        raise ValueError("it is not an ONNX file, or it is damaged.") from error
    if not proto.HasField("graph"):
        raise ValueError("it is not an ONNX file: it contains no graph.")
    opset = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 0)
    newest = package.defs.onnx_opset_version()
    if not onnx_limits.OLDEST_READ <= opset <= newest and not is_unchanged(proto, opset):
        raise ValueError(
            f"it is written for operator set {opset}, but {onnx_limits.OLDEST_READ} to {newest} are read. "
            "onnx.version_converter may help."
        )
    if proto.functions or proto.graph.sparse_initializer or proto.training_info:
        raise ValueError(
            "it contains functions, sparse constants or training graphs, which cannot be read. onnx.inliner may help "
            "with functions."
        )
    refuse_unknown(package, proto, opset)
    try:
        package.external_data_helper.load_external_data_for_model(proto, os.path.dirname(os.path.abspath(path)))
        package.checker.check_model(proto)
    except Exception as error:  # the checker's errors, or Python's for damaged text
        raise ValueError(f"it is damaged: {str(error).strip()}") from error
    return proto


def is_unchanged(proto: Any, opset: int) -> bool:
    """Whether all operators of an older file have not changed since."""
    own = {node.op_type for node in proto.graph.node if node.domain in ("", "ai.onnx")}
    return onnx_limits.OLDEST_UNCHANGED <= opset < onnx_limits.OLDEST_READ and own <= onnx_limits.UNCHANGED


def refuse_unknown(package: Any, proto: Any, opset: int) -> None:
    """If ONNX does not know an operator, name all unreadable ones. ONNX's checker would name only the first."""
    nodes = proto.graph.node
    if not all(package.defs.has(node.op_type, opset, "") for node in nodes if node.domain in ("", "ai.onnx")):
        names = {f"{node.domain}::{node.op_type}" if node.domain else node.op_type: node for node in reversed(nodes)}
        readable = {*known_operators(), *FOLDED, "Constant", "Shape"}
        # In a damaged file a node may have no outputs.
        labels = {name: f"{name} {node.name or next(iter(node.output), '')!r}" for name, node in names.items()}
        refuse_operators({name: label for name, label in labels.items() if name not in readable})


def known_operators() -> set[str]:
    """Operators that can be read, alone or as the last one of a formula."""
    return {*OPERATORS, *(pattern.formula.operator for pattern in PATTERNS)}


def refuse_operators(labels: dict[str, str], outputs: Sequence[str] = ()) -> None:
    """Raise an error that names a node for each of these operators, and the `outputs` that could be chosen instead."""
    if labels:
        choice = ", ".join(map(repr, outputs))
        hint = f" The outputs are {choice}: the argument `outputs` can choose some of them." if len(outputs) > 1 else ""
        raise UnreadableError(f"no layer computes {', '.join(labels[name] for name in sorted(labels))}.{hint}")


def chosen(graph: ReadGraph, proto: Any, outputs: Sequence[str] | None) -> list[str]:
    """The names of the values that the model should predict."""
    if outputs is None:
        return [value.name for value in proto.graph.output]
    known = {*graph.makers, *(value.name for value in proto.graph.input)}
    for name in outputs:
        if name not in known:
            raise UnreadableError(f"it has no value {name!r} that could be an output. {nearest(name, known)}")
    return list(dict.fromkeys(outputs))


def built(graph: ReadGraph, proto: Any, outputs: list[str]) -> Model:
    """Build the model, making layers in the order of the nodes."""
    inputs = [value for value in proto.graph.input if not graph.is_constant(value.name)]
    if not inputs or not outputs:
        raise UnreadableError("the graph has no inputs or no outputs.")
    with_products(graph)
    moved = put_batch_first(graph)
    readings, wanted = needed(graph, outputs, [value.name for value in proto.graph.output])
    names = [*(value.name for value in inputs), *outputs]
    builder = Builder(graph, float_type(graph, inputs, proto), names, functools.partial(within, graph.package))
    builder.wanted, builder.ends = wanted, set(outputs)
    for value in inputs:
        enter(builder, value)
    refuse_moved(graph, moved, outputs)
    for node, read, bound in readings:
        if node.outputs[0] in builder.tensors:  # already read, together with an earlier node
            continue
        try:
            refuse_whole_numbers(graph, node, bound)
            made = read(builder, node) if bound is None else read(builder, node, bound)
            tensors = made if isinstance(made, list) else [made]
            for name, tensor in zip(node.outputs, tensors, strict=isinstance(made, list)):
                if tensor is not None:
                    refuse_other_shape(builder, name, tensor)
                    builder.tensors[name] = tensor
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:
            raise UnreadableError(f"{node.label}: {str(error).rstrip('.')}.") from error
    ends = [named_output(builder, name, outputs[:position]) for position, name in enumerate(outputs)]
    starts = [builder.tensors[value.name] for value in inputs]
    title = proto.graph.name or None
    model = Model(starts if len(starts) > 1 else starts[0], ends if len(ends) > 1 else ends[0], name=title)
    refuse_masked(model, builder.masked)
    return model


def within(package: Any, proto: Any) -> Model:
    """Build a model of a graph within a node."""
    return built(ReadGraph(package, proto), proto, [value.name for value in proto.graph.output])


def refuse_moved(graph: ReadGraph, moved: dict[str, Place], outputs: list[str]) -> None:
    """Refuse outputs whose first axis is not the batch.

    That can happen where the inputs do not have the batch first, and with the states of recurrent operators.
    """
    elsewhere = any(graph.batch_axes.values()) or any(node.operator in RECURRENT for node in graph.nodes)
    for name in outputs:
        place = moved.get(name)
        if place is None or (place.is_plain and elsewhere):
            continue
        made = f"its output {name!r}"
        problem = f"the batch is axis {place.axis} of {made}"
        if not place.is_plain:
            problem = f"the samples of a batch have no axis of their own in {made} of shape {shown(place.shape(None))}"
        raise UnreadableError(f"{graph.makers[name].label}: {problem}.")


def refuse_whole_numbers(graph: ReadGraph, node: Node, bound: dict[str, Any] | None) -> None:
    """Refuse arithmetic on integers, because layers compute with floats. Moves, casts and look-ups are allowed."""
    if bound is not None and "table" in bound:
        return
    positions = WHOLE_INPUTS.get(node.operator, ())
    allowed = [*masks_of(node), *(node.inputs[position] for position in positions if position < len(node.inputs))]
    names = [bound[name] for name in TENSORS if name in bound] if bound else node.inputs
    names = [name for name in names if name not in allowed]
    for name in names:
        data = name and not graph.is_constant(name)
        if data and node.operator not in OF_ANY_TYPE and not graph.is_float(name):
            raise UnreadableError(f"its input {name!r} holds integers, but layers compute with floats")


def refuse_other_shape(builder: Builder, name: str, tensor: KerasTensor) -> None:
    """Refuse a layer whose output shape differs from ONNX's. For example, a constant may add axes."""
    expected = builder.graph.shapes.get(name)
    if expected is None:
        return
    first, sizes = expected[:1], expected[1:]
    fits = len(expected) == tensor.ndim and first in ((BATCH,), (None,), (builder.batch,))
    if not fits or any(differ(size, own) for size, own in zip(sizes, tensor.shape[1:], strict=True)):
        shown = ["n" if size == BATCH else size if isinstance(size, int) else "?" for size in expected]
        raise UnreadableError(f"its result has shape ({', '.join(map(str, shown))}), but layers here make another one")


def differ(size: Any, own: int | None) -> bool:
    """Whether two sizes are known and differ."""
    return isinstance(size, int) and own is not None and size != own


def refuse_masked(model: Model, given: Sequence[Layer]) -> None:
    """Refuse layers that would read masks which their operators do not have: those of layers that make a mask.

    The layers `given` were called with theirs.
    """
    names = {layer.name for layer in given}
    for step in example_plan(model).steps:
        layer = step.layer
        leaves_out = isinstance(layer, Chosen) or (isinstance(layer, GlobalPooling) and len(step.inputs) > 1)
        leaves_out = leaves_out or (isinstance(layer, AttentionStep) and layer.hides)
        if leaves_out and layer.name.removesuffix("/chosen") not in names:
            raise UnreadableError(f"{layer.name!r} would leave out masked values, which the graph does not.")


def needed(graph: ReadGraph, outputs: list[str], choice: list[str]) -> tuple[list[Reading], set[str]]:
    """The nodes that the outputs depend on, each with its reader, and the values that are read.

    `choice` are the outputs of the graph.

    Raises
    ------
    UnreadableError
        If some nodes cannot be read; the message names all their operators.
    """
    wanted, found, unknown, fixed = set(outputs), [], {}, []
    for node in reversed(graph.nodes):
        here = wanted.intersection(node.outputs)
        if not here or all(graph.is_constant(name) for name in here):
            continue
        if node.operator in known_operators() and all(graph.is_constant(name) for name in node.inputs if name):
            fixed.append(f"{node.label}: {graph.why_unknown(node.outputs[0])}")
            continue
        if node.problem:
            fixed.append(f"{node.label}: {node.problem}")
        read, bound = reading_of(graph, node)
        if read is None or (here != {node.outputs[0]} and node.operator not in OF_SEVERAL_OUTPUTS):
            unknown[node.operator] = node.label
        found.append((node, read, bound))
        for name in filter(None, sources_of(graph, node, bound)):
            if graph.is_computed(name) and node.problem:
                continue
            if graph.is_computed(name):
                fixed.append(f"{node.label}: {graph.why_unknown(name)}")
            elif not graph.is_constant(name):
                wanted.add(name)
    refuse_operators(unknown, choice if outputs == choice else [])
    if fixed:
        raise UnreadableError(f"{fixed[-1]}.")
    return found[::-1], wanted


def sources_of(graph: ReadGraph, node: Node, bound: dict[str, Any] | None) -> list[str]:
    """The inputs of a node, or of the formula that ends with it."""
    if bound is not None:
        sources = [bound[name] for name in TENSORS if name in bound]
        masks = [bound[name] for name in MASKS if name in bound]
    else:
        masks = masks_of(node)
        sources = [name for name in node.inputs if name not in masks]
    return [*sources, *(leaf for name in filter(None, masks) for leaf in leaves_of(graph, name))]


@functools.cache
def patterns_of(operator: str) -> list[Pattern]:
    """The formulas whose last operator this is, the largest first."""
    found = [pattern for pattern in PATTERNS if pattern.formula.operator == operator]
    return sorted(found, key=lambda pattern: pattern.formula.size, reverse=True)


def reading_of(graph: ReadGraph, node: Node) -> tuple[Any, dict[str, Any] | None]:
    """The function that reads a node, and the formula's variables if the node is the last operator of a formula."""
    for pattern in patterns_of(node.operator):
        bound = match(pattern.formula, graph, node)
        if bound is not None:
            bound |= {"sample": graph.sample(bound["x"]), "rank": graph.rank(bound["x"])}
            if "w" in bound:
                bound["mask_is_known"] = is_known(graph, bound["w"])
            if pattern.accept(bound):
                return pattern.read, bound
    return OPERATORS.get(node.operator), None


def float_type(graph: ReadGraph, inputs: Any, proto: Any) -> str:
    """The type of the first float among the inputs and outputs."""
    types = [type_of(graph, value) for value in [*inputs, *proto.graph.output]]
    return next((dtype for dtype in types if dtype in FLOAT_TYPES), "float32")


def type_of(graph: ReadGraph, value: Any) -> str:
    """The type of an input or output, by NumPy's name."""
    try:
        return str(graph.package.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name)
    except KeyError:
        return "no numbers"


def enter(builder: Builder, value: Any) -> None:
    """Make a graph's input.

    Raises
    ------
    UnreadableError
        If the size of a sample is not known.
    """
    dims = list(value.type.tensor_type.shape.dim)
    if not value.type.tensor_type.HasField("shape") or not dims:
        raise UnreadableError(f"input {value.name!r} has no axis for a batch.")
    sizes = [0 if is_open(dim) else int(dim.dim_value) for dim in dims]
    if any(size == 0 and not is_open(dim) for size, dim in zip(sizes, dims, strict=True)):
        raise UnreadableError(f"input {value.name!r} has no elements.")
    sizes = [sizes.pop(builder.graph.batch_axes[value.name]), *sizes]
    dtype = type_of(builder.graph, value)
    if dtype in FLOAT_TYPES or dtype == "float16":
        dtype = builder.dtype
    elif dtype not in INTEGER_TYPES:
        raise UnreadableError(f"input {value.name!r} holds {dtype}, but only real numbers are read.")
    if sizes[0] > 0 and builder.batch not in (None, sizes[0]):
        raise UnreadableError(f"input {value.name!r} is for {sizes[0]} samples, but another one for {builder.batch}.")
    builder.batch = sizes[0] or builder.batch
    builder.tensors[value.name] = Input(
        tuple(size if size > 0 else None for size in sizes[1:]), dtype=dtype, name=value.name
    )


def named_output(builder: Builder, name: str, before: list[str]) -> KerasTensor:
    """An output's tensor, made by a layer with the output's name."""
    tensor = builder.tensor(name)
    others = [builder.tensors[other] for other in before]
    layer = tensor.node.layer if tensor.node is not None else None
    floats = output_dtype(tensor) is not None and builder.graph.is_float(name)
    several = tensor.node is not None and len(tensor.node.outputs) > 1
    if floats or several or layer is None or layer.n_inputs == 0 or any(tensor is other for other in others):
        free = name if layer is None or layer.name != name else builder.unique(name)
        return layers.Identity(name=free, dtype=builder.dtype)(tensor)
    layer.name = name
    return tensor
