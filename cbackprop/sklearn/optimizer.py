"""Make the optimizer for the parameters of an estimator."""

from __future__ import annotations

import copy
from typing import Any

from cbackprop import optimizers
from cbackprop.optimizers.schedules import LearningRateSchedule

__all__ = ["is_full_batch", "make_optimizer"]


def make_optimizer(estimator: Any) -> optimizers.Optimizer:
    """Make an optimizer: one of scikit-learn's three, another one by its name, or a copy of a given object."""
    solver = estimator.solver
    if isinstance(solver, optimizers.Optimizer):
        return copy.deepcopy(solver)
    rate = estimator.learning_rate
    if not isinstance(rate, LearningRateSchedule):
        rate = float(estimator.learning_rate_init)
    if solver == "lbfgs":
        return optimizers.LBFGS(tolerance_grad=estimator.tol, tolerance_change=0)
    if solver == "sgd":
        return optimizers.SGD(rate, estimator.momentum, bool(estimator.nesterovs_momentum))
    if solver == "adam":
        return optimizers.Adam(rate, estimator.beta_1, estimator.beta_2, estimator.epsilon)
    found = optimizers.get(solver)
    if found is None:
        raise TypeError("Expected an optimizer, its name or its config, but got None.")
    return found if isinstance(found, optimizers.FullBatchOptimizer) else type(found)(learning_rate=rate)


def is_full_batch(solver: Any) -> bool:
    """Whether the solver uses all samples in every step, so that there are no batches and no `partial_fit`."""
    if isinstance(solver, str):
        try:
            solver = optimizers.get(solver)
        except ValueError:
            return False  # `fit` raises an error for an unknown solver
    return isinstance(solver, optimizers.FullBatchOptimizer)
