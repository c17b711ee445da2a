"""Activation functions: a name and arguments for users, and a kernel with its numbers for engines."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, ParamSpec

import numpy as np
from numpy.typing import NDArray

from cbackprop import config
from cbackprop.compiled.kernels import activations as kernels
from cbackprop.compiled.kernels.glu import glu
from cbackprop.config_reading import from_config
from cbackprop.config_writing import to_config
from cbackprop.families import families
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.own_objects import own_objects
from cbackprop.registry import Registry
from cbackprop.tensor import KerasTensor
from cbackprop.validation import check_integer, contiguous

__all__ = [
    "ActivationFunction",
    "Kernel",
    "activation",
    "check_axes",
    "deserialize",
    "evaluate",
    "get",
    "registry",
    "serialize",
]

Arguments = ParamSpec("Arguments")

registry = Registry("activation", "activations")


class Kernel(NamedTuple):
    """The name of a kernel and its numbers, which engines run.

    `axis` is set if the function works along one axis, or along several adjacent ones. Then the first number that the
    kernel gets is that of the elements that follow these axes. `halves` means that the result has half as many elements
    along the axis. Such a function is not in `kernels.activations`.
    """

    name: str
    numbers: tuple[float, ...] = ()
    axis: int | tuple[int, ...] | None = None
    halves: bool = False

    def axes(self, shape: tuple[Any, ...]) -> tuple[int, ...]:
        """The axes as sorted non-negative numbers, for an array of this shape; empty if it works on each element.

        Raises
        ------
        ValueError
            If an axis does not exist, or is named twice.
        """
        given = () if self.axis is None else self.axis if isinstance(self.axis, tuple) else (self.axis,)
        found = sorted(axis + len(shape) if axis < 0 else axis for axis in given)
        if found and (found[0] < 0 or found[-1] >= len(shape)):
            raise ValueError(f"axis {self.axis} is out of range for x of shape {shape}.")
        if len(set(found)) < len(found):
            raise ValueError(f"axis {self.axis} names an axis of x, of shape {shape}, twice.")
        return tuple(found)

    def layout(self, shape: tuple[int, ...]) -> tuple[int, int, tuple[float, ...]]:
        """``(rows, width, numbers)`` for the kernel on an array of this shape."""
        if self.axis is None:
            return 1, math.prod(shape), self.numbers
        axes = self.axes(shape)
        inner = math.prod(shape[axes[-1] + 1 :])
        return math.prod(shape[: axes[0]]), math.prod(shape[axes[0] :]), (inner, *self.numbers)

    def output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The shape of the result for x of this shape.

        Raises
        ------
        ValueError
            If the size of an axis to be halved is odd.
        """
        if not self.halves:
            return shape
        (axis,) = self.axes(shape)
        size = shape[axis]
        if size is None or size % 2:
            raise ValueError(f"{self.name} halves axis {self.axis}, which must be even, but the shape is {shape}.")
        return (*shape[:axis], size // 2, *shape[axis + 1 :])

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an input, without the batch axis, whose result has this shape."""
        if not self.halves:
            return shape
        axis = self.axes((None, *shape))[0] - 1
        if axis < 0 or shape[axis] is None:
            raise ValueError(
                f"{self.name} halves axis {self.axis} of samples, which must have a size, but their shape is {shape}."
            )
        return (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :])


class ActivationFunction(Generic[Arguments]):
    """A public activation function.

    The decorator `activation` makes it from a function that checks the arguments after ``x`` and returns a `Kernel`.
    Calling the activation runs the kernel.
    """

    def __init__(self, kernel: Callable[Arguments, Kernel], arguments: dict[str, Any] | None = None) -> None:
        functools.update_wrapper(self, kernel)
        self._kernel = kernel
        self.arguments = arguments or {}
        self._made: Kernel | None = None  # cached, because a plan asks for it many times
        self.unbound = self
        signature = inspect.signature(kernel)
        x = inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.__signature__ = signature.replace(parameters=[x, *signature.parameters.values()])

    def bind(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> ActivationFunction[Arguments]:
        """The same activation with other values of its arguments.

        Raises
        ------
        TypeError, ValueError
            If an argument does not exist, or its value is of the wrong type or out of range.
        """
        try:
            arguments = inspect.signature(self._kernel).bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"Activation {self.__name__}: {error}.") from None
        self._kernel(**arguments)  # type: ignore[call-arg]
        bound = ActivationFunction(self._kernel, dict(arguments))
        bound.unbound = self.unbound
        return bound

    def kernel(self) -> Kernel:
        """The kernel that engines run."""
        if self._made is None:
            self._made = self._kernel(**self.arguments)  # type: ignore[call-arg]
        return self._made

    def get_config(self) -> dict[str, Any]:
        """The arguments that were bound, as plain values."""
        return {name: to_config(value) for name, value in self.arguments.items()}

    def from_config(self, config: dict[str, Any]) -> ActivationFunction[Arguments]:
        """The activation with these arguments bound."""
        return self.bind(**config) if config else self  # type: ignore[call-arg]

    def __call__(self, x: Any, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Any:
        function = self.bind(*args, **{**self.arguments, **kwargs}) if args or kwargs else self
        if isinstance(x, KerasTensor):
            return families["layers"].find("Activation")(function)(x)
        return evaluate(function.kernel(), x)

    def __reduce__(self) -> Any:
        return deserialize, (registry.serialize(self),)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"<activation {self.__name__}({arguments})>" if arguments else f"<activation {self.__name__}>"

    __name__: str


def activation(*aliases: str) -> Callable[[Callable[Arguments, Kernel]], ActivationFunction[Arguments]]:
    """Decorator: register a public activation under its name and `aliases`."""

    def enter(kernel: Callable[Arguments, Kernel]) -> ActivationFunction[Arguments]:
        function = ActivationFunction(kernel)
        registry.add(function, *aliases)
        return function

    return enter


def evaluate(kernel: Kernel, x: Any) -> NDArray[Any]:
    """f(x) by the compiled kernel, in the array's own float type (`config.floatx` for anything else)."""
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"x must hold real numbers, but got dtype {array.dtype}.")
    # a Python number gets the type `floatx`, although NumPy would make it float64
    dtype = array.dtype.name if hasattr(x, "dtype") and array.dtype.name in FLOAT_TYPES else config.floatx()
    axes = kernel.axes(array.shape)
    if _are_apart(axes):
        last = tuple(range(array.ndim - len(axes), array.ndim))
        moved = evaluate(kernel._replace(axis=last), np.moveaxis(array.astype(dtype), axes, last))
        return np.moveaxis(moved, last, axes)
    shape = kernel.output_shape(array.shape)
    rows, width, numbers = kernel.layout(array.shape)
    matrix = contiguous(array, dtype).reshape(rows, width)
    if kernel.halves:
        halved: NDArray[Any] = glu(matrix).reshape(shape)
        return halved
    out = np.empty(shape, dtype)
    kernels.Activation(kernel.name, numbers).apply(matrix, out.reshape(rows, width))
    return out


