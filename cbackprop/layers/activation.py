"""Layers that apply an activation function: Activation, ReLU, LeakyReLU, ELU, Softmax."""

from __future__ import annotations

from typing import Any

from cbackprop import activations
from cbackprop.layers.layer import Layer, registry
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer

__all__ = ["Activation", "Softmax"]


class ActivationLayer(Layer):
    """Base of the layers that apply one activation to every element and have no weights."""

    implementation = "activation.Activation"

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        axis = self.function.axis
        if axis is not None and not (1 <= axis < len(input_shape) or 1 - len(input_shape) <= axis < 0):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} works along axis {axis}, "
                f"which is not an axis of the samples in shape {input_shape}."
            )
        return input_shape


@registry.register()
class Activation(ActivationLayer):
    """Applies an activation function: ``output = activation(input)``.

    Parameters
    ----------
    activation : str or callable
        A name or function of `cbackprop.activations`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape.

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

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)


@registry.register()
class Softmax(ActivationLayer):
    """Softmax along an axis: ``exp(x_j) / sum_k exp(x_k)``.

    Parameters
    ----------
    axis : int, default -1
        The axis whose values will sum to 1; 0 is the batch and not allowed.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape.

    Raises
    ------
    ValueError
        If `axis` is not an axis of the samples.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Softmax()([[0.0, 0.0]])
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_integer("axis", axis)
        self.activation = activations.softmax.bind(axis=self.axis)
