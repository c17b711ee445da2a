"""The backward pass of a plan: which steps it needs, which deltas, and where these are added up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cbackprop.variable import Variable

if TYPE_CHECKING:
    from cbackprop.plan.step import Step

__all__ = ["BackwardStep", "backward_steps", "buffers_behind"]


class BackwardStep(NamedTuple):
    """The deltas and gradients that the backward pass of one step of the plan must produce.

    `input_deltas` has for each input ``None`` (not needed), ``"write"``, or ``"add"`` (if a later step of the forward
    pass has already written that delta). `gradients` has the same for each of the layer's variables.
    """

    position: int
    input_deltas: tuple[str | None, ...]
    gradients: tuple[str | None, ...]


def backward_steps(
    steps: Sequence[Step],
    trainable: Collection[Variable],
    with_loss: Collection[int],
    skipped: Collection[int] = (),
) -> list[BackwardStep]:
    """The steps of the backward pass, in the order in which they run.

    Parameters
    ----------
    steps : sequence of Step
        The steps of the plan.
    trainable : collection of Variable
        The variables whose gradients are wanted.
    with_loss : collection of int
        The output buffers whose deltas a loss has written.
    skipped : collection of int
        Steps that a loss has taken over.
    """
    trainable = set(trainable)
    needed = buffers_behind(steps, trainable)
    written = set(with_loss)
    touched: set[Variable] = set()
    backward: list[BackwardStep] = []
    for index in reversed(range(len(steps))):
        step = steps[index]
        if index in skipped or step.output not in needed or step.output not in written:
            continue
        deltas: list[str | None] = []
        for buffer in step.inputs:
            in_place = buffer == step.output
            deltas.append(None if buffer not in needed else "add" if buffer in written and not in_place else "write")
            written.add(buffer)
        gradients: list[str | None] = []
        for variable in step.layer.variables:
            gradients.append(None if variable not in trainable else "add" if variable in touched else "write")
            touched.add(variable)
        backward.append(BackwardStep(index, tuple(deltas), tuple(gradients)))
    return backward


def buffers_behind(steps: Sequence[Step], trainable: Collection[Variable]) -> set[int]:
    """Buffers whose value depends on a trainable variable, so that their delta is needed."""
    behind: set[int] = set()
    trainable = set(trainable)
    for step in steps:
        if step.layer.makes_mask:
            continue
        wanted = step.layer.keeps_delta or any(v in trainable for v in step.layer.variables)
        if wanted or any(b in behind for b in step.inputs):
            behind.add(step.output)
    return behind
