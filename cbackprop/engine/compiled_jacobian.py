"""Derivatives of each predicted number by the weights, in the compiled engine."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.engine.gradients import Gradients
from cbackprop.compiled.engine.jacobian import jacobian
from cbackprop.compiled.kernels.memory import aligned_zeros
from cbackprop.engine.engine import Array

if TYPE_CHECKING:
    from cbackprop.engine.compiled import CompiledEngine

__all__ = ["compiled_jacobian"]


def compiled_jacobian(engine: CompiledEngine, begin: int, end: int) -> tuple[Array, NDArray[np.float64]]:
    """Derivatives (numbers, weights) and errors (numbers,) of each number predicted for the samples begin:end.

    The engine has been told where the data is, and has room for these samples in one block.
    """
    sizes = [variable.size for variable in engine.trainable]
    offsets = dict(zip(engine.trainable, itertools.accumulate(sizes, initial=0), strict=False))
    parts: list[tuple[int, int, int, int, int, bool, float, int, int]] = [
        (index, k, 0, variable.size, offsets[variable], number > 0, 1.0, -1, 0)
        for variable, uses in engine.gradient_work.uses().items()
        for number, (index, k) in enumerate(uses)
    ]
    shapes = zip(engine.plan.output_shapes, engine.objectives, strict=True)
    numbers = (end - begin) * sum(math.prod(shape) for shape, objective in shapes if objective.loss)
    derivatives = aligned_zeros(numbers * sum(sizes), engine.dtype).reshape(numbers, sum(sizes))
    errors = np.zeros(numbers)
    row = Gradients(engine.network.layers, derivatives[0], parts, [], [], [])
    jacobian(engine.predictor, begin, end, row, derivatives, errors)
    return derivatives, errors
