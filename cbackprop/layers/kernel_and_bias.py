"""Layers that multiply by a kernel and may add a bias: their arguments, and how these weights are made."""

from __future__ import annotations

from typing import Any

from cbackprop import constraints, initializers, regularizers
from cbackprop.layers.layer import Layer
from cbackprop.validation import named
from cbackprop.variable import Variable

__all__ = ["KernelAndBias"]


class KernelAndBias(Layer):
    """Base of layers with a kernel, and perhaps a bias."""

    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any
    kernel: Variable | None = None
    bias: Variable | None = None

    def _set_kernel_and_bias(
        self,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
    ) -> None:
        """Check and store the constructor's arguments."""
        # See the constructor of `Layer`: these, too, are checked, and need no `__setattr__`.
        self.__dict__.update(
            kernel_initializer=named("kernel_initializer", initializers.get, kernel_initializer),
            bias_initializer=named("bias_initializer", initializers.get, bias_initializer),
            kernel_regularizer=named("kernel_regularizer", regularizers.get, kernel_regularizer),
            bias_regularizer=named("bias_regularizer", regularizers.get, bias_regularizer),
            kernel_constraint=named("kernel_constraint", constraints.get, kernel_constraint),
            bias_constraint=named("bias_constraint", constraints.get, bias_constraint),
        )

    def _add_kernel(self, shape: tuple[int | None, ...], initializer: Any) -> None:
        """Create the kernel."""
        self.kernel = self.add_weight(
            shape, initializer, name="kernel", regularizer=self.kernel_regularizer, constraint=self.kernel_constraint
        )

    def _add_bias(self, shape: tuple[int, ...]) -> None:
        """Create the bias."""
        self.bias = self.add_weight(
            shape,
            self.bias_initializer,
            name="bias",
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )
