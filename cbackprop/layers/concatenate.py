"""Inputs side by side, along an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.masks import Merged, check_mask_list
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer

__all__ = ["Concatenate"]


@registry.register()
class Concatenate(Layer):
    """Put the inputs side by side along an axis.

    Parameters
    ----------
    axis : int, default -1
        The axis along which lengths add up. Axis 0 is the batch, which is not allowed.
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs have the same shape, except along `axis`. Each input gets its own part of delta.

    Raises
    ------
    TypeError
        If `axis` is no integer.
    ValueError
        If `axis` is no axis of a sample, the other axes differ, or there are fewer than two inputs.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Concatenate()([cb.Input((2, 3)), cb.Input((2, 5))]).shape
    (None, 2, 8)
    >>> cb.layers.Concatenate(axis=1)([cb.Input((2, 3)), cb.Input((4, 3))]).shape
    (None, 6, 3)
    """

    rearranges = True
    supports_masking = True
    n_inputs: ClassVar[int | None] = None
    reads_output = False

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_integer("axis", axis)
        if self.axis == 0:
            raise ValueError("axis must not be 0: that is the batch. The first axis of a sample is 1.")

    def positive_axis(self, ndim: int) -> int:
        """`axis` counted from the front, for inputs with `ndim` axes."""
        return self.axis if self.axis > 0 else self.axis + ndim

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """The common shape, with the sum of all lengths along `axis`."""
        ndim = len(input_shape[0])
        axis = self.positive_axis(ndim)
        if not 1 <= axis < ndim:
            raise ValueError(
                f"Concatenate {self.name!r} works along axis {self.axis}, "
                f"which is not an axis of the samples in shape {input_shape[0]}."
            )
        others = {shape[:axis] + shape[axis + 1 :] for shape in input_shape}
        if len(others) > 1 or any(len(shape) != ndim for shape in input_shape):
            raise ValueError(
                f"Concatenate {self.name!r} needs inputs whose shapes differ only along axis {self.axis}, "
                f"but got {', '.join(map(str, input_shape))}."
            )
        length = sum(shape[axis] or 0 for shape in input_shape)
        return (*input_shape[0][:axis], length, *input_shape[0][axis + 1 :])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks one after the other; along the last axis, where any of them says so. Inputs without one count."""
        check_mask_list(inputs, mask)
        if mask is None or all(one is None for one in mask):
            return None
        shapes = [np.shape(array) for array in inputs]
        masks = [
            np.ones(shape, bool) if one is None else np.broadcast_to(np.asarray(one, bool)[..., np.newaxis], shape)
            for one, shape in zip(mask, shapes, strict=True)
        ]
        return np.concatenate(masks, axis=self.axis).any(axis=-1)

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """The masks one after the other; along the last axis, where any of them says so. Inputs without one count."""
        if not any(shape is not None for shape in masks):
            return None
        number = np.full(output, -1)  # of the input that each element comes from
        place = np.empty(output, int)  # the row of it
        axis, begin = self.positive_axis(len(output) + 1) - 1, 0
        for index, shape in enumerate(shapes):
            part = (slice(None),) * axis + (slice(begin, begin + shape[axis]),)
            number[part] = index
            place[part] = np.arange(math.prod(shape[:-1])).reshape(*shape[:-1], 1)
            begin += shape[axis]
        rows = [np.where(number == index, place, -1).max(axis=-1).ravel() for index in range(len(shapes))]
        known = [index for index, shape in enumerate(masks) if shape is not None]
        always = np.any([rows[index] >= 0 for index in range(len(shapes)) if index not in known], axis=0)
        return Merged(self, np.array([rows[index] for index in known]), np.broadcast_to(always, rows[0].shape))
