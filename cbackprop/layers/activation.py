"""Layers that apply an activation function: Activation, ReLU, LeakyReLU, ELU, Softmax."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from cbackprop import activations
from cbackprop.activations.function import check_axes
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.applied_activation import applied, may_overwrite
from cbackprop.layers.layer import Layer, registry
from cbackprop.losses.target import as_array
from cbackprop.tensor import Shape, is_symbolic
from cbackprop.validation import check_number, named

__all__ = ["ELU", "Activation", "ActivationLayer", "LeakyReLU", "ReLU", "Softmax"]


class ActivationLayer(Layer):
    """Base of the layers that apply one activation to every element and have no weights."""

    supports_masking = True
    implementation = "activation.Activation"
    is_activation = True

    @property
    def overwrites_input(self) -> bool:  # type: ignore[override]
        """The output may share the input's memory if the backward pass needs only the output."""
        return may_overwrite(self.function)

    def as_activation(self) -> Any:
        """The activation to use when this layer is given to another one as its `activation`."""
        return self.compiled_activation

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """Add one step: the layer itself, or what computes an activation that it only names."""
        function = self.function
        if self.activates_in_python:
            return self.expand_activation(steps, inputs[0], shape)
        if function is not None and function.halves:
            return steps.add(applied(self.name, self.dtype, function), inputs, shape)
        return steps.add(self, inputs, shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape; half as long along an axis if the activation halves it."""
        if self.activation is None:
            raise TypeError(
                f"{type(self).__name__} computes nothing: it is the base of layers that set self.activation. Use "
                "Activation(...), or set self.activation in a subclass."
            )
        return self.activated(input_shape)


@registry.register()
class Activation(ActivationLayer):
    """Apply an activation function: ``output = activation(input)``.

    Parameters
    ----------
    activation : str or callable
        A name or function of `cbackprop.activations`, or a callable of your own; see `activations.get`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. `activations.glu` halves the length of one axis.

    Raises
    ------
    ValueError
        For an unknown name.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Activation("relu")([[-1.0, 2.0]])
    array([[0., 2.]], dtype=float32)
    """

    adjustable = ("activation",)

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = named("activation", activations.get, activation)


@registry.register()
class ReLU(ActivationLayer):
    """Rectified linear unit: ``output = max(input, 0)``, with its variants.

    With all arguments: ``min(input, max_value)`` where ``input > threshold``, else
    ``negative_slope * (input - threshold)``.

    Parameters
    ----------
    max_value : float, optional
        The largest output, at least 0. No limit by default.
    negative_slope : float, default 0.0
        The slope below the threshold, at least 0.
    threshold : float, default 0.0
        Inputs up to this value are multiplied by the negative slope. At least 0.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape.

    Raises
    ------
    TypeError
        If an argument is not a number.
    ValueError
        If an argument is negative or not finite.

    References
    ----------
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.ReLU(max_value=6.0)([[-1.0, 2.0, 8.0]])
    array([[0., 2., 6.]], dtype=float32)
    """

    adjustable = ("max_value", "negative_slope", "threshold")

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else check_number("max_value", max_value, minimum=0)
        self.negative_slope = check_number("negative_slope", negative_slope, minimum=0)
        self.threshold = check_number("threshold", threshold, minimum=0)
        self.activation = activations.relu.bind(self.negative_slope, self.max_value, self.threshold)


@registry.register()
class LeakyReLU(ActivationLayer):
    """Leaky rectified linear unit: ``input`` where it is positive, else ``negative_slope * input``.

    Parameters
    ----------
    negative_slope : float, default 0.3
        The slope for negative inputs, at least 0. The default of the activation `leaky_relu` is 0.2, as in Keras.
    **kwargs
        See `Layer`. ``alpha``, the old name of `negative_slope`, is accepted with a warning.

    Notes
    -----
    Input of any shape, output of the same shape.

    Raises
    ------
    TypeError
        If `negative_slope` is not a number.
    ValueError
        If `negative_slope` is negative or not finite.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.LeakyReLU(negative_slope=0.5)([[-1.0, 2.0]])
    array([[-0.5,  2. ]], dtype=float32)
    """

    adjustable = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warnings.warn("LeakyReLU: alpha is now called negative_slope.", DeprecationWarning, stacklevel=2)
        super().__init__(**kwargs)
        self.negative_slope = check_number("negative_slope", negative_slope, minimum=0)
        self.activation = activations.leaky_relu.bind(self.negative_slope)


@registry.register()
class ELU(ActivationLayer):
    """Exponential linear unit: ``input`` where it is positive, else ``alpha * (exp(input) - 1)``.

    Parameters
    ----------
    alpha : float, default 1.0
        For inputs towards minus infinity the output approaches ``-alpha``.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape.

    Raises
    ------
    TypeError
        If `alpha` is not a number.
    ValueError
        If `alpha` is not finite.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear
    units (ELUs)", ICLR 2016, arXiv:1511.07289. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.ELU(alpha=0.5)([[-1000.0, 2.0]])
    array([[-0.5,  2. ]], dtype=float32)
    """

    adjustable = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = check_number("alpha", alpha)
        self.activation = activations.elu.bind(self.alpha)


@registry.register()
class Softmax(ActivationLayer):
    """Softmax along an axis: ``exp(x_j) / sum_k exp(x_k)``.

    Parameters
    ----------
    axis : int or tuple of int, default -1
        The axis along which the outputs sum to 1. With several axes, all values along them sum to 1 together; in a
        model they must be adjacent. Axis 0 is the batch and is not allowed in a model.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. When called on arrays, the layer takes a `mask` that is True, or
    above 0.5, where a value counts. All other outputs are 0; if no value along the axis counts, all of them are 0.
    In a model, the mask of the input is passed on but changes no value.

    Raises
    ------
    ValueError
        If `axis` is not an axis of the samples, or a mask does not fit the input.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Softmax()([[0.0, 0.0]])
    array([[0.5, 0.5]], dtype=float32)
    >>> cb.layers.Softmax()([[0.0, 0.0, 5.0]], mask=[[True, True, False]])
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """

    adjustable = ("axis",)

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_axes(axis)
        self.activation = activations.softmax.bind(axis=self.axis)

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Connect the layer to symbolic tensors, or run it on arrays; a mask may hide some of their values."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if is_symbolic(inputs) or (mask is None and 0 not in axes and len(axes) == 1):
            if mask is not None:
                raise TypeError(
                    f"Softmax {self.name!r} takes a mask only when it is called on arrays, but it was called on a "
                    "symbolic tensor. Leave out mask."
                )
            return super().__call__(inputs, training=training)
        x = np.asarray(as_array("inputs", inputs), self.dtype)
        softmax = activations.softmax.bind(axis=self.axis)
        if mask is None:
            return softmax(x)
        shown = check_mask(mask, x.shape)
        hidden = x.dtype.type(-1e9)  # the value that Keras uses for masked elements
        result = softmax(np.where(shown, x, hidden))
        return np.where(shown, result, x.dtype.type(0))


def check_mask(mask: Any, shape: tuple[int, ...]) -> Any:
    """Convert a mask to booleans: True where a value counts.

    Raises
    ------
    ValueError
        If the mask cannot be broadcast to `shape`.
    """
    array = as_array("mask", mask)
    if array.ndim > len(shape):
        raise ValueError(f"mask must not have more dimensions than inputs, {shape}, but got {array.shape}.")
    fits = all(m in (1, n) for m, n in zip(array.shape[::-1], shape[::-1], strict=False))
    if not fits:
        raise ValueError(f"mask must be broadcastable to inputs, {shape}, but got {array.shape}.")
    return array if array.dtype == np.bool_ else array > 0.5
