"""The base of layers that are made of another layer."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import Layer
from cbackprop.validation import type_name

__all__ = ["Wrapper"]


class Wrapper(Layer):
    """Base of layers in Python that hold another layer, whose weights are theirs.

    A subclass defines `call` and, where a gradient must pass, `backward`, as for any `Layer`. In `call` the layer
    can be called on arrays; its weights are ``self.layer.weights``, and their gradients follow those of weights of the
    wrapper's own in what `backward` returns.

    Parameters
    ----------
    layer : Layer
    **kwargs
        See `Layer`.

    Raises
    ------
    ValueError
        If `layer` is no layer.

    References
    ----------
    Arguments are those of Keras 3, whose subclasses leave gradients to automatic differentiation.

    Examples
    --------
    >>> import cbackprop as cb
    >>> class Residual(cb.layers.Wrapper):
    ...     '''output = input + tanh(input kernel + bias), with the kernel and the bias of a Dense.'''
    ...
    ...     def call(self, inputs):
    ...         return inputs + self.layer(inputs)
    ...
    ...     def backward(self, inputs, outputs, delta):
    ...         inner = delta * (1 - (outputs - inputs) ** 2)
    ...         return delta + inner @ self.layer.kernel.numpy().T, [inputs.T @ inner, inner.sum(axis=0)]
    >>> residual = Residual(cb.layers.Dense(3, activation="tanh"))
    >>> model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(3), residual])
    >>> model.compile("adam", "mse")
    >>> model.check_gradients([[0.1, 0.2, 0.3]], [[0.0, 1.0, 2.0]]).max_relative_error < 1e-6
    True
    """

    holds_layers = True

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(f"layer must be a layer to wrap, but got {layer!r} of type {type_name(layer)}.")
        if layer.dtype != self.dtype:
            raise ValueError(f"layer computes in {layer.dtype}, but {type(self).__name__} in {self.dtype}.")
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        """Create the weights of the layer within."""
        if not self.layer.built:
            self.layer.build(input_shape)
