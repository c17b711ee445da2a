"""L-BFGS."""

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
from cbackprop.optimizers.line_search import Point, strong_wolfe
from cbackprop.optimizers.optimizer import registry
from cbackprop.validation import check_integer, check_number

__all__ = ["LBFGS"]

# A vector of weights, loss and gradient there, and the losses and metrics to report.
Evaluated = tuple[Array, float, Array, Any]


@registry.register()
class LBFGS(FullBatchOptimizer):
    """L-BFGS: quasi-Newton steps on all samples, computed from the last changes of weights and gradient.

    With ``s = w_k+1 - w_k`` and ``y = g_k+1 - g_k`` of the last `history_size` steps, the direction is ``d = -H g``,
    where H is the inverse Hessian that the BFGS formula builds from them, starting at ``(s.y / y.y) I``. Then
    ``w = w + t d``, with t from a line search for the strong Wolfe conditions ``f(w + t d) <= f(w) + c1 t g.d`` and
    ``|g(w + t d).d| <= c2 |g.d|``.

    Parameters
    ----------
    learning_rate : float, default 1.0
        The first t that a line search tries. The very first search divides it by the sum of all ``|g|``, if that is
        above 1.
    history_size : int, default 10
        The number of pairs (s, y) that are kept, at least 1.
    max_evaluations : int, default 25
        The maximum number of evaluations of loss and gradient in one line search, at least 1.
    tolerance_grad : float, default 1e-7
        The method has converged if no element of the gradient is larger than this.
    tolerance_change : float, default 1e-9
        The method has converged if a step reduces the loss by at most this fraction of it.
    c1, c2 : float, default 1e-4 and 0.9
        Constants of the Wolfe conditions, ``0 < c1 < c2 < 1``.
    max_iterations : int, default 1
        Steps in an epoch; fewer if it converges. With more steps in an epoch, logs and callbacks take less time.
    name : str, optional

    Attributes
    ----------
    converged : bool
        Whether the last step found no further improvement. Then `fit` stops, as if a callback had set
        ``model.stop_training``.
    evaluations : int
        The number of evaluations of loss and gradient so far.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range. In `fit`: if a batch is smaller than the data.

    Notes
    -----
    An epoch of `fit` is `max_iterations` steps on all samples; `batch_size` need not be given. The logs contain loss
    and metrics after the last step. The history is kept after `fit`, and the next `fit` continues from it. It is saved
    with models, but is not part of `state`. Random layers draw once for each step. Vectors have the network's float
    type; sums of their products are double.

    References
    ----------
    Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical Programming, 1989.
    Nocedal and Wright, "Numerical optimization", 2nd edition, 2006, algorithms 7.4, 7.5, 3.5 and 3.6.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.utils.set_random_seed(1)
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(8, activation="tanh"), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.LBFGS(), loss="mse")
    >>> history = model.fit(x, np.sin(3 * x), epochs=100, verbose=0)
    >>> history.history["loss"][-1] < 1e-4
    True
    """

    implementation: ClassVar[str | None] = "second_order.LBFGS"

    def __init__(
        self,
        learning_rate: float = 1.0,
        history_size: int = 10,
        max_evaluations: int = 25,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        c1: float = 1e-4,
        c2: float = 0.9,
        max_iterations: int = 1,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, max_iterations, name)
        self.history_size = check_integer("history_size", history_size, 1)
        self.max_evaluations = check_integer("max_evaluations", max_evaluations, 1)
        self.tolerance_grad = check_number("tolerance_grad", tolerance_grad, 0)
        self.tolerance_change = check_number("tolerance_change", tolerance_change, 0)
        self.c2 = check_number("c2", c2, 0, 1, open_minimum=True, open_maximum=True)
        self.c1 = check_number("c1", c1, 0, self.c2, open_minimum=True, open_maximum=True)

    @property
    def evaluations(self) -> int:
        """The number of evaluations of loss and gradient so far, for the model that was compiled last."""
        return 0 if self._state.search is None else self._state.search.evaluations

    def new_search(self) -> _History:
        """An empty history."""
        return _History()

    def improve(self, problem: Problem, start: Array, search: _History) -> None:
        """One step along the direction of the two-loop recursion."""
        memory = search.memory_of(problem, self.history_size, start)
        if search.last is None or not problem.repeats() or not np.array_equal(search.last[0], start):
            search.last = (start, *problem.gradient(), problem.keep())
            search.evaluations += 1
        _, loss, gradient, kept = search.last
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"The loss is {loss} before the step: L-BFGS cannot choose a direction. Check the data and the weights."
            )
        found = None if self._is_flat(gradient) else self._search(problem, memory, search)
        if found is None:
            search.converged = True
            problem.set_weights(start)
            problem.show(kept)
            return
        weights, new_loss, new_gradient, _ = found
        memory.add(problem.solver, weights - start, new_gradient - gradient)
        search.converged = loss - new_loss <= self.tolerance_change * abs(loss) or self._is_flat(new_gradient)
        search.last = found

    def _is_flat(self, gradient: Array) -> bool:
        return float(np.abs(gradient).max(initial=0)) <= self.tolerance_grad

    def _search(self, problem: Problem, memory: _Memory, search: _History) -> Evaluated | None:
        """The result of a line search along the quasi-Newton direction or, if that fails, along the gradient."""
        assert search.last is not None
        start, loss, gradient, _ = search.last
        resolution = 0.1 * float(np.finfo(start.dtype).eps) * abs(loss)
        while True:
            line = _Line(problem, start, memory.direction(problem.solver, gradient), gradient)
            first = self.learning_rate if memory.count else min(1.0, 1.0 / memory.length(gradient)) * self.learning_rate
            origin = Point(0.0, loss, line.slope)
            if origin.finite and line.slope < 0:
                point = strong_wolfe(line, origin, first, self.c1, self.c2, self.max_evaluations, resolution)
                search.evaluations += line.evaluations
                if point is not origin:
                    return line.take(point.step)
            if not memory.count:
                return None
            memory.count = 0


