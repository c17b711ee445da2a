"""FullBatchOptimizer: base of optimizers that evaluate the loss of all samples several times for each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.optimizers.optimizer_variable import check_array
from cbackprop.optimizers.state import OptimizerState
from cbackprop.validation import check_boolean, check_integer, check_number

__all__ = ["FullBatchOptimizer", "Problem", "Search"]

Array = NDArray[Any]


class Problem(Protocol):
    """What a full-batch optimizer minimizes: the loss of all samples as a function of a vector of weights.

    The vector contains all trainable weights, one after the other. All evaluations within a step use the same random
    numbers, so that they are values of the same function.
    """

    key: Any  # identifies the variables in the vector
    solver: Any  # the optimizer's kernels, compiled or in NumPy
    samples: int
    values: int  # how many numbers the model predicts for each sample

    @property
    def only_squares(self) -> str | None:
        """Why the loss is not a weighted sum of squared errors; ``None`` if it is."""

    def weights(self) -> Array:
        """A copy of the vector."""

    def set_weights(self, weights: Array) -> None:
        """Set the weights of the model."""

    def gradient(self) -> tuple[float, Array]:
        """Loss and gradient at the current weights."""

    def loss(self) -> float:
        """The loss at the current weights."""

    def jacobian(self, begin: int, end: int) -> tuple[Array, Array]:
        """Derivatives (rows, weights) and values (rows,) of the errors of some samples.

        The loss is the sum of the squares of the errors of all samples.
        """

    def repeats(self) -> bool:
        """Whether the gradient has been computed before, and the function is the same in every step."""

    def keep(self) -> Any:
        """Save losses and metrics of the last evaluation, for `show`."""

    def finish(self) -> None:
        """Count a step, and update variables without a gradient, such as moving averages."""

    def show(self, kept: Any) -> None:
        """Report saved losses and metrics as those of the step."""


class Search:
    """The state of the search for better weights of one model.

    Attributes
    ----------
    converged : bool
        Whether the last step found no further improvement.
    evaluations : int
        The number of evaluations of loss and gradient so far.
    """

    converged = False
    evaluations = 0

    def get_state(self, variables: Sequence[Any]) -> dict[str, Any]:
        """The state as plain values and arrays for a file. Variables are given by their indices in `variables`."""
        return {"converged": self.converged, "evaluations": self.evaluations}

    def set_state(self, state: dict[str, Any], variables: Sequence[Any]) -> None:
        """Restore the result of `get_state`.

        Raises
        ------
        TypeError, ValueError, KeyError
            If the state does not match.
        """
        self.converged = check_boolean("converged", state["converged"])
        self.evaluations = check_integer("evaluations", state["evaluations"], 0)


def indices_of(key: Any, variables: Sequence[Any]) -> list[int] | None:
    """The indices in `variables` of the variables in a vector; ``None`` if one is missing."""
    at = {variable: number for number, variable in enumerate(variables)}
    return None if key is None else [at[variable] for variable in key]


def variables_at(indices: Any, variables: Sequence[Any]) -> tuple[Any, ...]:
    """The variables with these indices.

    Raises
    ------
    TypeError, ValueError
        If these are not valid indices.
    """
    return tuple(variables[check_integer("the number of a variable", at, 0, len(variables) - 1)] for at in indices)


def check_vector(name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """A copy of `value` as an array of this shape; it must be finite, because state never contains NaN or infinity.

    Raises
    ------
    TypeError, ValueError
        If it is not such an array.
    """
    with np.errstate(over="ignore"):
        array = np.array(check_array(name, value, shape), dtype, order="C")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite as {array.dtype}, but holds {array[~np.isfinite(array)][0]}")
    return array


class FullBatchOptimizer(Optimizer):
    """Base of optimizers that evaluate the loss of all samples at several points for each step.

    An epoch of `fit` is `max_iterations` steps on all samples as one batch. The logs contain loss and metrics after the
    last step, with dropout as in training.

    Parameters
    ----------
    learning_rate : float, default 1.0
    max_iterations : int, default 1
        Steps in an epoch; fewer if it converges.
    name : str, optional

    Attributes
    ----------
    converged : bool
        Whether the last step found no further improvement; `fit` then stops.
    """

    def __init__(self, learning_rate: float = 1.0, max_iterations: int = 1, name: str | None = None) -> None:
        super().__init__(check_number("learning_rate", learning_rate, 0, open_minimum=True), name=name)
        self.max_iterations = check_integer("max_iterations", max_iterations, 1)

    @property
    def converged(self) -> bool:
        """Whether the last step of the model that was compiled last found no further improvement."""
        return self._state.search is not None and self._state.search.converged

    def implementation_in(self, package: str, dtype: Any = None) -> Any:
        """The class that implements this optimizer in ``cbackprop.compiled`` or ``cbackprop.reference``."""
        if type(self).implementation is None:
            raise NotImplementedError(f"{type(self).__name__} is a base class: use LBFGS or LevenbergMarquardt.")
        return super().implementation_in(package, dtype)

    def new_search(self) -> Search:
        """The state before the first step."""
        return Search()

    def step(self, problem: Problem, state: OptimizerState) -> None:
        """Take the steps of an epoch. If one raises an error, the weights from before that step are restored."""
        if state.search is None:
            state.search = self.new_search()
        for _ in range(self.max_iterations):
            before = problem.weights()
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    self.improve(problem, before, state.search)
            except BaseException:
                problem.set_weights(before)
                raise
            problem.finish()
            if state.search.converged:
                break

    def improve(self, problem: Problem, start: Array, search: Any) -> None:
        """Find better weights than `start`, set them, and report their loss and metrics."""
        raise NotImplementedError

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Raise an error: this optimizer needs more than a gradient.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            f"{type(self).__name__} needs the loss at several points, not only a gradient: "
            "it cannot be applied. Use it with compile and fit, or train_on_batch."
        )