def check_axes(axis: Any) -> int | tuple[int, ...]:
    """Check an axis or a tuple of several.

    Raises
    ------
    TypeError
        If it is neither an integer nor a tuple of integers.
    ValueError
        If the tuple is empty.
    """
    if not isinstance(axis, (tuple, list)):
        return check_integer("axis", axis)
    axes = tuple(check_integer("every element of axis", item) for item in axis)
    if not axes:
        raise ValueError("axis must name at least one axis, but got ().")
    return axes if len(axes) > 1 else axes[0]


def _are_apart(axes: tuple[int, ...]) -> bool:
    """Whether these sorted axes are not adjacent."""
    return bool(axes) and axes[-1] - axes[0] >= len(axes)


def serialize(activation: Any) -> Any:
    """Describe an activation: by its name, or by its config if it is a layer."""
    return registry.serialize(activation) if isinstance(activation, ActivationFunction) else to_config(activation)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make the activation that `serialize` described."""
    if custom_objects:
        token = own_objects.enter(custom_objects)
        try:
            return deserialize(config)
        finally:
            own_objects.leave(token)
    return from_config(config) if _is_described(config) else registry.deserialize(config)


def _is_described(identifier: Any) -> bool:
    """Whether this is the config of a layer, a function, or an object of a user's class."""
    if not isinstance(identifier, dict):
        return False
    family = str(identifier.get("module")).rpartition(".")[2]
    own = identifier.get("registered_name") in own_objects.all()
    return own or family == "layers" or identifier.get("class_name") in ("function", "__lambda__")


def _checked_layer(layer: Any) -> Any:
    """Check a layer that is used as an activation: it must apply an activation or run in Python, without weights.

    Raises
    ------
    TypeError
        For any other layer.
    """
    if layer.as_activation() is None and (not layer.is_python or layer.is_model or layer.variables):
        raise TypeError(
            f"A layer as an activation applies one and nothing else, such as layers.ReLU(), or computes in Python "
            f"without weights, such as layers.Lambda(function), but got {layer!r}. Put it behind the layer instead."
        )
    return layer


def get(identifier: Any) -> Any:
    """Return the activation that is given by a name, a config, a function or a layer; `linear` for ``None``.

    A function of your own, which takes and returns an array, is returned unchanged. There is no automatic
    differentiation: if gradients must pass, give it an attribute `backward`, called as
    ``backward(inputs, outputs, delta)`` with ``delta = dL/doutputs``, which returns dL/dinputs.

    Raises
    ------
    TypeError
        For anything else.
    ValueError
        For an unknown name (the message lists similar known names).

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.activations.get("linear")
    <activation linear>
    """
    if identifier is None:
        return registry.find("linear")
    if _is_described(identifier):
        identifier = from_config(identifier)
    if hasattr(identifier, "as_activation") and not isinstance(identifier, type):
        return _checked_layer(identifier)
    found = registry.get(identifier)
    if not callable(found):
        raise TypeError(
            f"An activation is a name or a function of cbackprop.activations, or a callable, but got {identifier!r}. "
            "For a function with other arguments, use its bind: activations.leaky_relu.bind(negative_slope=0.1)."
        )
    return found
