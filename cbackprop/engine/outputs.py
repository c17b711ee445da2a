"""What steps mean for losses: which step a loss takes over, the masks of outputs, and samples that need each other."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.contract.expansion import Mask
from cbackprop.engine.objective import Objective
from cbackprop.layers.operation import Operation
from cbackprop.plan.plan import Plan

__all__ = ["coupling_of", "mask_of_output", "step_of_loss"]


def step_of_loss(plan: Plan, index: int, loss: Any) -> int | None:
    """The step that the loss of an output takes over, if link and loss cancel; else ``None``."""
    step_index = plan.link(plan.outputs[index])
    if loss is None or step_index is None or loss.from_logits:
        return None
    step = plan.steps[step_index]
    function = step.layer.function
    last = len(step.output_shape)
    matches = function is not None and function.name == loss.link and function.axis in (None, -1, last)
    return step_index if matches else None


def mask_of_output(plan: Plan, index: int, objective: Objective) -> Mask | None:
    """The mask of an output, if the output has a loss or metrics.

    Raises
    ------
    ValueError
        If the mask does not have a value for each row.
    """
    counts = objective.loss or objective.metrics
    mask, shape = plan.output_masks[index] if counts else None, plan.output_shapes[index]
    if mask is not None and math.prod(mask.shape) != math.prod(shape[:-1]):
        raise ValueError(
            f"Output {index} has samples of shape {shape}, but a mask of shape {mask.shape}: losses and metrics "
            f"need one with a value for each row, shape {shape[:-1]}."
        )
    return mask


def coupling_of(layer: Operation) -> str:
    """When a layer's samples depend on each other.

    Raises
    ------
    ValueError
        If the layer's class says something unknown.
    """
    found = layer.couples_samples
    if not isinstance(found, str) or found not in ("never", "in_training", "always"):
        raise ValueError(
            f"couples_samples of layer {layer.name!r} must be 'never', 'in_training' or 'always', but is {found!r}."
        )
    return found
