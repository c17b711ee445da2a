"""Merge layers in NumPy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Power", "Subtract", "TrueDivide"]


class Merge(Layer):
    """A chain y = ((x0 op x1) op x2) op ... of operations on arrays that broadcast.

    Subclasses define the operation ``combine(a, b)``, and ``separate(a, b, delta)``, which returns the deltas of a and
    b.
    """

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, np.broadcast_shapes(*self.input_shapes), {})

    def combine(self, a: Array, b: Array) -> Array:
        """A op b."""
        raise NotImplementedError

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """DL/da and dL/db, in the output's shape."""
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
        """A + b."""
        return a + b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """The same delta for both."""
        return delta, delta


class Subtract(Merge):
    """y = a - b; da = dy, db = -dy."""

    def combine(self, a: Array, b: Array) -> Array:
        """A - b."""
        return a - b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """Opposite deltas."""
        return delta, -delta


class Multiply(Merge):
    """y = a b; da = b dy, db = a dy."""

    def combine(self, a: Array, b: Array) -> Array:
        """A b."""
        return a * b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """The delta times the other factor."""
        return delta * b, delta * a


class TrueDivide(Merge):
    """y = a / b; da = dy / b, db = -dy a / b^2."""

    def combine(self, a: Array, b: Array) -> Array:
        """A / b."""
        with np.errstate(all="ignore"):
            return a / b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """By the quotient rule."""
        with np.errstate(all="ignore"):
            da = delta / b
            return da, -da * (a / b)


class Power(Merge):
    """y = a^b; da = dy b a^(b - 1), db = dy y log(a); only the first if the exponent is a number."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The power."""
        if self.spec.exponent is None:
            return super().forward(inputs, parameters, batch)
        (self.x,) = inputs
        with np.errstate(all="ignore"):
            return self.x**self.spec.exponent

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The derivative times the delta."""
        if self.spec.exponent is None:
            return super().backward(delta, parameters, wanted)
        exponent = self.spec.exponent
        with np.errstate(all="ignore"):
            return [delta * (exponent * self.x ** (exponent - 1) if exponent else 0 * self.x)], []

    def combine(self, a: Array, b: Array) -> Array:
        """A^b."""
        with np.errstate(all="ignore"):
            return a**b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """By the power rule. Where a is 0, the gradient of exponents that are not negative is 0."""
        with np.errstate(all="ignore"):
            da = delta * np.where(b == 0, 0, b * a ** (b - 1))
            return da, np.where((a == 0) & (b >= 0), 0, delta * a**b * np.log(a)).astype(delta.dtype)


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
        share = (np.sign(np.subtract(b, a)) * self.sign + 1) / 2
        db: Array = delta * share.astype(delta.dtype)
        return delta - db, db


class Minimum(Maximum):
    """y = min(a, b); dy goes to the smaller input, or half of it to each if they are equal."""

    sign = -1

    def combine(self, a: Array, b: Array) -> Array:
        """The smaller one."""
        return np.minimum(a, b)


class Concatenate(Layer):
    """The inputs side by side; each gets its part of the delta."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        axis = self.spec.positive_axis(len(self.input_shapes[0]) + 1) - 1
        first = self.input_shapes[0]
        read = tuple((*first[:axis], shape[axis], *first[axis + 1 :]) for shape in self.input_shapes)
        return Fit(read, (*first[:axis], sum(shape[axis] for shape in read), *first[axis + 1 :]), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """All inputs along the axis."""
        self.axis = self.spec.positive_axis(inputs[0].ndim)
        self.ends = np.cumsum([x.shape[self.axis] for x in inputs])
        return np.concatenate(inputs, axis=self.axis)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Slices of the delta."""
        return np.split(delta, self.ends[:-1], axis=self.axis), []


class Dot(Layer):
    """y = a b^T for the matrices a and b of the vectors along the axes; da = dy b, db = dy^T a."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        axes = self.spec.positive_axes([(None, *shape) for shape in self.input_shapes])
        left = [
            size for axis, shape in zip(axes, self.input_shapes, strict=True) for size in np.delete(shape, axis - 1)
        ]
        return Fit(self.input_shapes, tuple(map(int, left)) or (1,), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The products of all pairs of vectors."""
        self.axes = self.spec.positive_axes([x.shape for x in inputs])
        self.moved = [np.moveaxis(x, axis, -1) for x, axis in zip(inputs, self.axes, strict=True)]
        vectors = [x.reshape(len(x), -1, x.shape[-1]) for x in self.moved]
        self.scales = [self.scale(x) for x in vectors]
        self.a, self.b = (x * scale for x, scale in zip(vectors, self.scales, strict=True))
        y: Array = self.a @ self.b.transpose(0, 2, 1)
        return y.reshape(len(y), *self.output_shape)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The products with the other factor, passed back through the normalization."""
        dy = delta.reshape(len(delta), self.a.shape[1], self.b.shape[1])
        deltas = [dy @ self.b, dy.transpose(0, 2, 1) @ self.a]
        if self.spec.normalize:
            factors = zip(deltas, (self.a, self.b), self.scales, strict=True)
            deltas = [self.through_norm(d, y, scale) for d, y, scale in factors]
        shaped = [d.reshape(x.shape) for d, x in zip(deltas, self.moved, strict=True)]
        return [np.moveaxis(d, -1, axis) for d, axis in zip(shaped, self.axes, strict=True)], []

    def scale(self, x: Array) -> Array:
        """The factor of each vector: 1, or min(1 / |x|, 1 / epsilon) if vectors are normalized."""
        if not self.spec.normalize:
            return np.ones(1, x.dtype)
        with np.errstate(divide="ignore"):
            inverse = 1 / np.sqrt((x * x).sum(axis=-1, keepdims=True))
        return np.minimum(inverse, x.dtype.type(1 / self.spec.epsilon))

    def through_norm(self, delta: Array, y: Array, scale: Array) -> Array:
        """scale (delta - y (y . delta)), without the second term where epsilon limits the scale."""
        bounded = scale >= scale.dtype.type(1 / self.spec.epsilon)
        along = np.where(bounded, 0, (y * delta).sum(axis=-1, keepdims=True))
        return scale * (delta - along * y)
