"""Dot products of two inputs, along an axis of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cbackprop import config
from cbackprop.layers.layer import Layer, registry
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean, check_integer

__all__ = ["Dot"]


@registry.register()
class Dot(Layer):
    """Dot products of two inputs along an axis of each, sample by sample.

    ``output[..i, ..j] = sum_k input_0[..i, k] * input_1[..j, k]``, where k counts along the given axes
    and ``..i`` and ``..j`` are all other axes of the two samples.

    Parameters
    ----------
    axes : int or tuple of two int
        The axis of each input, or one for both. Axis 0 is the batch, which is not allowed.
    normalize : bool, default False
        Divide by the Euclidean norms along the axes first, so that the output is the cosine of the angle.
        Norms below `config.epsilon` count as that.
    **kwargs
        See `Layer`.

    Notes
    -----
    The output has the axes of the first sample and then those of the second, without the two that were
    summed over; if none is left, its shape is (batch, 1). As matrices of the vectors along the axes,
    ``output = A B^T``, ``dL/dA = delta B`` and ``dL/dB = delta^T A``. With ``y = x / |x|``,
    ``dL/dx = (dL/dy - y (y . dL/dy)) / |x|``.

    Raises
    ------
    TypeError
        If `axes` are no integers.
    ValueError
        If `axes` are not one or two, or no axes of the samples, or the inputs differ in length along them.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Dot(axes=1)([cb.Input((3,)), cb.Input((3,))]).shape
    (None, 1)
    >>> cb.layers.Dot(axes=(1, 2))([cb.Input((3, 5)), cb.Input((10, 3))]).shape
    (None, 5, 10)
    """

    supports_masking = True
    n_inputs = 2
    reads_output = False

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = check_axes(axes)
        self.normalize = check_boolean("normalize", normalize)
        self.epsilon = config.epsilon()

    def positive_axes(self, input_shape: Sequence[Shape]) -> tuple[int, int]:
        """The axis of each input, counted from the front."""
        first, second = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return (first % len(input_shape[0]), second % len(input_shape[1]))

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: products of rows are no rows."""

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """None: products of rows are no rows."""
        return

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """All axes of both samples except those that are summed over."""
        given = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        for axis, shape in zip(given, input_shape, strict=True):
            if not (1 <= axis < len(shape) or 1 - len(shape) <= axis < 0):
                raise ValueError(
                    f"Dot {self.name!r} works along axes {self.axes}, "
                    f"but {axis} is not an axis of the samples in shape {shape}."
                )
        a, b = self.positive_axes(input_shape)
        first, second = input_shape
        if first[a] != second[b]:
            raise ValueError(
                f"Dot {self.name!r} needs inputs of one length along axes {self.axes}, "
                f"but got shapes {first} and {second}: {first[a]} and {second[b]}."
            )
        rest = (*first[1:a], *first[a + 1 :], *second[1:b], *second[b + 1 :])
        return (None, *(rest or (1,)))

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each number of the output and each that is summed over."""
        axis = self.positive_axes([(None, *shape) for shape in input_shapes])[0]
        return 2 * math.prod(output_shape) * input_shapes[0][axis - 1]


def check_axes(axes: Any) -> int | tuple[int, int]:
    """`axes` of a `Dot` as one integer or two.

    Raises
    ------
    TypeError
        If they are no integers.
    ValueError
        If they are not one or two, or 0.
    """
    if isinstance(axes, (list, tuple)):
        if len(axes) != 2:
            raise ValueError(f"axes must be an integer or two of them, but got {axes!r}.")
        checked = tuple(check_integer("every axis in axes", axis) for axis in axes)
    else:
        checked = (check_integer("axes", axes),)
    if 0 in checked:
        raise ValueError(f"axes must not hold 0: that is the batch. The first axis of a sample is 1. Got {axes!r}.")
    return (checked[0], checked[1]) if len(checked) == 2 else checked[0]
