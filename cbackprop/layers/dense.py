"""Dense: the densely connected layer."""

from __future__ import annotations

import math
from typing import Any

from cbackprop import activations
from cbackprop.layers.kernel_and_bias import KernelAndBias
from cbackprop.layers.layer import registry
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean, check_integer, named

__all__ = ["Dense"]


@registry.register()
class Dense(KernelAndBias):
    """Densely connected layer: ``output = activation(input @ kernel + bias)``.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    activation : str or callable, optional
        Applied to the result; none by default.
    use_bias : bool, default True
        Whether a bias is added.
    kernel_initializer : str or Initializer, default "glorot_uniform"
    bias_initializer : str or Initializer, default "zeros"
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalty on the weights that is added to the loss.
    activity_regularizer : str or Regularizer, optional
        Penalty on the output, after the activation, that is divided by the batch size and added to the loss.
    kernel_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape (width of the input, units).
    bias : Variable or None
        Shape (units,).

    Notes
    -----
    Input (batch, ..., width), output (batch, ..., units); with `activations.glu` half as many. With z the result
    before the activation and delta = dL/dz: ``dL/dkernel = input^T delta``, ``dL/dbias = sum of delta``,
    ``dL/dinput = delta kernel^T``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or an activation or initializer is unknown.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
    Nature 323, 1986. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.Dense(4, activation="relu")
    >>> layer(cb.Input((3,))).shape
    (None, 4)
    >>> layer.kernel.shape, layer.count_params()
    ((3, 4), 16)
    """

    adjustable = ("activation",)
    supports_masking = True
    reads_output = False

    units: int
    use_bias: bool

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        # See the constructor of `Layer`: these, too, are checked, and need no `__setattr__`.
        self.__dict__.update(
            units=check_integer("units", units, minimum=1),
            activation=named("activation", activations.get, activation),
            use_bias=check_boolean("use_bias", use_bias),
        )
        self._set_kernel_and_bias(
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            kernel_constraint,
            bias_constraint,
        )

    def build(self, input_shape: Shape) -> None:
        """Create kernel and bias."""
        self._add_kernel((*input_shape[-1:], self.units), self.kernel_initializer)
        if self.use_bias:
            self._add_bias((self.units,))

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """Each is a sum over samples and positions: of x^T dy for the kernel, of dy for the bias."""
        positions = math.prod(output_shape[:-1])
        return [2 * positions * self.variables[0].size, *([positions * self.units] if self.use_bias else [])]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, ..., units); half as many units if the activation halves them."""
        if len(input_shape) < 2:
            raise ValueError(f"Dense {self.name!r} needs inputs (batch, ..., features), but got shape {input_shape}.")
        return self.activated((*input_shape[:-1], self.units))

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse inputs whose width differs from the kernel's."""
        if self.kernel is None:
            return  # a subclass may make other weights; the engine reports those that are missing
        if self.kernel.ndim != 2:
            raise ValueError(
                f"The kernel of Dense {self.name!r} has the shape {self.kernel.shape}, but must have "
                f"{(input_shape[-1], self.units)}: one row for each feature."
            )
        if input_shape[-1] != self.kernel.shape[0] or self.kernel.shape[1] != self.units:
            raise ValueError(
                f"Dense {self.name!r} was built for inputs of width {self.kernel.shape[0]} "
                f"and {self.kernel.shape[1]} units, but got shape {input_shape}."
            )
