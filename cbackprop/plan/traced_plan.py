"""A plan in which every number of a training step can be read afterwards."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import TYPE_CHECKING

from cbackprop import activations
from cbackprop.layers.applied_activation import AppliedActivation
from cbackprop.plan.plan import Plan
from cbackprop.plan.step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CopyStep", "TracedPlan"]


class CopyStep(AppliedActivation):
    """Copies the output of a step into another buffer, so that no later step overwrites the value or the delta."""

    is_activation = False
    only_looks = True

    def __init__(self, name: str, dtype: str) -> None:
        super().__init__(name, dtype, activations.linear.kernel())
        self.overwrites_input = False


class TracedPlan(Plan):
    """A plan like another one, with a copy step after each step.

    A step writes its value into a buffer that no other step writes to. Later steps read the copy, and may work in
    place there. The delta comes back to the copy, and the copy step copies it back.

    Parameters
    ----------
    plan : Plan
    dtype : {"float32", "float64"}
    links : collection of int
        Steps that a loss takes over. They end in an output and are not copied. They work in place in their input's
        buffer, whose delta is the delta of the logits.

    Attributes
    ----------
    places : list of (int, int, int)
        For each step of the other plan: its index in this plan, the buffer with its value, and the one with its delta.
    origins : dict of int to int
        For the buffer of each copy, the buffer that was copied.
    """

    def __init__(self, plan: Plan, dtype: str, links: Collection[int]) -> None:
        self.__dict__.update(copy.copy(plan).__dict__)
        self.widths, self.steps = list(plan.widths), []
        self.places: list[tuple[int, int, int]] = []
        self.origins: dict[int, int] = {}
        now = {buffer: buffer for buffer in range(len(plan.widths))}
        for index, step in enumerate(plan.steps):
            inputs = tuple(now[buffer] for buffer in step.inputs)
            output = now[step.output]
            place = len(self.steps)
            self.steps.append(step._replace(inputs=inputs, output=output))
            delta = output
            if index not in links and not step.layer.makes_mask:
                delta = now[step.output] = self._add_copy(step, output, dtype)
            if index < plan.predicting:
                self.predicting = len(self.steps)
            self.places.append((place, output, delta))
        self._list_variables()
        self.outputs = [now[buffer] for buffer in plan.outputs]
        self.activities = [activity._replace(buffer=now[activity.buffer]) for activity in plan.activities]

    def _add_copy(self, step: Step, output: int, dtype: str) -> int:
        copied = CopyStep(f"{step.layer.name}/copy", dtype)
        buffer = self._new_buffer(step.output_shape)
        shape: Sequence[int] = step.output_shape
        self.steps.append(Step(copied, (output,), buffer, (tuple(shape),), tuple(shape), step.training, step.within))
        self.origins[buffer] = output
        return buffer
