"""Dense in NumPy: y = x W + b."""

from __future__ import annotations

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Dense"]


class Dense(Layer):
    """y = x W + b; dW = x^T dy, db = sum of dy, dx = dy W^T."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        *others, width = self.input_shapes[0]
        bias = {"bias": (self.spec.units,)} if self.spec.use_bias else {}
        return Fit(self.input_shapes, (*others, self.spec.units), {"kernel": (width, self.spec.units), **bias})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """x W + b."""
        (self.x,) = inputs
        y: Array = self.x @ parameters[0]
        if len(parameters) == 2:
            y += parameters[1]
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Sums over all axes except the last."""
        kernel = parameters[0]
        x = self.x.reshape(-1, kernel.shape[0])
        dy = delta.reshape(-1, kernel.shape[1])
        gradients = [x.T @ dy, dy.sum(axis=0)][: len(parameters)]
        return [delta @ kernel.T if wanted[0] else delta], gradients
