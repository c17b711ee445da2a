"""Layers written in Python."""

from __future__ import annotations

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["PythonLayer"]


class PythonLayer(Layer):
    """y = call(x), dx and gradients by backward(x, y, dy)."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.output_shape, None)

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The result of `call`."""
        self.inputs = [x.copy() for x in inputs]
        self.y = self.spec.evaluate(self.inputs, self.output_shape, batch.training)
        return self.y.copy()

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The result of `backward`."""
        found: tuple[list[Array], list[Array]] = self.spec.differentiate(self.inputs, self.y, delta.copy())
        return found
