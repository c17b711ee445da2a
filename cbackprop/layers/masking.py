"""Masking of steps of sequences."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import Layer, registry
from cbackprop.tensor import Shape
from cbackprop.validation import check_number

__all__ = ["Masking"]


@registry.register()
class Masking(Layer):
    """Zeros in place of steps that are to be ignored: those whose features all equal `mask_value`.

    Parameters
    ----------
    mask_value : float, default 0.0
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, ..., features), output of the same shape. ``dL/dinput`` is ``dL/doutput``, and 0 where a step is
    masked. Keras also tells later layers which steps are masked; no layer here asks, as none is recurrent.

    Raises
    ------
    TypeError
        If `mask_value` is not a number.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Masking(mask_value=-1.0)([[[-1.0, -1.0], [-1.0, 2.0]]])
    array([[[ 0.,  0.],
            [-1.,  2.]]], dtype=float32)
    """

    implementation = "preprocessing.Masking"
    reads_output = False

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = check_number("mask_value", mask_value)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        if len(input_shape) < 2:
            raise ValueError(f"Masking {self.name!r} needs inputs (batch, ..., features), but got {input_shape}.")
        return input_shape
