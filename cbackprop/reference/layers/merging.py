"""Merges element by element in NumPy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Add", "Average", "Maximum", "Merge", "Minimum", "Multiply", "Subtract"]


class Merge(Layer):
    """A chain y = ((x0 op x1) op x2) op ... of operations on arrays that broadcast.

    Subclasses define the operation ``combine(a, b)``, and ``separate(a, b, delta)``, which returns the deltas of a and
    b.
    """

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, np.broadcast_shapes(*self.input_shapes), {})

    def combine(self, a: Array, b: Array) -> Array:
        """The result of a op b."""
        raise NotImplementedError

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """The deltas dL/da and dL/db, in the output's shape."""
        raise NotImplementedError

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The result of the chain."""
        self.operands = [self.align(x) for x in inputs]
        self.results = [self.operands[0]]
        for x in self.operands[1:]:
            self.results.append(self.combine(self.results[-1], x))
        return self.results.pop()

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The chain in reverse."""
        deltas: list[Array] = []
        for a, b in zip(reversed(self.results), reversed(self.operands[1:]), strict=True):
            delta, db = self.separate(a, b, delta)
            deltas.insert(0, db)
        deltas.insert(0, delta)
        return [self.sum_to(shape, d) for shape, d in zip(self.input_shapes, deltas, strict=True)], []

    def align(self, x: Array) -> Array:
        """`x` with axes of length 1 after the batch, up to the output's number of axes."""
        sample = x.shape[1:]
        return x.reshape(len(x), *[1] * (len(self.output_shape) - len(sample)), *sample)

    def sum_to(self, shape: tuple[int, ...], delta: Array) -> Array:
        """The sum over the axes along which an input of this shape was broadcast."""
        padded = (*[1] * (len(self.output_shape) - len(shape)), *shape)
        axes = tuple(i + 1 for i, (n, size) in enumerate(zip(padded, self.output_shape, strict=True)) if n != size)
        return delta.sum(axis=axes).reshape(len(delta), *shape)


class Add(Merge):
    """y = a + b; da = db = dy."""

    def combine(self, a: Array, b: Array) -> Array:
        """The sum a + b."""
        return a + b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """The same delta for both."""
        return delta, delta


class Subtract(Merge):
    """y = a - b; da = dy, db = -dy."""

    def combine(self, a: Array, b: Array) -> Array:
        """The difference a - b."""
        return a - b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """Opposite deltas."""
        return delta, -delta


class Multiply(Merge):
    """y = a b; da = b dy, db = a dy."""

    def combine(self, a: Array, b: Array) -> Array:
        """The product a b."""
        return a * b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """The delta times the other factor."""
        return delta * b, delta * a


class Average(Add):
    """The sum of n inputs, divided by n."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The mean."""
        return super().forward(inputs, parameters, batch) / len(inputs)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta divided by n, for each input."""
        return super().backward(delta / len(self.input_shapes), parameters, wanted)


class Maximum(Merge):
    """y = max(a, b); dy goes to the larger input, or half of it to each if they are equal."""

    sign: ClassVar[int] = 1

    def combine(self, a: Array, b: Array) -> Array:
        """The larger one."""
        return np.maximum(a, b)

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """The delta for the input that was chosen."""
        weight = (np.sign(np.subtract(b, a)) * self.sign + 1) / 2
        db: Array = delta * weight.astype(delta.dtype)
        return delta - db, db


class Minimum(Maximum):
    """y = min(a, b); dy goes to the smaller input, or half of it to each if they are equal."""

    sign = -1

    def combine(self, a: Array, b: Array) -> Array:
        """The smaller one."""
        return np.minimum(a, b)
