"""A model's plan, with example sizes for axes that the model leaves open."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.unknown_sizes import SMALL, filled
from cbackprop.plan.plan import Plan

__all__ = ["example_plan"]


def example_plan(model: Any) -> Plan:
    """The plan of a model. It has the same steps for all sizes of open axes."""
    plans = model.plans
    if isinstance(plans, Plan):
        return plans
    found: Plan = plans.of(tuple(filled(tensor.shape, SMALL[0])[1:] for tensor in model.inputs))
    return found
