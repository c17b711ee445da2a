"""The last step of normalization layers: scale by gamma and shift by beta, both learned."""

from __future__ import annotations

import math
from typing import Any

from cbackprop import constraints, initializers, regularizers
from cbackprop.layers.layer import Layer
from cbackprop.validation import check_boolean, named
from cbackprop.variable import Variable

__all__ = ["AffineLayer"]


class AffineLayer(Layer):
    """Base of layers whose last step is ``gamma * normalized + beta``."""

    gamma: Variable | None = None
    beta: Variable | None = None

    def _set_affine(
        self,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
    ) -> None:
        """Check and store the constructor's arguments."""
        self.center = check_boolean("center", center)
        self.scale: Any = check_boolean("scale", scale)
        self.beta_initializer = named("beta_initializer", initializers.get, beta_initializer)
        self.gamma_initializer = named("gamma_initializer", initializers.get, gamma_initializer)
        self.beta_regularizer = named("beta_regularizer", regularizers.get, beta_regularizer)
        self.gamma_regularizer = named("gamma_regularizer", regularizers.get, gamma_regularizer)
        self.beta_constraint = named("beta_constraint", constraints.get, beta_constraint)
        self.gamma_constraint = named("gamma_constraint", constraints.get, gamma_constraint)

    def _add_affine(self, shape: tuple[int, ...], scales: bool, centers: bool) -> None:
        """Create gamma if `scales`, and beta if `centers`."""
        if scales:
            self.gamma = self.add_weight(
                shape,
                self.gamma_initializer,
                name="gamma",
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if centers:
            self.beta = self.add_weight(
                shape,
                self.beta_initializer,
                name="beta",
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each number."""
        return 2 * math.prod(output_shape)
