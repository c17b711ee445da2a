"""Activations written in Python, as steps of a network."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.python_step import PythonStep

__all__ = ["ActivationCall"]


class ActivationCall(PythonStep):
    """Run the activation of a layer as a separate step. Not for users.

    Parameters
    ----------
    owner : Layer
        The layer whose `activation` is a Python callable.
    """

    def __init__(self, owner: Any) -> None:
        super().__init__(f"{owner.name}/activation", owner.dtype)
        self.owner = owner
        self.wrapped: Any = owner.activation

    def call(self, inputs: Any) -> Any:
        """The callable's result, which has the input's shape."""
        return self.wrapped(inputs)

    @property
    def backward(self) -> Any:
        """The callable's `backward`; ``None`` if it has none."""
        return getattr(self.wrapped, "backward", None)

    @property
    def without_backward(self) -> str:
        """The message of the error that is raised if a gradient must pass and there is no `backward`."""
        name = getattr(self.wrapped, "__name__", None) or repr(self.wrapped)
        return (
            f"The activation {name} of layer {self.owner.name!r} is written in Python, and gradients must pass through "
            "it: there is no automatic differentiation. Use one of cbackprop.activations, or give the callable an "
            "attribute backward, called as backward(inputs, outputs, delta), which returns the input delta: "
            "activation=layers.Lambda(function, backward=...) has one."
        )
