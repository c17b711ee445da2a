"""PReLU: a rectifier with a learned slope for negative inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cbackprop import constraints, initializers, regularizers
from cbackprop.layers.layer import Layer, registry
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer, named
from cbackprop.variable import Variable

__all__ = ["PReLU"]


@registry.register()
class PReLU(Layer):
    """Parametric rectified linear unit: ``output = max(input, 0) + alpha * min(input, 0)``, where alpha is learned.

    Parameters
    ----------
    alpha_initializer : str or Initializer, default "Zeros"
    alpha_regularizer : str or Regularizer, optional
        Penalty on alpha that is added to the loss.
    alpha_constraint : str or Constraint, optional
        Applied to alpha after each training step.
    shared_axes : int or sequence of int, optional
        Axes along which all elements share one alpha; the axes of a sample are 1, 2, ... With ``[1, 2]``, images
        (batch, height, width, channels) have one alpha for each channel. By default every element has its own.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    alpha : Variable
        Has the shape of a sample, with size 1 along the shared axes.

    Notes
    -----
    Input of any shape, output of the same shape. With delta = dL/doutput: dL/dinput is delta where the input is
    positive, alpha * delta where it is negative and, as in Keras, 0 where it is 0;
    ``dL/dalpha = sum of delta * min(input, 0)`` over the batch and the shared axes.

    Raises
    ------
    TypeError
        If an axis is not an integer.
    ValueError
        If a shared axis is not an axis of the samples, an initializer is unknown, or the input's shape does not match
        alpha.

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
    classification", ICCV 2015. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.PReLU(alpha_initializer=cb.initializers.Constant(0.25))([[-4.0, 2.0]])
    array([[-1.,  2.]], dtype=float32)
    >>> layer = cb.layers.PReLU(shared_axes=[1, 2])
    >>> layer(cb.Input((8, 8, 3))).shape, layer.alpha.shape
    ((None, 8, 8, 3), (1, 1, 3))
    """

    supports_masking = True
    reads_output = False

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = named("alpha_initializer", initializers.get, alpha_initializer)
        self.alpha_regularizer = named("alpha_regularizer", regularizers.get, alpha_regularizer)
        self.alpha_constraint = named("alpha_constraint", constraints.get, alpha_constraint)
        self.shared_axes: list[int] | None = None
        if shared_axes is not None:
            axes = shared_axes if isinstance(shared_axes, (list, tuple)) else [shared_axes]
            self.shared_axes = [check_integer("every axis in shared_axes", axis, minimum=1) for axis in axes]
        self.alpha: Variable | None = None

    def build(self, input_shape: Shape) -> None:
        """Create alpha."""
        self.alpha = self.add_weight(
            self.alpha_shape(input_shape),
            self.alpha_initializer,
            name="alpha",
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        for axis in self.shared_axes or ():
            if axis >= len(input_shape):
                raise ValueError(
                    f"PReLU {self.name!r} shares axes {self.shared_axes}, "
                    f"but {axis} is not an axis of the samples in shape {input_shape}."
                )
        return input_shape

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse an input shape that alpha does not match."""
        if self.alpha is None:
            return  # a subclass may make other weights; the engine reports those that are missing
        if self.alpha_shape(input_shape) != self.alpha.shape:
            raise ValueError(
                f"PReLU {self.name!r} was built with alpha of shape {self.alpha.shape} "
                f"(shared axes: {self.shared_axes}), which does not fit inputs of shape {input_shape}."
            )

    def alpha_shape(self, input_shape: Shape) -> tuple[int, ...]:
        """The shape of alpha: 1 along shared axes."""
        shared = self.shared_axes or ()
        return tuple(1 if axis in shared else int(size or 1) for axis, size in enumerate(input_shape) if axis > 0)

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each number."""
        return 2 * math.prod(output_shape)
