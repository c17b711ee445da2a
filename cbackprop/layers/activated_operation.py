"""Operations that an activation may follow."""

from __future__ import annotations

from typing import Any

from cbackprop import activations
from cbackprop.contract.expansion import Steps, Value
from cbackprop.layers.activation_call import ActivationCall
from cbackprop.layers.activation_shape import activated_shape
from cbackprop.layers.applied_activation import applied
from cbackprop.layers.operation import Operation
from cbackprop.tensor import Shape

__all__ = ["ActivatedOperation"]


class ActivatedOperation(Operation):
    """An operation whose result an activation may follow, as a step of its own."""

    # Applied to the layer's own result: a function of this library, a layer that applies one, or a callable.
    activation: Any = None

    def expand_activation(self, steps: Steps, value: Value, shape: tuple[int, ...]) -> Value:
        """Add the step of the layer's activation, if it has one. Return its output."""
        if self.activates_in_python:
            return steps.add(ActivationCall(self), [value], shape)
        function = self.function
        if function is None or function.name == "linear":
            return value
        return steps.add(applied(f"{self.name}/activation", self.dtype, function), [value], shape)

    @property
    def function(self) -> activations.Kernel | None:
        """Kernel and numbers of the activation, if there is one, and it does not compute in Python."""
        found = self.compiled_activation
        return None if found is None else found.kernel()

    @property
    def compiled_activation(self) -> activations.ActivationFunction[...] | None:
        """The activation, if it does not compute in Python."""
        activation = self.activation
        if isinstance(activation, ActivatedOperation):
            activation = activation.as_activation()
        return activation if isinstance(activation, activations.ActivationFunction) else None

    @property
    def activates_in_python(self) -> bool:
        """Whether the activation is a callable in Python."""
        return self.activation is not None and self.compiled_activation is None

    def as_activation(self) -> activations.ActivationFunction[...] | None:
        """The function of this library that the layer applies, if it does nothing else."""
        return None

    def activated(self, shape: Shape) -> Shape:
        """The shape after the activation, which may halve an axis.

        Raises
        ------
        ValueError
            If the activation works along an axis that samples do not have, or halves one that is odd.
        """
        return activated_shape(self, shape)
