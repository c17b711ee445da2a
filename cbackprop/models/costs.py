"""The costs of a network: multiply-adds per sample, and the memory of a training step."""

from __future__ import annotations

from typing import Any

from cbackprop import losses
from cbackprop.engine import Objective, engine_class
from cbackprop.engine.compiled import CompiledEngine
from cbackprop.layers.layer import Layer
from cbackprop.layers.unknown_sizes import has_unknown
from cbackprop.plan.plan import Plan
from cbackprop.tensor import Node, is_optional

__all__ = ["adds_of_call", "adds_of_plan", "fixed_plan", "training_bytes"]

# For this many samples, the gaps between buffers are negligible.
MANY = 2**20


def adds_of_call(node: Node) -> int | None:
    """The multiply-adds of one call of a layer or nested model; ``None`` if sizes depend on the data."""
    if any(has_unknown(tensor.shape) or is_optional(tensor) for tensor in node.inputs):
        return None
    with Layer._making:
        return adds_of_plan(Plan(list({id(tensor): tensor for tensor in node.inputs}.values()), node.outputs))


def adds_of_plan(plan: Plan) -> int:
    """The multiply-adds of all steps: forward pass, one sample."""
    return sum(step.layer.multiply_adds(list(step.input_shapes), step.output_shape) for step in plan.steps)


def fixed_plan(model: Any) -> Plan | None:
    """The plan of a built model; ``None`` if it depends on the data."""
    return None if model.has_open_inputs else model.plan


def training_bytes(model: Any, plan: Plan) -> float | None:
    """The memory per sample in a training step of the compiled engine.

    It consists of values, deltas and what layers keep from the forward pass; steps may reuse each other's memory. The
    data, the weights and the optimizer's slots are not included. Before the first training step, every output is
    assumed to have a loss. ``None`` if there is nothing to train, or samples have axes of size 0.
    """
    if engine_class("compiled", plan) is not CompiledEngine:
        return None
    engine = model._engine
    if not isinstance(engine, CompiledEngine) or engine.plan is not plan:
        if not model.trainable_variables:
            return None
        wanted = [objective.loss is not None for objective in model._objectives or ()] or [True] * len(model.outputs)
        objectives = [Objective(losses.MeanSquaredError() if wants else None) for wants in wanted]
        engine = CompiledEngine(plan, model.dtype, objectives, trainable=model.trainable_variables)
    return engine.memory.block_size(MANY) / MANY
