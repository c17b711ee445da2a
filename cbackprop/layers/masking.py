"""Masking: mark the steps of sequences that are padding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.masks import Differs
from cbackprop.tensor import Shape
from cbackprop.validation import check_number

__all__ = ["Masking"]


@registry.register()
class Masking(Layer):
    """Mask the steps whose features all equal `mask_value`, and set them to 0.

    Parameters
    ----------
    mask_value : float, default 0.0
        The value that marks padding.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, ..., features), output of the same shape. ``dL/dinput`` is ``dL/doutput``, and 0 for masked steps.
    All layers that support masks pass the mask, (batch, ...), on. If it reaches an output of the model, the loss and
    the metrics ignore masked steps: see `Model.compile`.

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

    supports_masking = True
    implementation = "preprocessing.Masking"
    reads_output = False

    adjustable = ("mask_value",)

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = check_number("mask_value", mask_value)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        if len(input_shape) < 2:
            raise ValueError(f"Masking {self.name!r} needs inputs (batch, ..., features), but got {input_shape}.")
        return input_shape

    def compute_mask(self, inputs: Any, mask: Any = None) -> NDArray[np.bool_]:
        """Where any feature differs from `mask_value`, (batch, ...)."""
        array = np.asarray(inputs)
        shown: NDArray[np.bool_] = (array != array.dtype.type(self.mask_value)).any(axis=-1)
        return shown

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """The layer makes a new mask and ignores that of its input."""
        if not output:
            raise ValueError(f"Masking {self.name!r} needs inputs (batch, ..., features), but got {(None, *output)}.")
        return Differs(self, self.mask_value, output[-1])
