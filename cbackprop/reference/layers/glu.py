"""The gated linear unit, in NumPy."""

from __future__ import annotations

from cbackprop.reference import activations
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["GLU"]


class GLU(Layer):
    """y = a sigmoid(b), where a and b are the halves of x along an axis."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        output = self.spec.function.output_shape((None, *self.input_shapes[0]))[1:]
        return Fit(self.input_shapes, output, {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The first half, gated by the second."""
        (self.x,) = inputs
        return activations.glu_forward(self.x, self.spec.function.axis)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The deltas of both halves."""
        return [activations.glu_backward(delta, self.x, self.spec.function.axis)], []
