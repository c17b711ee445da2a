"""Build a graph of ONNX operators."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop.export.formulas import TENSORS, TYPES, operator_of, parse
from cbackprop.layers import Layer, registry
from cbackprop.variable import Variable

__all__ = [
    "Call",
    "Graph",
    "Lasting",
    "Translation",
    "WeightPart",
    "check_sizes",
    "read_nodes",
    "translates",
    "translation_of",
]


@dataclass(frozen=True)
class Call:
    """One call of a layer. `inputs` are the names of values in the graph.

    Shapes are those of a sample; a size is ``None`` where the model leaves it open. There is a mask, or ``None``, for
    each input, or nothing at all if the call reads no masks.
    """

    layer: Any
    inputs: tuple[str, ...]
    input_shapes: tuple[tuple[Any, ...], ...]
    output_shape: tuple[Any, ...]
    training: bool | None
    settings: dict[str, Any] = field(default_factory=dict)
    masks: tuple[Any, ...] = ()

    @property
    def mask(self) -> Any:
        """That of the first input; ``None`` if it has none."""
        return self.masks[0] if self.masks else None


class WeightPart(NamedTuple):
    """What an index takes of a weight, with its axes in an order."""

    variable: Variable
    place: tuple[Any, ...] = ()
    order: tuple[int, ...] | None = None

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """The part of an array with the shape of the weight."""
        part = array[self.place]
        return part if self.order is None else part.transpose(self.order)


@dataclass
class Lasting:
    """A state that lasts from batch to batch: an input of the graph, and an output.

    Attributes
    ----------
    name, next_name : str
        As users call it at the beginning and at the end, if these names are free.
    shape : tuple of int
        Of a sample.
    first, last : str
        The input, empty if nothing reads it, and the value at the end so far.
    """

    name: str
    next_name: str
    shape: tuple[int, ...]
    first: str = ""
    last: str = ""


# Writes a layer; returns the name of its output, or the names of several.
Translation = Callable[["Graph", Call], Any]
_translations: dict[type[Layer], Translation] = {}
# Functions that write the same operators for all sizes, so that sizes may be open.
_for_any_sizes: set[Translation] = set()


def translates(*classes: type[Layer], any_sizes: bool = False) -> Callable[[Translation], Translation]:
    """Decorator: the function writes calls of these layers to a graph, without the layer's `activation`.

    It returns the name of the output, or a list of names if there are several. With `any_sizes`, sizes may be open.
    """

    def enter(function: Translation) -> Translation:
        _translations.update(dict.fromkeys(classes, function))
        if any_sizes:
            _for_any_sizes.add(function)
        return function

    return enter


def check_sizes(translate: Translation, call: Call) -> None:
    """Refuse a call with open sizes, if the operators that are written depend on the sizes."""
    if translate not in _for_any_sizes and any(None in shape for shape in (*call.input_shapes, call.output_shape)):
        raise ValueError(
            f"Layer {call.layer.name!r} ({type(call.layer).__name__}) can only be written to ONNX for inputs of known "
            f"sizes, but sizes of {', '.join(map(str, call.input_shapes))} are open."
        )


def translation_of(layer: Layer) -> Translation:
    """The function that writes a layer: that of its class, or of a base class with the same computation.

    Raises
    ------
    ValueError
        If there is no such function.
    """
    for cls in type(layer).__mro__:
        if cls in _translations and not layer.is_python and layer.implementation == cls.implementation:
            return _translations[cls]
        if registry.name_of(cls) is not None:  # a layer of this library does not compute what its base class does
            break
    kind = "is written in Python" if layer.is_python else "has a computation of its own"
    raise ValueError(f"Layer {layer.name!r} ({type(layer).__name__}) cannot be written to ONNX: it {kind}.")


class Graph:
    """Operators and constants with unique names.

    Parameters
    ----------
    package : module
        The package onnx.
    dtype : {"float32", "float64"}
        The type of all numbers except indices.
    names : sequence of str
        The names of the graph's inputs.

    Attributes
    ----------
    inputs : list of str
    batch : str
        A value that has a row for each sample.
    nodes : list of NodeProto
    constants : list of TensorProto
    scope : str
        The prefix of names of new values.
    weights : dict of str to WeightPart
        The constants that are weights, by name.
    lasting : dict of Layer to list of Lasting
        The states that last from batch to batch, by layer.
    """

    def __init__(self, package: Any, dtype: str, names: Sequence[str]) -> None:
        self.onnx, self.inputs = package, list(names)
        self.batch = next(iter(names), "")
        self.dtype = np.dtype(dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.scope = ""
        self._names = set(names)
        self._known: dict[Any, str] = {}
        self._transposed: dict[str, tuple[str, list[int]]] = {}
        self.weights: dict[str, WeightPart] = {}
        self.lasting: dict[Any, list[Lasting]] = {}

    @property
    def float_type(self) -> int:
        """The number of the float type in ONNX."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(self.dtype))

    def unique(self, name: str) -> str:
        """`name`, with a number appended if it is taken."""
        found, number = name, 1
        while found in self._names:
            found, number = f"{name}_{number}", number + 1
        self._names.add(found)
        return found

    def add(self, operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> str:
        """Add an operator on values (names) and constants (arrays or numbers); return the name of its first output."""
        return self.several(operator, inputs, [True] * outputs, **attributes)[0]

    def several(self, operator: str, inputs: Sequence[Any], wanted: Sequence[bool], **attributes: Any) -> list[str]:
        """Add an operator; return the names of its outputs, empty for unwanted ones."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        made = [self.unique(f"{self.scope}/{operator}") if one else "" for one in wanted]
        name = next(filter(None, made))
        self.nodes.append(self.onnx.helper.make_node(operator, names, made, name=name, **attributes))
        return made

    def constant(self, value: Any, name: str = "constant") -> str:
        """Add a constant and return its name. Floats get the graph's type, integers become int64."""
        array = np.asarray(value)
        array = np.ascontiguousarray(array, np.int64 if array.dtype.kind in "iu" else self.dtype).reshape(array.shape)
        key = array.dtype, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = self._store(array, f"{self.scope}/{name}")
        return self._known[key]

    def flags(self, array: NDArray[np.bool_]) -> str:
        """Add a constant of booleans, and return its name."""
        key = array.dtype, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = self._store(np.ascontiguousarray(array), f"{self.scope}/constant")
        return self._known[key]

    def variable(self, variable: Variable, order: Sequence[int] | None = None, index: tuple[Any, ...] = ()) -> str:
        """The name of a weight, or of what an index takes of it, with the axes in this order.

        It is stored once, even if several calls use it.
        """
        part = WeightPart(variable, index, None if order is None else tuple(order))
        key = variable, repr(index), part.order
        if key not in self._known:
            self._known[key] = self._store(np.ascontiguousarray(part.of(variable.numpy())), variable.path)
            self.weights[self._known[key]] = part
        return self._known[key]

    def _store(self, array: NDArray[Any], name: str) -> str:
        found = self.unique(name)
        self.constants.append(self.onnx.numpy_helper.from_array(array, found))
        return found

    def reshape(self, value: str, sample_shape: Sequence[int | None]) -> str:
        """Reshape samples. One size may be open."""
        sizes = [-1 if size is None else size for size in sample_shape]
        return self.add("Reshape", value, np.array([0, *sizes], np.int64))

    def transpose(self, value: str, order: Sequence[int]) -> str:
        """Reorder the axes. Consecutive Transposes become one, or none."""
        source, before = self.before_transpose(value, len(order))
        perm = [before[axis] for axis in order]
        if perm == sorted(perm):
            return source
        made = self.add("Transpose", source, perm=perm)
        self._transposed[made] = source, perm
        return made

    def before_transpose(self, value: str, rank: int) -> tuple[str, list[int]]:
        """If this value is the output of a Transpose, its input and the order of axes. Otherwise the value itself."""
        return self._transposed.get(value, (value, list(range(rank))))

    @contextlib.contextmanager
    def body(self, batch: str) -> Iterator[list[Any]]:
        """Collect the nodes that are added within the ``with`` block, for a graph within this one, such as a loop's.

        `batch` is a value in it that has a row for each sample.
        """
        outer, self.nodes, self.batch = (self.nodes, self.batch), [], batch
        try:
            yield self.nodes
        finally:
            self.nodes, self.batch = outer

    def formula(self, text: str, x: str, y: str | None = None, **constants: Any) -> str:
        """Add the operators of a formula (see `cbackprop.export.formulas`) with these values of its variables."""
        return _Writing(self, text, {"x": x, "y": y} | constants).result


def read_nodes(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """The nodes without those Transposes whose result is not read."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if node.op_type != "Transpose" or node.output[0] in wanted:
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


class _Writing:
    """Writes one formula to a graph."""

    def __init__(self, graph: Graph, text: str, values: dict[str, Any]) -> None:
        self.graph, self.values = graph, values
        formula = parse(text)
        self.definitions = formula.definitions
        self.result: str = self.write(formula.result)

    def write(self, tree: ast.expr) -> Any:
        """Write a part of the formula; return the name of its value, or a constant."""
        if isinstance(tree, ast.Call):
            operator = operator_of(tree)
            attributes = {keyword.arg or "": self.attribute(keyword.value) for keyword in tree.keywords}
            outputs = 2 if operator == "TopK" else 1
            return self.graph.add(operator, *map(self.write, tree.args), outputs=outputs, **attributes)
        if isinstance(tree, ast.Subscript):
            tree = tree.value
        if not isinstance(tree, ast.Name):
            return float(ast.literal_eval(tree))
        if tree.id not in self.values:
            self.values[tree.id] = self.write(self.definitions[tree.id])
        value = self.values[tree.id]
        return value if tree.id in TENSORS or not isinstance(value, float) else self.graph.dtype.type(value)

    def attribute(self, tree: ast.expr) -> Any:
        """The value of an attribute."""
        if not isinstance(tree, ast.Name):
            return ast.literal_eval(tree)
        if tree.id == "float":
            return self.graph.float_type
        if tree.id in TYPES:
            return int(self.graph.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tree.id)))
        return self.values[tree.id]
