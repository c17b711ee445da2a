"""Which layers run on parts of another layer's output while these are still in the cache."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from cbackprop.plan.plan import Plan

__all__ = ["find_chains"]


def find_chains(plan: Plan, layers: Sequence[Any], linked: Collection[int]) -> list[list[int]]:
    """Chains of steps, by their numbers: the step that leads, then those that follow it.

    Parameters
    ----------
    plan : Plan
    layers : sequence of compiled layers
        One for each step of the plan.
    linked : collection of int
        Steps that a loss takes over. They follow no other step.
    """
    steps, found = plan.steps, []
    for first in range(len(steps)):
        chain = [first]
        for index in range(first + 1, len(steps)):
            reads_last = steps[index].inputs == (steps[chain[-1]].output,)
            is_needed = (index < plan.predicting) == (first < plan.predicting)
            if not (layers[index].can_follow and reads_last and is_needed and index not in linked):
                break
            chain.append(index)
        if layers[first].leads and len(chain) > 1:
            found.append(chain)
    return found
