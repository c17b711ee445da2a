"""The step that a plan uses for an activation that halves an axis."""

from __future__ import annotations

from typing import Any

from cbackprop import activations
from cbackprop.layers.activation import ActivationLayer

__all__ = ["GLU"]


class GLU(ActivationLayer):
    """A gated linear unit as a separate step: its output is narrower than its input, so it needs its own memory.

    Not for users, who write ``Activation("glu")`` or ``Dense(8, activation="glu")``.
    """

    implementation = "glu.GLU"
    reads_output = False
    overwrites_input = False

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
