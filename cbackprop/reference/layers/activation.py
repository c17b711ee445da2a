"""Activations as layers, in NumPy."""

from __future__ import annotations

from cbackprop.reference import activations
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Activation"]


class Activation(Layer):
    """y = f(x); dx = dy f'(x). The functions f are in `cbackprop.reference.activations`."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.input_shapes[0], {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """f(x)."""
        (self.x,) = inputs
        function = self.spec.function
        # Axes counted from the front include the batch axis, which the array here has too.
        self.arguments = function.numbers if function.axis is None else (function.axis,)
        self.f, self.f_backward = activations.pair(function.name)
        self.y: Array = self.f(self.x, *self.arguments)
        return self.y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """delta f'(x)."""
        return [self.f_backward(delta, self.x, self.y, *self.arguments)], []
