"""Quotients and powers in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch
from cbackprop.reference.layers.merging import Merge

__all__ = ["Power", "TrueDivide"]


class TrueDivide(Merge):
    """y = a / b; da = dy / b, db = -dy a / b^2."""

    def combine(self, a: Array, b: Array) -> Array:
        """The quotient a / b."""
        with np.errstate(all="ignore"):
            return a / b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """The deltas of both inputs, by the quotient rule."""
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
        """The power a^b."""
        with np.errstate(all="ignore"):
            return a**b

    def separate(self, a: Array, b: Array, delta: Array) -> tuple[Array, Array]:
        """The deltas of both inputs, by the power rule. If a is 0, exponents of at least 0 get the delta 0."""
        with np.errstate(all="ignore"):
            da = delta * np.where(b == 0, 0, b * a ** (b - 1))
            return da, np.where((a == 0) & (b >= 0), 0, delta * a**b * np.log(a)).astype(delta.dtype)
