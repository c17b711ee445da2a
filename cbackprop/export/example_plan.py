"""The plan of a model for an example of inputs, where these leave sizes open."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.unknown_sizes import SMALL, filled
from cbackprop.plan.plan import Plan

__all__ = ["example_plan"]


def example_plan(model: Any) -> Plan:
    """The steps of a model. Which ones there are does not depend on the sizes that are open."""
    plans = model.plans
    if isinstance(plans, Plan):
        return plans
    found: Plan = plans.of(tuple(filled(tensor.shape, SMALL[0])[1:] for tensor in model.inputs))
    return found
