"""Layers whose computation is written in Python: what engines call, and what comes back checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import Layer, check_shape, registry
from cbackprop.registry import to_config
from cbackprop.tensor import Shape
from cbackprop.validation import check_items

__all__ = ["Lambda", "differentiate", "evaluate"]

Array = NDArray[Any]


def _takes_training(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions in C do not tell
        return False
    return any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)


def _checked(layer: Layer, what: str, value: Any, shape: tuple[int, ...]) -> Array:
    """An array of this shape in the layer's float type, or an error that names the layer."""
    if type(value).__module__.partition(".")[0] in ("torch", "tensorflow", "jax", "jaxlib", "keras"):
        raise TypeError(
            f"{what} of layer {layer.name!r} is a {type(value).__name__}, but must be a NumPy array: write the layer "
            "with NumPy, and its gradient in a method backward(inputs, outputs, delta)."
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{what} of layer {layer.name!r} must be one array of shape {shape}: {error}.") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} of layer {layer.name!r} must hold real numbers, but has dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{what} of layer {layer.name!r} must have shape {shape}, but has {array.shape}.")
    return np.ascontiguousarray(array, layer.dtype)


def evaluate(layer: Any, inputs: list[Array], output_shape: tuple[int, ...], training: bool) -> Array:
    """What the layer's `call` returns for a batch, checked.

    Raises
    ------
    TypeError, ValueError
        If it is no array of real numbers of the shape (batch, *output_shape).
    """
    given = inputs[0] if len(inputs) == 1 else inputs
    value = layer.call(given, training=training) if _takes_training(layer.call) else layer.call(given)
    return _checked(layer, "The output", value, (len(inputs[0]), *output_shape))


def observed_shape(layer: Any, input_shape: Any) -> Shape | None:
    """The shape of the output as a call with zeros for one sample shows it; ``None`` if the layer raises an error.

    Raises
    ------
    ValueError
        If the output has no row for that sample.
    """
    try:
        found = np.shape(_call_on_zeros(layer, input_shape))
    except Exception:  # it may need other numbers than zeros
        return None
    return _sample_shape(layer, found)


def _call_on_zeros(layer: Any, input_shape: Any) -> Any:
    shapes = input_shape if isinstance(input_shape, list) else [input_shape]
    zeros = [np.zeros((1, *(size or 1 for size in shape[1:])), layer.dtype) for shape in shapes]
    with np.errstate(all="ignore"):
        return layer.call(zeros if isinstance(input_shape, list) else zeros[0])


def _sample_shape(layer: Any, found: tuple[int, ...]) -> Shape:
    if found[:1] != (1,):
        kind = type(layer).__name__
        raise ValueError(f"{kind} {layer.name!r} must return a row for each sample, but returned shape {found}.")
    return (None, *found[1:])


Layer.observed_shape = staticmethod(observed_shape)


def differentiate(layer: Any, inputs: list[Array], outputs: Array, delta: Array) -> tuple[list[Array], list[Array]]:
    """What the layer's `backward` returns for a batch, checked: a delta for each input, a gradient for each weight.

    Raises
    ------
    TypeError, ValueError
        If it is not what `backward` must return.
    """
    result = layer.backward(inputs[0] if len(inputs) == 1 else inputs, outputs, delta)
    wanted = [variable for variable in layer.variables if variable.trainable]
    gradients: Sequence[Any] = ()
    if wanted:
        if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], (list, tuple)):
            raise TypeError(
                f"backward of layer {layer.name!r} must return a tuple: the input delta, and a list of the gradients "
                f"of {[variable.name for variable in wanted]}."
            )
        result, gradients = result
        if len(gradients) != len(wanted):
            raise ValueError(
                f"backward of layer {layer.name!r} must return {len(wanted)} gradients, but returned {len(gradients)}."
            )
    deltas = result if len(inputs) > 1 else [result]
    if not isinstance(deltas, (list, tuple)) or len(deltas) != len(inputs):
        raise ValueError(f"backward of layer {layer.name!r} must return a list of {len(inputs)} input deltas.")
    if result is None and not wanted:
        raise TypeError(f"backward of layer {layer.name!r} must return the input delta, but returned None.")
    found = [
        np.zeros_like(x) if value is None else _checked(layer, f"Input delta {i}", value, x.shape)
        for i, (value, x) in enumerate(zip(deltas, inputs, strict=True))
    ]
    remaining = iter(gradients)
    return found, [
        _checked(layer, f"The gradient of {variable.name!r}", next(remaining), variable.shape)
        if variable.trainable
        else np.zeros(variable.shape, layer.dtype)
        for variable in layer.variables
    ]


