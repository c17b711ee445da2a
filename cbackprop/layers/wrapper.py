"""Wrapper: base of layers that contain another layer."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import Layer
from cbackprop.validation import type_name

__all__ = ["Wrapper"]


class Wrapper(Layer):
    """Base of layers written in Python that contain another layer and include its weights.

    A subclass defines `call` and, if a gradient must pass, `backward`, as for any `Layer`. `call` can call
    ``self.layer`` on arrays and read ``self.layer.weights``. `backward` returns the gradients of the wrapper's own
    weights first, then those of the inner layer.

    Parameters
    ----------
    layer : Layer
        The layer to wrap. It must have the same dtype.
    **kwargs
        See `Layer`.

    Raises
    ------
    ValueError
        If `layer` is not a layer, or computes in another dtype.

    References
    ----------
    Arguments are those of Keras 3. Keras derives `backward` by automatic differentiation; here the subclass defines it.

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
        """Create the weights of the wrapped layer."""
        if not self.layer.built:
            self.layer.build(input_shape)
