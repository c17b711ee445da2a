"""The variables of which only the rows that a batch has read are updated."""

from __future__ import annotations

from collections.abc import Sequence

from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.plan.plan import Plan
from cbackprop.variable import Variable

__all__ = ["variables_by_rows"]

# A table with more elements, such as that of an `Embedding`, is updated by rows with any optimizer.
LARGEST_DENSE_TABLE = 2**20


def variables_by_rows(
    plan: Plan, trainable: Sequence[Variable], optimizer: Optimizer | None, has_ranks: bool
) -> set[Variable]:
    """The trainable variables that are updated by rows. Ranks add up whole gradients, so with them there are none."""
    if optimizer is None or has_ranks or not any(step.layer.reads_rows for step in plan.steps):
        return set()
    read: dict[bool, set[Variable]] = {True: set(), False: set()}
    for step in plan.steps:
        read[step.layer.reads_rows].update(step.layer.variables)
    by_rows = read[True] - read[False]
    return {variable for variable in trainable if variable in by_rows and _is_table(variable, optimizer)}


def _is_table(variable: Variable, rule: Optimizer) -> bool:
    """Whether only those rows of a table are updated that a batch has read.

    They are if the result is the same, or if the table is so large that updating all rows would be too slow. They are
    not if the update of a row needs other rows, or the gradients of several batches.
    """
    if rule.whole_variables or rule.use_ema or rule.gradient_accumulation_steps:
        return False
    if variable.regularizer is not None or variable.constraint is not None:
        return False
    return rule.rests_without_gradient or variable.size > LARGEST_DENSE_TABLE
