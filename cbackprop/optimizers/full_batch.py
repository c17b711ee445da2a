"""The base of optimizers that look at the loss of all samples several times before they take a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.optimizers.state import OptimizerState, check_array
from cbackprop.validation import check_boolean, check_integer, check_number

__all__ = ["FullBatchOptimizer", "Problem", "Search"]

Array = NDArray[Any]


class Problem(Protocol):
    """What a full-batch optimizer minimizes: the loss of all samples as a function of one vector of weights.

    The vector holds the trainable weights one after the other. All evaluations between two steps see the same
    random numbers, so that they are those of one function.
    """

    key: Any  # what the vector is of: another key is another vector
    solver: Any  # the compiled kernels of the optimizer, or their twin
    samples: int
    values: int  # numbers that the model predicts for a sample

    @property
    def only_squares(self) -> str | None:
        """Why the loss is no weighted sum of squared errors, or ``None``."""

    def weights(self) -> Array:
        """A copy of the vector."""

    def place(self, weights: Array) -> None:
        """Make these the weights."""

    def gradient(self) -> tuple[float, Array]:
        """Loss and gradient at the weights."""

    def loss(self) -> float:
        """The loss at the weights."""

    def jacobian(self, begin: int, end: int) -> tuple[Array, Array]:
        """Derivatives (rows, weights) and values (rows,) of errors of samples; their squares add up to the loss."""

    def repeats(self) -> bool:
        """Whether the gradient of this function has been taken, and it is the same in every step."""

    def keep(self) -> Any:
        """Losses and metrics of the last evaluation."""

    def finish(self) -> None:
        """Count a step, and let what no gradient reaches follow."""

    def show(self, kept: Any) -> None:
        """Show these as the outcome of the step."""


class Search:
    """How far the search for better weights of one model is.

    Attributes
    ----------
    converged : bool
        Whether the last step found no way on.
    evaluations : int
        Of loss and gradient, so far.
    """

    converged = False
    evaluations = 0

    def get_state(self, variables: Sequence[Any]) -> dict[str, Any]:
        """Plain values and arrays for a file, in which variables are told by their places in a list."""
        return {"converged": self.converged, "evaluations": self.evaluations}

    def set_state(self, state: dict[str, Any], variables: Sequence[Any]) -> None:
        """Take over what `get_state` returned.

        Raises
        ------
        TypeError, ValueError, KeyError
            If it does not fit.
        """
        self.converged = check_boolean("converged", state["converged"])
        self.evaluations = check_integer("evaluations", state["evaluations"], 0)


def places_of(key: Any, variables: Sequence[Any]) -> list[int] | None:
    """Where the variables that a vector is of are in a list."""
    at = {variable: number for number, variable in enumerate(variables)}
    return None if key is None else [at[variable] for variable in key]


def variables_at(places: Any, variables: Sequence[Any]) -> tuple[Any, ...]:
    """The variables at some places of a list.

    Raises
    ------
    TypeError, ValueError
        If these are no places.
    """
    return tuple(variables[check_integer("the number of a variable", at, 0, len(variables) - 1)] for at in places)


def check_vector(name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of finite numbers of this shape, as a copy: what is not finite is never remembered.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    with np.errstate(over="ignore"):
        array = np.array(check_array(name, value, shape), dtype, order="C")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite as {array.dtype}, but holds {array[~np.isfinite(array)][0]}")
    return array


class FullBatchOptimizer(Optimizer):
    """Base of optimizers that evaluate the loss of all samples at several points for each step.

    An epoch of `fit` is `max_iterations` steps on all samples as one batch. Loss and metrics that are logged are those
    after the last step, with dropout as in training.

    Parameters
    ----------
    learning_rate : float, default 1.0
    max_iterations : int, default 1
        Steps in an epoch, if it does not converge before.
    name : str, optional

    Attributes
    ----------
    converged : bool
        Whether the last step found no way on; `fit` then stops.
    """

    def __init__(self, learning_rate: float = 1.0, max_iterations: int = 1, name: str | None = None) -> None:
        super().__init__(check_number("learning_rate", learning_rate, 0, open_minimum=True), name=name)
        self.max_iterations = check_integer("max_iterations", max_iterations, 1)

    @property
    def converged(self) -> bool:
        """Whether the last step found no way on, in the training of the model that was compiled last."""
        return self._state.search is not None and self._state.search.converged

    def implementation_in(self, package: str) -> Any:
        """The class that carries this optimizer out in ``cbackprop.compiled`` or ``cbackprop.reference``."""
        if type(self).implementation is None:
            raise NotImplementedError(f"{type(self).__name__} is a base: use LBFGS or LevenbergMarquardt.")
        return super().implementation_in(package)

    def new_search(self) -> Search:
        """What is remembered before the first step."""
        return Search()

    def step(self, problem: Problem, state: OptimizerState) -> None:
        """Take the steps of an epoch; whatever goes wrong in one leaves the weights as they were before it."""
        if state.search is None:
            state.search = self.new_search()
        for _ in range(self.max_iterations):
            before = problem.weights()
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    self.improve(problem, before, state.search)
            except BaseException:
                problem.place(before)
                raise
            problem.finish()
            if state.search.converged:
                break

    def improve(self, problem: Problem, start: Array, search: Any) -> None:
        """Find better weights than `start`, place them, and show their loss and metrics."""
        raise NotImplementedError

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Refused: a gradient alone is not enough for this optimizer.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            f"{type(self).__name__} needs the loss at several points, not only a gradient: "
            "it cannot be applied. Use it with compile and fit, or train_on_batch."
        )
