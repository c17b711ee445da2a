"""When a training step computes the gradient of each weight, and how threads share that work."""

from __future__ import annotations

import bisect
import math
from collections.abc import Collection, Sequence
from typing import Any

from cbackprop.plan.backward import BackwardStep
from cbackprop.plan.plan import Plan
from cbackprop.plan.step import Step
from cbackprop.variable import Variable

__all__ = ["GradientWork"]

# All gradients together are divided into about this many parts, each of at least this many elements.
MOST_PARTS, LEAST_PART = 16, 2048
# Parts begin at multiples of this number of elements, which suits all register tiles. The same as in division.pxd.
PART_STEP = 24
# The gradient of a block is added to the sum in portions of about this many elements, which stay in the cache.
PORTION = 1 << 17

# A use of a variable: the number of the step, and the variable's number in that step.
Use = tuple[int, int]


class GradientWork:
    """The work of computing all gradients of a network.

    Parameters
    ----------
    plan : Plan
    backward_steps : sequence of BackwardStep
    layers : sequence of compiled layers
        One for each step of the plan.
    couples_samples : sequence of str
        For each step, whether its samples depend on each other.

    Attributes
    ----------
    points : list of int
        Positions in the backward pass at which threads meet anyway, so that gradients can be computed there: in front
        of layers whose samples depend on each other.
    point_of : dict of Variable to int
        The point at which the gradient of each variable is computed: the first one after all its uses. The last point,
        ``len(points)``, is the end of the backward pass.
    """

    def __init__(
        self,
        plan: Plan,
        backward_steps: Sequence[BackwardStep],
        layers: Sequence[Any],
        couples_samples: Sequence[str],
    ) -> None:
        self.plan, self.backward_steps, self.layers = plan, backward_steps, layers
        self.points = [i for i, step in enumerate(backward_steps) if couples_samples[step.position] != "never"]
        self.point_of = self._find_points()

    def follow(self, plan: Plan) -> None:
        """Switch to another plan, which has the same steps with other layers."""
        points = [self.point_of.get(variable) for variable in self.plan.variables]
        pairs = zip(plan.variables, points, strict=True)
        self.plan, self.point_of = plan, {variable: point for variable, point in pairs if point is not None}

    def uses(self) -> dict[Variable, list[Use]]:
        """All uses of each variable whose gradient is wanted."""
        found: dict[Variable, list[Use]] = {}
        for step in self.backward_steps:
            variables = self.plan.steps[step.position].layer.variables
            for k, (variable, mode) in enumerate(zip(variables, step.gradients, strict=True)):
                if mode is not None:
                    found.setdefault(variable, []).append((step.position, k))
        return found

    def divide(
        self, without: Collection[Variable], always_sum: bool
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Divide the gradient vector for compiled ``Gradients``: whole gradients, parts, portions, and sums.

        Parameters
        ----------
        without : collection of Variable
            Variables without a gradient in the vector.
        always_sum : bool
            Whether every gradient is cut into chunks of samples, also where this gains no time.
        """
        uses = {variable: those for variable, those in self.uses().items() if variable not in without}
        flops = {variable: self._flops(those) for variable, those in uses.items()}
        total = sum(work for work, _ in flops.values())
        finest = max(sum(variable.size for variable in uses) // MOST_PARTS, LEAST_PART)
        whole: list[tuple[Any, ...]] = []
        parts: list[tuple[Any, ...]] = []
        portions: list[tuple[Any, ...]] = []
        sums: list[tuple[Any, ...]] = []
        for variable, those in sorted(uses.items(), key=lambda use: self.point_of[use[0]]):
            work, is_sum = flops[variable]
            fine = self._parts(variable, those, finest, work)
            # A variable gets parts in proportion to its work, so that every thread finds work. If it has too few
            # elements for that, its sum over samples is cut into chunks. A chunk costs memory and an addition, so parts
            # that are only somewhat larger than the others are not cut.
            chunks = round(MOST_PARTS * work / total / (len(fine) // len(those)))
            number = -1
            # If samples do not depend on each other, every gradient is a sum over samples. But cutting it may not pay.
            if always_sum or (is_sum and chunks > 1):
                number = len(sums)
                sums.append((variable.offset, variable.size, work, max(min(chunks, MOST_PARTS), 1)))
            end = number, self.point_of[variable]
            whole += [(*part, *end) for part in self._parts(variable, those, variable.size, work)]
            parts += [(*part, *end) for part in fine]
            portions += [(*part, *end) for part in self._parts(variable, those, PORTION, work)]
        return whole, parts, portions, sums

    def _find_points(self) -> dict[Variable, int]:
        found: dict[Variable, int] = {}
        for i, step in enumerate(self.backward_steps):
            layer = self.plan.steps[step.position].layer
            for variable, mode in zip(layer.variables, step.gradients, strict=True):
                if mode is not None:
                    # A table's gradient is collected at the end, and the optimizer's settings may make this a table.
                    at_end = layer.reads_rows
                    found[variable] = len(self.points) if at_end else bisect.bisect_right(self.points, i)
        return found

    def _flops(self, uses: list[Use]) -> tuple[float, bool]:
        """Floating point operations of a gradient for a sample, and whether it is a sum over samples in all uses."""
        found = [_gradient_flops(self.plan.steps[index], k) for index, k in uses]
        by_default = [2 * math.prod(self.plan.steps[index].output_shape) for index, _ in uses]
        flops = sum(rest if each is None else each for each, rest in zip(found, by_default, strict=True))
        return max(float(flops), 1.0), None not in found

    def _parts(
        self, variable: Variable, uses: list[Use], size: int, flops: float
    ) -> list[tuple[int, int, int, int, int, bool, float]]:
        """A gradient in parts of about `size` elements, for each use.

        (layer, parameter, begin, end, offset, whether to add, floating point operations a sample)
        """
        grain = math.lcm(*[self.layers[index].grains[k] for index, k in uses]) * PART_STEP
        length = math.ceil(size / grain) * grain
        return [
            (
                *(index, k, begin, min(begin + length, variable.size), variable.offset + begin, number > 0),
                flops * (min(begin + length, variable.size) - begin) / variable.size,
            )
            for begin in range(0, variable.size, length)
            for number, (index, k) in enumerate(uses)
        ]


def _gradient_flops(step: Step, k: int) -> int | None:
    """The operations of a step's k-th gradient for a sample; ``None`` if the gradient is not a sum over samples."""
    each = step.layer.gradient_flops(list(step.input_shapes), step.output_shape)
    if not isinstance(each, (list, tuple)) or len(each) <= k:
        raise ValueError(
            f"gradient_flops of layer {step.layer.name!r} must return a list with a number, or None, for each weight "
            f"that is trained, but returned {each!r}."
        )
    found: int | None = each[k]
    return found
