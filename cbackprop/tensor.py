"""Symbolic tensors, and the calls of layers that connect them into a graph."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cbackprop.absent import attribute_missing
from cbackprop.families import families

if TYPE_CHECKING:
    from cbackprop.layers.layer import Layer

__all__ = ["KerasTensor", "Node", "Shape", "flatten", "is_dict", "is_symbolic", "map_structure", "output_dtype"]

# The shape of a batch: (None, ...); the shape of a sample is what follows the None.
Shape = tuple[int | None, ...]


class KerasTensor:
    """A value of a network that is being described: a shape and a dtype, no numbers yet.

    Attributes
    ----------
    shape : tuple
        ``(None, ...)``: the batch size comes with the data.
    dtype : str
    name : str
    node : Node
        The call of a layer that makes it.
    sparse, ragged : bool
        Whether an `Input` said that sparse matrices are expected; ragged tensors there are none.
    """

    sparse = False
    ragged = False

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: str = "float32",
        name: str = "keras_tensor",
        node: Node | None = None,
    ) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype = dtype
        self.name = name
        self.node = node

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_missing(self, "KerasTensor", name)

    @property
    def ndim(self) -> int:
        """Number of axes, the batch included."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"{self!r} is symbolic: it has no values. Make a Model of its inputs and outputs, and call that on arrays."
        )

    # NumPy leaves operators between an array and a tensor to the tensor.
    __array_ufunc__ = None

    def _layer(self, name: str, inputs: Any, *arguments: Any) -> Any:
        return families["layers"].find(name)(*arguments, dtype=self._float_type)(inputs)

    @property
    def _float_type(self) -> str | None:
        """The tensor's type; of whole numbers, which layers read as floats, the default one."""
        return self.dtype if self.dtype.startswith("float") else None

    def _merge(self, other: Any, layer: str) -> Any:
        if not isinstance(other, KerasTensor):
            raise TypeError(
                f"{self!r} can only be combined with numbers, arrays and other symbolic tensors, but got {other!r}."
            )
        return self._layer(layer, [self, other])

    def _rescale(self, scale: Any, offset: Any = 0.0) -> Any:
        return self._layer("Rescaling", self, scale, offset)

    def _constant(self, value: Any) -> Any:
        """A number, or an array that fits a sample, for a layer to scale or shift with; ``None`` if it is neither."""
        if _is_number(value):
            return value
        if not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind not in "fiu":
            return None
        value = np.asarray(value)
        fitted = value[0] if value.ndim == self.ndim and value.shape[0] == 1 else value
        if not _broadcasts(fitted.shape, self.shape[1:]):
            raise ValueError(
                f"{self!r} can only be combined with arrays that broadcast to one of its samples, but got an array of "
                f"shape {value.shape}."
            )
        return fitted

    def __add__(self, other: Any) -> Any:
        value = self._constant(other)
        return self._merge(other, "Add") if value is None else self._rescale(1.0, value)

    def __sub__(self, other: Any) -> Any:
        value = self._constant(other)
        return self._merge(other, "Subtract") if value is None else self._rescale(1.0, -value)

    def __rsub__(self, other: Any) -> Any:
        value = self._constant(other)
        return self._merge(other, "Subtract") if value is None else self._rescale(-1.0, value)

    def __mul__(self, other: Any) -> Any:
        value = self._constant(other)
        return self._merge(other, "Multiply") if value is None else self._rescale(value)

    def __truediv__(self, other: Any) -> Any:
        value = self._constant(other)
        if value is None:
            return self._merge(other, "TrueDivide")
        if np.any(value == 0):
            raise TypeError(f"{self!r} can only be divided by numbers other than 0, but got {other!r}.")
        return self._rescale(1 / np.asarray(value, np.float64) if isinstance(value, np.ndarray) else 1 / value)

    def __rtruediv__(self, other: Any) -> Any:
        value = self._constant(other)
        if value is None:
            return self._merge(other, "TrueDivide")
        inverse = self._layer("Power", self, -1.0)
        return inverse if _is_number(value) and value == 1 else inverse * value

    def __pow__(self, other: Any) -> Any:
        return self._layer("Power", self, other) if _is_number(other) else self._merge(other, "Power")

    def __rpow__(self, other: Any) -> Any:
        if not _is_number(other) or other <= 0:
            raise TypeError(f"Only positive numbers can be raised to the power of {self!r}, but got {other!r}.")
        return self._layer("Activation", self._rescale(math.log(other)), "exponential")

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, KerasTensor) and self.ndim == other.ndim == 3:
            return self._layer("Dot", [self, other], (2, 1))
        what = f"of shape {other.shape}" if isinstance(other, KerasTensor) else repr(other)
        raise TypeError(
            f"{self!r} @ {what} is no product of a matrix with a matrix for each sample. A product with weights is "
            "layers.Dense, one of other axes layers.Dot."
        )

    def __rmatmul__(self, other: Any) -> Any:
        raise TypeError(f"{other!r} @ {self!r}: a product with weights is layers.Dense.")

    def __neg__(self) -> Any:
        return self._rescale(-1.0)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self._layer("Absolute", self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __getitem__(self, key: Any) -> Any:
        return self._layer("GetItem", self, key)

    def __iter__(self) -> Any:
        raise NotImplementedError(
            f"{self!r} is symbolic, and cannot be gone through. Take its parts by their places, such as tensor[:, 0]."
        )

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} is symbolic: it is neither true nor false.")

    def _refuse(self, *others: Any) -> Any:
        raise TypeError(
            f"{self!r} is symbolic, and comparing or rounding it, or joining it by &, | and ~, has no gradient. "
            "Do so in a layer in Python: layers.Lambda(function, backward=...)."
        )

    __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __round__ = _refuse
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = _refuse

    def _without_value(self) -> Any:
        raise ValueError(f"{self!r} is symbolic: it has no value that could be a number.")

    __int__ = __float__ = __index__ = _without_value


