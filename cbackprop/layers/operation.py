"""The base of layers, and of the other steps of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from cbackprop import activations
    from cbackprop.variable import Variable

__all__ = ["Operation"]


class Operation:
    """The computation of a step, as plans and engines see it. A `Layer` also has weights and a name of its own.

    Parameters
    ----------
    name : str
        What messages call it: the layer that it belongs to, and what it does there.
    dtype : {"float32", "float64"}
    """

    # Where the compiled class and its NumPy twin are: "module.Class" below cbackprop.compiled.layers and
    # cbackprop.reference.layers; "package:module.Class" below package.compiled.layers and package.reference.layers. For
    # layers, by default, the module and class of the same name as their own.
    implementation: ClassVar[str | None] = None
    # Whether the backward pass needs the step's own output: if so, no later step may write over that.
    reads_output: ClassVar[bool] = True
    # Whether the step may write its output over its only input.
    overwrites_input: bool = False
    # When a sample's output depends on the other samples of its batch: "never", "in_training" or "always". The step
    # then sees a batch as a whole, in one call unless its compiled class divides that into phases.
    couples_samples: str = "never"
    # The computation is in Python.
    is_python: ClassVar[bool] = False
    # It applies an activation and does nothing else.
    is_activation: ClassVar[bool] = False
    # It computes a mask: no gradient passes through it, and it is left out if the mask is not read.
    makes_mask: ClassVar[bool] = False
    # The numbers of the output are numbers of the inputs, so whole numbers stay whole.
    rearranges: ClassVar[bool] = False
    # Inputs are whole numbers in [0, id_range): data that gets here unchanged is checked for that.
    id_range: int | None = None
    # Each sample uses a few rows of the first weight; only those rows get a gradient.
    reads_rows: ClassVar[bool] = False
    # States that last from batch to batch, one array (batch, ...) each. All batches then have that size.
    lasting: Sequence[Any] = ()
    # It wants the derivative by its output even where nothing is trained.
    keeps_delta: ClassVar[bool] = False
    # It only shows values that pass through it: random layers draw the same numbers with it and without it.
    only_looks: ClassVar[bool] = False

    name: str
    dtype: str

    def __init__(self, name: str, dtype: str) -> None:
        self.name = name
        self.dtype = dtype

    @property
    def variables(self) -> list[Variable]:
        """The weights."""
        return []

    @property
    def function(self) -> activations.Kernel | None:
        """The activation that the operation applies, or that follows it."""
        return None

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """Roughly the floating point operations of a forward pass for one sample, without a few for each number.

        Engines decide by it how many threads a step is worth. By default that of a matrix product with the first weight
        at each position.
        """
        if not self.variables or self.reads_rows:
            return 0
        return 2 * math.prod(input_shapes[0][:-1]) * self.variables[0].size

    def multiply_adds(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """The multiplications whose results are added up, in a prediction for one sample. `Model.summary` shows them.

        By default half of `flops`. Operations on single numbers, such as an activation, do not count.
        """
        return self.flops(input_shapes, output_shape) // 2

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """For each weight: roughly the floating point operations for one sample's share in its gradient.

        ``None``, as by default, where the gradient is not a sum that may be taken over some of the samples at a time.
        """
        return [None] * len(self.variables)
