"""A function of NumPy arrays as a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.config_writing import to_config
from cbackprop.layers.call_arguments import is_array, takes
from cbackprop.layers.connecting import ROWS, sized
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.masks import PythonMask, rule_in_python
from cbackprop.layers.shapes import check_shape
from cbackprop.tensor import Shape
from cbackprop.validation import check_items

__all__ = ["Lambda"]

Array = NDArray[Any]


def _check_mask(mask: Any) -> Array:
    """A mask as booleans, (samples, ...).

    Raises
    ------
    TypeError
        If it is not an array of numbers with a batch axis.
    """
    try:
        array = np.asarray(mask) if is_array(mask) else np.asarray(None)
    except ValueError:  # rows of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiub" or array.ndim == 0 or len(array) == 0:
        raise TypeError(
            f"mask of Lambda must be callable, or an array with a value for each row, but got {type(mask).__name__}."
        )
    return array != 0


@registry.allow
class Lambda(Layer):
    """Wrap a function of NumPy arrays as a layer: ``output = function(input)``.

    Parameters
    ----------
    function : callable
        Called as ``function(inputs)`` with an array (batch, ...) or a list of arrays, and with ``training`` and
        ``mask`` if it has such arguments.
    output_shape : tuple of int, or callable, optional
        Shape of one sample of the output, or a function of the input's shape (including the batch axis). By default it
        is found by calling `function` on zeros.
    mask : callable or array_like, optional
        A function, called as ``mask(inputs, previous_mask)``, that returns the output's mask; see
        `Layer.compute_mask`. Or the mask itself, for one sample (used for all) or for each sample of a batch. By
        default the output has no mask.
    backward : callable, optional
        Called as ``backward(inputs, outputs, delta)`` with ``delta = dL/doutput``. Returns dL/dinput, or a list of
        them for several inputs. Required if there are trainable weights before the layer.
    arguments : dict, optional
        Further keyword arguments of `function`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Calling Python costs some microseconds for each batch, and one thread runs it while the others wait. Files contain
    the names of functions, not their code: register them with `saving.register_keras_serializable`, or pass them to
    `load_model` as ``custom_objects``. A ``lambda`` has no name, so a model with one cannot be saved; its weights can.

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
            mask = _check_mask(mask)
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
        """Constructor arguments, with functions by name.

        Raises
        ------
        TypeError
            If a function has no name, such as a lambda.
        """
        own = {"function": self.wrapped} | {name: getattr(self, name) for name in ("mask", "arguments", "backward")}
        base = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        return base | {name: to_config(value) for name, value in (own | {"output_shape": self.sample_shape}).items()}

    def __repr__(self) -> str:
        return f"Lambda({getattr(self.wrapped, '__name__', self.wrapped)})"

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """The function's value."""
        more = {"training": training} if takes(self.wrapped, "training", True) else {}
        if takes(self.wrapped, "mask"):
            more["mask"] = mask
        return self.wrapped(inputs, **more, **self.arguments)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The result of `mask` if it can be called, or `mask` itself."""
        if not isinstance(self.mask, np.ndarray):
            return None if self.mask is None else self.mask(inputs, mask)
        rows = len(inputs[0] if isinstance(inputs, (list, tuple)) else inputs)
        if len(self.mask) not in (1, rows):
            raise ValueError(
                f"mask of Lambda {self.name!r} is for {len(self.mask)} samples, but was called on {rows}. Give a "
                "function, which can make masks for any number of samples."
            )
        return np.broadcast_to(self.mask, (rows, *self.mask.shape[1:]))

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """Call `compute_mask`, if there is a mask."""
        if not isinstance(self.mask, np.ndarray):
            return rule_in_python(self, shapes, masks, output)
        if self.mask.shape[1:] != output[:-1]:
            raise ValueError(
                f"mask of Lambda {self.name!r} must have a value for each row of the output, of shape {output[:-1]} "
                f"for a sample, but has {self.mask.shape[1:]}."
            )
        return PythonMask(self, [shape is not None for shape in masks])

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The output's shape, as given or found by a call of the function."""
        if callable(self.sample_shape):
            shape = check_items("what output_shape returns", self.sample_shape(input_shape), "a tuple of integers")
            return (None, *check_shape("output_shape", shape[1:]))
        if self.sample_shape is not None:
            return (None, *self.sample_shape)
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        arrays = [np.zeros((ROWS, *(size or 1 for size in shape[1:])), self.dtype) for shape in shapes]
        try:
            with np.errstate(all="ignore"):
                found = np.shape(self.call(arrays if isinstance(input_shape, list) else arrays[0]))
        except Exception as error:
            raise self._failed_on_zeros(error, ROWS) from error
        return sized(self, found, ROWS)

    @property
    def _states_output_shape(self) -> bool:
        return self.sample_shape is not None

    @property
    def _without_backward(self) -> str:
        return (
            f"Lambda {self.name!r} is written in Python, and gradients must pass through it: give it "
            "Lambda(function, backward=...), called as backward(inputs, outputs, delta), which returns the input "
            "delta. There is no automatic differentiation."
        )

    def _failed_on_zeros(self, error: Exception, count: int) -> Exception:
        return ValueError(
            f"The output shape of Lambda {self.name!r} cannot be found, because its function raises {error!r} for "
            "zeros. Give output_shape."
        )
