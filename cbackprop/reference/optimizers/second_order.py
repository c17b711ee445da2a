"""Linear algebra of second-order methods, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["LBFGS", "LevenbergMarquardt"]


class FullBatch(Optimizer):
    """Base of full-batch optimizers, which do not update weights batch by batch."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """Do nothing."""


class LBFGS(FullBatch):
    """The two-loop recursion."""

    def dot(self, x: Array, y: Array) -> float:
        """The product of two vectors, in double precision."""
        return float(x.astype(np.float64) @ y.astype(np.float64))

    def recur(self, s: Array, y: Array, rho: Array, end: int, count: int, d: Array) -> None:
        """d = H d for the last `count` pairs before `end` in ring buffers (Nocedal and Wright, algorithm 7.4)."""
        pairs = [(end - 1 - j) % len(s) for j in range(count)]
        alpha = {}
        for i in pairs:
            alpha[i] = rho[i] * self.dot(s[i], d)
            d -= d.dtype.type(alpha[i]) * y[i]
        newest = pairs[0]
        d *= d.dtype.type(1 / (rho[newest] * self.dot(y[newest], y[newest])))
        for i in reversed(pairs):
            d += d.dtype.type(alpha[i] - rho[i] * self.dot(y[i], d)) * s[i]


class LevenbergMarquardt(FullBatch):
    """The normal equations."""

    def add(self, jacobian: Array, errors: Array, squares: Array, gradient: Array) -> None:
        """squares += J'J in the lower triangle, gradient += J'r."""
        squares += np.tril(jacobian.T @ jacobian)
        gradient += jacobian.T @ errors

    def solve(self, squares: Array, gradient: Array, damping: Array) -> Array | None:
        """Solve (A + diag(damping)) d = -g for d; None if rounding makes the matrix not positive definite."""
        try:
            factor = np.linalg.cholesky(np.tril(squares) + np.tril(squares, -1).T + np.diag(damping))
        except np.linalg.LinAlgError:
            return None
        solution: Array = np.linalg.solve(factor.T, np.linalg.solve(factor, -gradient))
        return solution
