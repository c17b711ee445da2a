"""Layers that normalize each sample by itself: by the mean and variance, or the norm, of groups of its elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.affine import AffineLayer
from cbackprop.layers.layer import registry
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean, check_integer, check_number

__all__ = ["GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"]


class Normalization(AffineLayer):
    """Base: ``(x - mean) / sqrt(variance + epsilon)`` of groups of elements, or a variant of it.

    Subclasses say in `arrange` which elements make a group, and in the attributes below what is done to it.
    """

    implementation = "normalization.Normalization"
    reads_output = False

    # Whether the group's mean is subtracted; whether the spread is taken about the mean (else about 0).
    subtracts_mean: bool = True
    about_mean: bool = True
    # Whether the spread is the mean of the squares, else their sum.
    takes_mean: ClassVar[bool] = True
    # The largest factor that is applied.
    limit: ClassVar[float] = math.inf
    epsilon: float = 0.0

    def arrange(self, x: NDArray[Any]) -> NDArray[Any]:
        """Samples (batch, ...) as (batch, groups, repeats, run), the elements of a group next to each other."""
        raise NotImplementedError

    def parameter_shape(self, groups: int, repeats: int, run: int) -> tuple[int, int, int]:
        """The shape of gamma and beta that fits (groups, repeats, run), with 1 where elements share."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        self._axes(input_shape)
        return input_shape

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse a shape that the weights do not fit."""
        shape = self.weight_shape(input_shape)
        for variable in self.variables:
            if variable.shape != shape:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r} was built with weights of shape {variable.shape}, "
                    f"which do not fit inputs of shape {input_shape}."
                )

    def weight_shape(self, input_shape: Shape) -> tuple[int, ...]:
        """The shape of gamma and beta."""
        return tuple(int(input_shape[axis] or 1) for axis in self._axes(input_shape))

    def _axes(self, input_shape: Shape) -> tuple[int, ...]:
        return normalized_axes(self, self.axis, input_shape)

    axis: int | list[int]


def normalized_axes(layer: Any, axis: int | Sequence[int], input_shape: Shape) -> tuple[int, ...]:
    """The axes of the samples that `axis` names, counted from the batch axis and sorted.

    Raises
    ------
    ValueError
        If one does not exist or is the batch's.
    """
    axes = [axis] if isinstance(axis, int) else list(axis)
    ndim = len(input_shape)
    for item in axes:
        if not -ndim <= item < ndim or item % ndim == 0:
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} normalizes axis {item}, which is not an axis of the samples "
                f"in shape {input_shape}."
            )
    return tuple(sorted({item % ndim for item in axes}))


def check_axes(axis: Any) -> int | list[int]:
    """`axis` as an integer or a list of them.

    Raises
    ------
    TypeError
        If it is anything else.
    ValueError
        If the list is empty.
    """
    if not isinstance(axis, (list, tuple)):
        return check_integer("axis", axis)
    if not axis:
        raise ValueError("axis must name at least one axis, but got an empty list.")
    return [check_integer("every element of axis", item) for item in axis]


class AxesNormalization(Normalization):
    """Base of layers whose groups are the elements along some axes, with weights shaped like a group."""

    def arrange(self, x: NDArray[Any]) -> NDArray[Any]:
        """(batch, groups, elements but for the last axis, last axis)."""
        axes = self._axes(x.shape)
        last = tuple(range(x.ndim - len(axes), x.ndim))
        moved = np.moveaxis(x, axes, last)
        size = math.prod(moved.shape[last[0] :])
        run = moved.shape[-1]
        return moved.reshape(len(x), -1, size // run, run)

    def parameter_shape(self, groups: int, repeats: int, run: int) -> tuple[int, int, int]:
        """All groups share the weights."""
        return 1, repeats, run


@registry.register()
class LayerNormalization(AxesNormalization):
    """Normalize each sample along some axes: ``gamma * (x - mean) / sqrt(variance + epsilon) + beta``.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        Along which mean and variance are taken; not the batch axis.
    epsilon : float, default 0.001
        Added to the variance, at least 0.
    center, scale : bool, default True
        Whether there is a beta, and a gamma.
    beta_initializer, gamma_initializer : str or Initializer, default "zeros" and "ones"
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional
    rms_scaling : bool, default False
        ``gamma * x / sqrt(variance + epsilon)`` instead, without beta: kept from older versions of Keras; for root
        mean squares use `RMSNormalization`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    gamma, beta : Variable or None
        Shaped like the normalized axes.

    Notes
    -----
    Input of any shape, output of the same shape. With u = (x - mean) / sqrt(variance + epsilon), g = gamma dL/doutput
    and all means along the axes: ``dL/dinput = (g - mean(g) - u mean(g u)) / sqrt(variance + epsilon)``,
    ``dL/dgamma = sum of u dL/doutput``, ``dL/dbeta = sum of dL/doutput``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has no such axis.

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450, 2016. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.LayerNormalization(epsilon=0.0)
    >>> layer([[1.0, 3.0], [30.0, 10.0]])
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    >>> layer.gamma.shape
    (2,)
    """

    supports_masking = True

    adjustable = ("epsilon",)

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = check_axes(axis)
        self.epsilon = check_number("epsilon", epsilon, minimum=0)
        self._set_affine(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )
        self.rms_scaling = check_boolean("rms_scaling", rms_scaling)
        self.subtracts_mean = not self.rms_scaling

    def build(self, input_shape: Shape) -> None:
        """Create gamma and beta."""
        shape = self.weight_shape(input_shape)
        self._add_affine(shape, self.scale or self.rms_scaling, self.center and not self.rms_scaling)


@registry.register()
class RMSNormalization(AxesNormalization):
    """Divide each sample by its root mean square along some axes: ``scale * x / sqrt(mean(x^2) + epsilon)``.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        Along which the mean is taken; not the batch axis.
    epsilon : float, default 1e-06
        Added to the mean, at least 0.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    scale : Variable
        Shaped like the normalized axes; ones at first.

    Notes
    -----
    Input of any shape, output of the same shape. With r = sqrt(mean(x^2) + epsilon), u = x / r, g = scale dL/doutput
    and means along the axes: ``dL/dinput = (g - u mean(g u)) / r``, ``dL/dscale = sum of u dL/doutput``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has no such axis.

    References
    ----------
    Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019. Arguments and defaults are those of
    Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.RMSNormalization()([[1.0, 7.0]]).round(4)
    array([[0.2, 1.4]], dtype=float32)
    """

    subtracts_mean = False
    about_mean = False

    adjustable = ("epsilon",)

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_axes(axis)
        self.epsilon = check_number("epsilon", epsilon, minimum=0)
        self.scale: Any = None

    def build(self, input_shape: Shape) -> None:
        """Create the scale."""
        self.gamma = self.scale = self.add_weight(self.weight_shape(input_shape), "ones", name="scale")


@registry.register()
class UnitNormalization(AxesNormalization):
    """Divide each sample by its Euclidean norm along some axes: ``x / sqrt(sum(x^2))``.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        Along which the norm is taken; not the batch axis.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. Norms below 1e-12 count as 1e-12. With u the output and
    g = dL/doutput: ``dL/dinput = (g - u sum(g u)) / norm``.

    Raises
    ------
    TypeError, ValueError
        If the axis is no integer or list of them, or the input has no such axis.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.UnitNormalization()([[3.0, 4.0]])
    array([[0.6, 0.8]], dtype=float32)
    """

    supports_masking = True

    subtracts_mean = False
    about_mean = False
    takes_mean = False
    limit = 1e12

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_axes(axis)


@registry.register()
class GroupNormalization(Normalization):
    """Normalize groups of channels of each sample: ``gamma * (x - mean) / sqrt(variance + epsilon) + beta``.

    Parameters
    ----------
    groups : int, default 32
        Into how many groups of neighbours the channels are divided; -1 for a group of each channel (instance
        normalization), 1 for one of them all.
    axis : int, default -1
        The axis of the channels.
    epsilon : float, default 0.001
        Added to the variance, at least 0.
    center, scale : bool, default True
        Whether there is a beta, and a gamma.
    beta_initializer, gamma_initializer : str or Initializer, default "zeros" and "ones"
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional
    **kwargs
        See `Layer`.

    Attributes
    ----------
    gamma, beta : Variable or None
        Shape (channels,).

    Notes
    -----
    Input of any shape, output of the same shape. Mean and variance are taken over the channels of a group and all
    axes but the batch's. Gradients are those of `LayerNormalization`, with a gamma for each channel.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the channels cannot be divided so.

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.GroupNormalization(2, epsilon=0.0)([[1.0, 3.0, 30.0, 10.0]])
    array([[-1.,  1.,  1., -1.]], dtype=float32)
    """

    supports_masking = True

    adjustable = ("epsilon",)

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.groups = check_integer("groups", groups, minimum=-1)
        if self.groups == 0:
            raise ValueError("groups must be positive or -1, but got 0.")
        self.axis = check_integer("axis", axis)
        self.epsilon = check_number("epsilon", epsilon, minimum=0)
        self._set_affine(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )

    def build(self, input_shape: Shape) -> None:
        """Create gamma and beta."""
        self._add_affine(self.weight_shape(input_shape), self.scale, self.center)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        (channels,) = self.weight_shape(input_shape)
        if channels % self._group_count(channels):
            raise ValueError(
                f"GroupNormalization {self.name!r} cannot divide {channels} channels into {self.groups} groups: "
                f"the number of channels in shape {input_shape} must be a multiple of that of groups."
            )
        return input_shape

    def arrange(self, x: NDArray[Any]) -> NDArray[Any]:
        """(batch, groups, positions, channels of a group)."""
        (axis,) = self._axes(x.shape)
        channels = x.shape[axis]
        groups = self._group_count(channels)
        divided = x.reshape(*x.shape[:axis], groups, channels // groups, *x.shape[axis + 1 :])
        moved = np.moveaxis(divided, (axis, axis + 1), (1, -1))
        return moved.reshape(len(x), groups, -1, channels // groups)

    def parameter_shape(self, groups: int, repeats: int, run: int) -> tuple[int, int, int]:
        """All positions share the weights."""
        return groups, 1, run

    def _group_count(self, channels: int) -> int:
        return channels if self.groups == -1 else self.groups