def _broadcasts(shape: tuple[int, ...], sample: Sequence[int | None]) -> bool:
    """Whether an array of this shape broadcasts to a sample without changing its shape."""
    pairs = zip(shape[::-1], sample[::-1], strict=False)
    return len(shape) <= len(sample) and all(length == 1 or length == size for length, size in pairs)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


class Node:
    """One call of a layer on symbolic tensors.

    Attributes
    ----------
    layer : Layer
    inputs : tuple of KerasTensor
    outputs : tuple of KerasTensor
    training : bool or None
        As the call fixed it; ``None`` leaves it to the run.
    graph : Graph or None
        For a call of a model: its graph, as it was then.
    arguments : CallArguments or None
        For a call of a layer: all that it was called with.
    adds_losses : bool
        Whether the layer's `call` adds to the loss.
    structure : object
        `outputs` in the structure that the call has returned.
    """

    def __init__(
        self,
        layer: Layer,
        inputs: Sequence[KerasTensor],
        outputs: Sequence[KerasTensor],
        training: bool | None = None,
        graph: Any = None,
        arguments: Any = None,
        structure: Any = None,
    ) -> None:
        self.layer = layer
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.training = training
        self.graph = graph
        self.arguments = arguments
        self.adds_losses = False
        self.structure = outputs[0] if structure is None and len(outputs) == 1 else structure
        for tensor in outputs:
            tensor.node = self

    @property
    def data(self) -> tuple[KerasTensor, ...]:
        """The inputs without the masks that the call was given as tensors."""
        masks = 0 if self.arguments is None else len(self.arguments.given_masks)
        return self.inputs[: len(self.inputs) - masks]


def is_symbolic(structure: Any) -> bool:
    """Whether any leaf of nested lists, tuples and dicts is a symbolic tensor."""
    return any(isinstance(leaf, KerasTensor) for leaf in flatten(structure))


def is_optional(tensor: KerasTensor) -> bool:
    """Whether data need not be given for a symbolic input."""
    return tensor.node is not None and getattr(tensor.node.layer, "optional", False) is True


def is_dict(value: Any) -> bool:
    """Whether this is a dict of parts. A sparse matrix of SciPy may be a dict, too, of its elements."""
    return isinstance(value, dict) and not hasattr(value, "tocsr")


def flatten(structure: Any) -> list[Any]:
    """Leaves of nested lists, tuples and dicts, in order (dicts in the order of their sorted keys).

    A list of numbers is one leaf.
    """
    if is_dict(structure):
        return [leaf for key in sorted(structure) for leaf in flatten(structure[key])]
    if isinstance(structure, (list, tuple)) and _is_structure(structure):
        return [leaf for item in structure for leaf in flatten(item)]
    return [structure]


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The same nesting with `function` applied to every leaf, called in the order of `flatten`."""
    if is_dict(structure):
        mapped = {key: map_structure(function, structure[key]) for key in sorted(structure)}
        return {key: mapped[key] for key in structure}
    if isinstance(structure, (list, tuple)) and _is_structure(structure):
        mapped_items = [map_structure(function, item) for item in structure]
        return type(structure)(*mapped_items) if hasattr(structure, "_fields") else type(structure)(mapped_items)
    return function(structure)


def _is_structure(items: Sequence[Any]) -> bool:
    """Whether a list holds arrays or tensors, and is not an array written as a list of numbers.

    ``None`` may stand in place of some.
    """
    present = [item for item in items if item is not None]
    return len(present) > 0 and all(
        isinstance(item, (KerasTensor, dict)) or (hasattr(item, "__array__") and np.ndim(item) > 0)
        if not isinstance(item, (list, tuple))
        else _is_structure(item)
        for item in present
    )


def output_dtype(tensor: KerasTensor) -> str | None:
    """The type in which models return a value, where its layer says that this is no float type."""
    return None if tensor.node is None else tensor.node.layer.output_dtype
