"""What the plan puts in the place of an activation that halves an axis."""

from __future__ import annotations

from typing import Any

from cbackprop import activations
from cbackprop.layers.activation import ActivationLayer

__all__ = ["GLU"]


class GLU(ActivationLayer):
    """A gated linear unit as a step of its own, in memory of its own, since its output is narrower than its input.

    No layer for users, who write ``Activation("glu")`` or ``Dense(8, activation="glu")``.
    """

    implementation = "glu.GLU"
    reads_output = False
    overwrites_input = False

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