class _History(Search):
    """The memory of the last steps, and the evaluation at the end of the last one."""

    def __init__(self) -> None:
        self.memory: _Memory | None = None
        self.last: Evaluated | None = None

    def get_state(self, variables: Sequence[Any]) -> dict[str, Any]:
        """The memory. Loss and gradient after the last step are not saved: they are computed again."""
        memory = self.memory
        steps = memory and {name: getattr(memory, name) for name in ("s", "y", "rho", "count", "next")}
        indices = indices_of(memory and memory.key, variables)
        return super().get_state(variables) | {"variables": indices, "steps": steps}

    def set_state(self, state: dict[str, Any], variables: Sequence[Any]) -> None:
        """Restore the result of `get_state`."""
        super().set_state(state, variables)
        steps = state["steps"]
        if steps is None:
            return
        key = variables_at(state["variables"], variables)
        size, width = len(steps["rho"]), sum(variable.size for variable in key)
        memory = _Memory(key, check_integer("history_size", size, 1), np.zeros(width, key[0].dtype if key else None))
        memory.s = check_vector("s", steps["s"], memory.s.shape, memory.s.dtype)
        memory.y = check_vector("y", steps["y"], memory.y.shape, memory.y.dtype)
        memory.rho = check_vector("rho", steps["rho"], (size,), np.float64)
        memory.count = check_integer("count", steps["count"], 0, size)
        memory.next = check_integer("next", steps["next"], 0, size - 1)
        used = memory.rho[(memory.next - 1 - np.arange(memory.count)) % size]
        if (used <= 0).any():
            raise ValueError(f"rho must be positive for the {memory.count} steps that are remembered, but got {used}")
        self.memory = memory

    def memory_of(self, problem: Problem, size: int, start: Array) -> _Memory:
        """The memory for this problem's weights; a new one if the old one is for other weights."""
        if self.memory is None or self.memory.key != problem.key or self.memory.s.shape != (size, start.size):
            self.memory = _Memory(problem.key, size, start)
            self.last = None
        return self.memory


class _Line:
    """The loss along a direction, with the evaluation at each step length."""

    def __init__(self, problem: Problem, start: Array, direction: Array, gradient: Array) -> None:
        self.problem, self.start, self.direction = problem, start, direction
        self.slope = problem.solver.dot(gradient, direction)
        self.at: dict[float, Evaluated] = {}
        self.now = 0.0  # the step length at the current weights
        self.evaluations = 0

    def __call__(self, step: float) -> Point:
        weights = self.start + self.start.dtype.type(step) * self.direction
        if not np.isfinite(weights).all():
            return Point(step, np.inf, np.nan)
        self.problem.set_weights(weights)
        self.now = step
        loss, gradient = self.problem.gradient()
        self.evaluations += 1
        point = Point(step, loss, self.problem.solver.dot(gradient, self.direction))
        if point.finite:
            self.at[step] = weights, loss, gradient, self.problem.keep()
        return point

    def take(self, step: float) -> Evaluated:
        """Set the weights of a step length, and report the loss and metrics found there."""
        found = self.at[step]
        if step != self.now:
            self.problem.set_weights(found[0])
            self.problem.show(found[-1])
        return found


class _Memory:
    """The last changes of weights and gradient, in ring buffers: a new one overwrites the oldest."""

    def __init__(self, key: Any, size: int, like: Array) -> None:
        self.key = key
        self.s = np.zeros((size, like.size), like.dtype)
        self.y = np.zeros((size, like.size), like.dtype)
        self.rho = np.zeros(size)
        self.count = self.next = 0

    def add(self, solver: Any, s: Array, y: Array) -> None:
        """Add a step, if the curvature along it is positive (and not just by rounding)."""
        product = solver.dot(s, y)
        if product > np.finfo(np.float64).eps * solver.dot(y, y):
            self.s[self.next], self.y[self.next], self.rho[self.next] = s, y, 1 / product
            self.next = (self.next + 1) % len(self.s)
            self.count = min(self.count + 1, len(self.s))

    def direction(self, solver: Any, gradient: Array) -> Array:
        """-H g."""
        found = -gradient
        if self.count:
            solver.recur(self.s, self.y, self.rho, self.next, self.count, found)
        return found

    @staticmethod
    def length(gradient: Array) -> float:
        """The sum of the absolute values of the gradient."""
        return float(np.abs(gradient).sum(dtype=np.float64))