@registry.allow
class Lambda(Layer):
    """A function of NumPy arrays as a layer: ``output = function(input)``.

    Parameters
    ----------
    function : callable
        Called as ``function(inputs)`` with an array (batch, ...), or a list of them, and with ``training`` if it has
        such an argument.
    output_shape : tuple of int, or callable, optional
        Shape of one sample of the output, or a function of the input's shape, batch axis included. By default found
        by calling `function` on zeros.
    mask : callable, optional
        Called as ``mask(inputs, previous_mask)``, it makes the output's mask; see `Layer.compute_mask`. By default the
        output has none.
    backward : callable, optional
        Called as ``backward(inputs, outputs, delta)`` with ``delta = dL/doutput``; returns dL/dinput, or a list of
        them. Needed where trainable weights come before the layer.
    arguments : dict, optional
        Further keyword arguments of `function`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Calls of Python code cost some microseconds a batch, and one thread makes them while the others wait. Files hold the
    names of functions, not their code: register them by `saving.register_keras_serializable`, or tell `load_model` of
    them by ``custom_objects``. A ``lambda`` has no name, so that a model with one cannot be saved, only its weights.

    Raises
    ------
    TypeError
        If `function`, `mask` or `backward` cannot be called.
    ValueError
        If the shape of the output cannot be found.

    References
    ----------
    Arguments and defaults are those of Keras 3; `backward` takes the place of automatic differentiation.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.Lambda(np.square, backward=lambda x, y, delta: 2 * x * delta)
    >>> layer([[1.0, 2.0, 3.0]])
    array([[1., 4., 9.]], dtype=float32)
    """

    backward: Any

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        backward: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("function", function), ("backward", backward)):
            if not callable(value) and not (name == "backward" and value is None):
                raise TypeError(f"{name} of Lambda must be callable, but got {value!r}.")
        if mask is not None and not callable(mask):
            raise TypeError(f"mask of Lambda must be callable, but got {type(mask).__name__}.")
        self.supports_masking = mask is not None
        self.wrapped = function
        if arguments is not None and not isinstance(arguments, dict):
            raise TypeError(f"arguments of Lambda must be a dict, but got {arguments!r}.")
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.backward = backward
        self.sample_shape = (
            output_shape
            if output_shape is None or callable(output_shape)
            else check_shape("output_shape", output_shape)
        )

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, functions by name.

        Raises
        ------
        TypeError
            If a function has no name, as a lambda.
        """
        own = {"function": self.wrapped} | {name: getattr(self, name) for name in ("mask", "arguments", "backward")}
        base = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        return base | {name: to_config(value) for name, value in (own | {"output_shape": self.sample_shape}).items()}

    def __repr__(self) -> str:
        return f"Lambda({getattr(self.wrapped, '__name__', self.wrapped)})"

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The function's value."""
        more = {"training": training} if _takes_training(self.wrapped) else {}
        return self.wrapped(inputs, **more, **self.arguments)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """What `mask` returns."""
        return None if self.mask is None else self.mask(inputs, previous_mask)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The output's shape, as given or as a call of the function shows it."""
        if callable(self.sample_shape):
            shape = check_items("what output_shape returns", self.sample_shape(input_shape), "a tuple of integers")
            return (None, *check_shape("output_shape", shape[1:]))
        if self.sample_shape is not None:
            return (None, *self.sample_shape)
        try:
            found = np.shape(_call_on_zeros(self, input_shape))
        except Exception as error:
            raise ValueError(
                f"The output shape of Lambda {self.name!r} cannot be found, because its function raises {error!r} for "
                "zeros. Give output_shape."
            ) from error
        return _sample_shape(self, found)
