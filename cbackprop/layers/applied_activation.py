"""Activations as steps of their own: a plan puts them behind the layers that have them."""

from __future__ import annotations

from typing import Any

from cbackprop.compiled.kernels import activations as kernels
from cbackprop.layers.operation import Operation

__all__ = ["AppliedActivation", "AppliedGLU", "applied", "may_overwrite"]


class AppliedActivation(Operation):
    """An activation of this library, element by element or along an axis.

    Parameters
    ----------
    name, dtype
        See `Operation`.
    function : activations.Kernel
    """

    implementation = "activation.Activation"
    is_activation = True

    def __init__(self, name: str, dtype: str, function: Any) -> None:
        super().__init__(name, dtype)
        self._function = function
        self.overwrites_input = may_overwrite(function)

    @property
    def function(self) -> Any:
        """The activation."""
        return self._function


class AppliedGLU(AppliedActivation):
    """A gated linear unit: its output is half as wide as its input, so it needs memory of its own."""

    implementation = "glu.GLU"
    reads_output = False


def applied(name: str, dtype: str, function: Any) -> AppliedActivation:
    """The step that applies an activation."""
    return (AppliedGLU if function.halves else AppliedActivation)(name, dtype, function)


def may_overwrite(function: Any) -> bool:
    """Whether the step may work in place, because the backward pass needs only the output."""
    return function is not None and not function.halves and not kernels.reads_input(function.name)
