"""LevenbergMarquardt: damped Gauss-Newton steps for least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from cbackprop.optimizers.full_batch import (
    Array,
    FullBatchOptimizer,
    Problem,
    Search,
    check_vector,
    indices_of,
    variables_at,
)
from cbackprop.optimizers.optimizer import registry
from cbackprop.threads import limited
from cbackprop.validation import check_integer, check_number

__all__ = ["LevenbergMarquardt"]

# The most numbers of the Jacobian that are in memory at a time.
BLOCK = 2**18


@registry.register()
class LevenbergMarquardt(FullBatchOptimizer):
    """Levenberg-Marquardt: damped Gauss-Newton steps for squared errors, for networks of up to some thousand weights.

    The loss is the sum of the squares of the errors r, and J are their derivatives with respect to the weights. A step
    solves ``(J'J + mu D) d = -J'r``, where D contains the largest values so far of each diagonal element of J'J. If the
    loss at ``w + learning_rate d`` is lower, that is the new w, and mu is divided by `damping_decrease`. Otherwise mu
    is multiplied by `damping_increase` and the step is tried again.

    Parameters
    ----------
    learning_rate : float, default 1.0
        The factor of d.
    damping : float, default 1e-2
        The initial mu.
    damping_increase, damping_decrease : float, default 1.5 and 5.0
        Greater than 1. Raising mu by less than it is lowered helps it to stay near the best value.
    min_damping, max_damping : float, default 1e-15 and 1e10
        The smallest mu, and the largest: if mu would exceed it, the method has converged.
    tolerance_grad : float, default 1e-10
        The method has converged if no element of the loss's gradient is larger than this.
    tolerance_change : float, default 1e-12
        The method has converged if a step reduces the loss by at most this fraction of it.
    memory_limit : int, default 2 ** 31
        How many bytes J'J, its factors and the current part of J may take.
    max_iterations : int, default 1
        Steps in an epoch; fewer if it converges. With more steps in an epoch, logs and callbacks take less time.
    name : str, optional

    Attributes
    ----------
    converged : bool
        Whether the last step found no further improvement. Then `fit` stops, as if a callback had set
        ``model.stop_training``.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range. In `fit`: if a batch is smaller than the data, a loss is not
        `MeanSquaredError`, or a layer has a regularizer or a constraint, or needs the whole batch in training.
    MemoryError
        In `fit`, if there are too many weights for `memory_limit`.

    Notes
    -----
    An epoch of `fit` is `max_iterations` steps on all samples; `batch_size` need not be given. The logs contain loss
    and metrics after the last step. The last mu and D are kept after `fit` and saved with models, but are not part of
    `state`. Random layers draw once for each step. J is computed by backward passes, one for each output, in the
    network's float type; J'J, J'r and the solution are double. J is computed in parts, and never held as a whole.

    References
    ----------
    Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", SIAM Journal, 1963. Moré, "The
    Levenberg-Marquardt algorithm: implementation and theory", 1978 (D). Hagan and Menhaj, "Training feedforward
    networks with the Marquardt algorithm", IEEE Transactions on Neural Networks, 1994. Transtrum and Sethna,
    "Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares minimization", 2012 (mu).

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.utils.set_random_seed(1)
    >>> x = np.linspace(0, 1, 50)[:, None]
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(8, activation="tanh"), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.LevenbergMarquardt(), loss="mse")
    >>> history = model.fit(x, np.sin(6 * x), epochs=50, verbose=0)
    >>> history.history["loss"][-1] < 1e-6
    True
    """

    implementation: ClassVar[str | None] = "second_order.LevenbergMarquardt"

    def __init__(
        self,
        learning_rate: float = 1.0,
        damping: float = 1e-2,
        damping_increase: float = 1.5,
        damping_decrease: float = 5.0,
        min_damping: float = 1e-15,
        max_damping: float = 1e10,
        tolerance_grad: float = 1e-10,
        tolerance_change: float = 1e-12,
        memory_limit: int = 2**31,
        max_iterations: int = 1,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, max_iterations, name)
        self.min_damping = check_number("min_damping", min_damping, 0, open_minimum=True)
        self.max_damping = check_number("max_damping", max_damping, self.min_damping)
        self.damping = check_number("damping", damping, self.min_damping, self.max_damping)
        self.damping_increase = check_number("damping_increase", damping_increase, 1, open_minimum=True)
        self.damping_decrease = check_number("damping_decrease", damping_decrease, 1, open_minimum=True)
        self.tolerance_grad = check_number("tolerance_grad", tolerance_grad, 0)
        self.tolerance_change = check_number("tolerance_change", tolerance_change, 0)
        self.memory_limit = check_integer("memory_limit", memory_limit, 1)

    def new_search(self) -> _Damping:
        """The initial mu, without D."""
        return _Damping(self.damping)

    def improve(self, problem: Problem, start: Array, search: _Damping) -> None:
        """Take one accepted step, after as many tries as necessary."""
        with limited(1):  # results must not depend on the number of BLAS threads
            self._improve(problem, start, search)

    def _improve(self, problem: Problem, start: Array, search: _Damping) -> None:
        self._refuse(problem, start.size)
        loss = problem.loss()
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"The loss is {loss} before the step: Levenberg-Marquardt cannot compute a step. Check the data and "
                "the weights."
            )
        kept = problem.keep()
        squares, gradient = self._normal_equations(problem, start.size)
        search.follow(problem.key, squares.diagonal())
        search.converged = 2 * float(np.abs(gradient).max(initial=0)) <= self.tolerance_grad
        while not search.converged:
            new_loss = self._try(problem, start, problem.solver.solve(squares, gradient, search.mu * search.scale))
            if new_loss < loss:
                search.mu = max(search.mu / self.damping_decrease, self.min_damping)
                search.converged = loss - new_loss <= self.tolerance_change * loss
                problem.show(problem.keep())
                return
            search.converged = search.mu * self.damping_increase > self.max_damping
            if not search.converged:
                search.mu *= self.damping_increase
        problem.set_weights(start)
        problem.show(kept)

    def _try(self, problem: Problem, start: Array, step: Array | None) -> float:
        """Set the weights after a step, and return the loss there."""
        if step is None:
            return np.inf
        weights = (start + self.learning_rate * step).astype(start.dtype)
        if not np.isfinite(weights).all():
            return np.inf
        problem.set_weights(weights)
        return problem.loss()

    def _normal_equations(self, problem: Problem, size: int) -> tuple[Array, Array]:
        """J'J, of which only the lower triangle is computed, and J'r."""
        squares, gradient = np.zeros((size, size)), np.zeros(size)
        samples = self._block(problem, size)
        for begin in range(0, problem.samples, samples):
            jacobian, errors = problem.jacobian(begin, min(begin + samples, problem.samples))
            problem.solver.add(jacobian, errors, squares, gradient)
        return squares, gradient

    @staticmethod
    def _block(problem: Problem, size: int) -> int:
        """The number of samples whose derivatives are in memory at a time."""
        return min(max(BLOCK // max(size * problem.values, 1), 1), problem.samples)

    def _refuse(self, problem: Problem, size: int) -> None:
        if problem.only_squares is not None:
            raise ValueError(f"Levenberg-Marquardt needs a sum of squared errors: {problem.only_squares}")
        rows = self._block(problem, size) * problem.values
        needed = 8 * (2 * size * size + 2 * rows * size)
        if needed > self.memory_limit:
            raise MemoryError(
                f"Levenberg-Marquardt needs {needed} bytes for {size} weights (twice {size} x {size} numbers, and "
                f"{rows} rows of the Jacobian), but memory_limit is {self.memory_limit}. Use LBFGS for such networks."
            )


class _Damping(Search):
    """mu, and the scale D of the weights that `key` identifies."""

    def __init__(self, mu: float) -> None:
        self.mu = mu
        self.key: Any = None
        self.scale: Array = np.zeros(0)

    def get_state(self, variables: Sequence[Any]) -> dict[str, Any]:
        """mu, and D for each weight."""
        own = {"mu": self.mu, "scale": self.scale, "variables": indices_of(self.key, variables)}
        return super().get_state(variables) | own

    def set_state(self, state: dict[str, Any], variables: Sequence[Any]) -> None:
        """Restore the result of `get_state`."""
        super().set_state(state, variables)
        self.mu = check_number("mu", state["mu"], 0, open_minimum=True)
        if state["variables"] is not None:
            key = variables_at(state["variables"], variables)
            self.scale = check_vector("scale", state["scale"], (sum(v.size for v in key),), np.float64)
            if (self.scale < 0).any():
                raise ValueError(f"scale must not be negative, but holds {self.scale.min()}")
            self.key = key

    def follow(self, key: Any, diagonal: Array) -> None:
        """Update the largest elements of the diagonal; start again for other weights."""
        if key != self.key:
            self.key, self.scale = key, np.zeros(diagonal.size)
        # A weight that no output depends on has a row of zeros and must not change.
        least = 1e-15 * diagonal.max(initial=0) or 1.0
        self.scale = np.maximum(self.scale, np.maximum(diagonal, least))
