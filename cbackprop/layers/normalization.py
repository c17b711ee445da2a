"""Layers that normalize each sample separately, by the mean and variance or the norm of groups of its elements."""

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
    """Base: compute ``(x - mean) / sqrt(variance + epsilon)`` for groups of elements, or a variant of it.

    Subclasses define in `arrange` which elements form a group, and choose the variant by the attributes below.
    """

    implementation = "normalization.Normalization"
    reads_output = False

    # Whether the group's mean is subtracted; whether squares are taken of x - mean (else of x).
    subtracts_mean: bool = True
    about_mean: bool = True
    # Whether the group is divided by the root of the mean of the squares (else of their sum).
    takes_mean: ClassVar[bool] = True
    # The largest factor that an element is multiplied by.
    limit: ClassVar[float] = math.inf
    epsilon: float = 0.0

    def arrange(self, x: NDArray[Any]) -> NDArray[Any]:
        """Arrange samples (batch, ...) as (batch, groups, repeats, run), with the elements of a group adjacent."""
        raise NotImplementedError

    def parameter_shape(self, groups: int, repeats: int, run: int) -> tuple[int, int, int]:
        """The shape of gamma and beta against (groups, repeats, run), with 1 for axes along which they are shared."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        self._axes(input_shape)
        return input_shape

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse an input shape that the weights do not match."""
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
    """The axes that `axis` names, sorted, as numbers from 1: the batch is 0.

    Raises
    ------
    ValueError
        If an axis does not exist or is the batch axis.
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
    """Base of layers that normalize over the elements along some axes. The weights have the shape of these axes."""

    def arrange(self, x: NDArray[Any]) -> NDArray[Any]:
        """(batch, groups, elements of a group along all but the last axis, elements along the last axis)."""
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
        The axes over which mean and variance are taken. Not the batch axis.
    epsilon : float, default 0.001
        Added to the variance, at least 0.
    center, scale : bool, default True
        Whether the layer has a beta (`center`) and a gamma (`scale`).
    beta_initializer, gamma_initializer : str or Initializer, default "zeros" and "ones"
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional
    rms_scaling : bool, default False
        Compute ``gamma * x / sqrt(variance + epsilon)`` instead, without beta. It exists because older versions of
        Keras have it; to divide by the root mean square, use `RMSNormalization`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    gamma, beta : Variable or None
        Has the shape of the normalized axes.

    Notes
    -----
    Input of any shape, output of the same shape. With u = (x - mean) / sqrt(variance + epsilon), g = gamma dL/doutput
    and all means along the axes: ``dL/dinput = (g - mean(g) - u mean(g u)) / sqrt(variance + epsilon)``,
    ``dL/dgamma = sum of u dL/doutput``, ``dL/dbeta = sum of dL/doutput``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or `axis` is not an axis of the input.

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
        The axes over which the mean is taken. Not the batch axis.
    epsilon : float, default 1e-06
        Added to the mean, at least 0.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    scale : Variable
        Has the shape of the normalized axes; initially ones.

    Notes
    -----
    Input of any shape, output of the same shape. With r = sqrt(mean(x^2) + epsilon), u = x / r, g = scale dL/doutput
    and means along the axes: ``dL/dinput = (g - u mean(g u)) / r``, ``dL/dscale = sum of u dL/doutput``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or `axis` is not an axis of the input.

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
        The axes over which the norm is taken. Not the batch axis.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. Norms below 1e-12 count as 1e-12. With u the output and
    g = dL/doutput: ``dL/dinput = (g - u sum(g u)) / norm``.

    Raises
    ------
    TypeError, ValueError
        If `axis` is not an integer or a list of integers, or is not an axis of the input.

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
        The number of groups of adjacent channels. -1 makes each channel its own group (instance normalization); 1 puts
        all channels into one group.
    axis : int, default -1
        The axis of the channels.
    epsilon : float, default 0.001
        Added to the variance, at least 0.
    center, scale : bool, default True
        Whether the layer has a beta (`center`) and a gamma (`scale`).
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
    other axes but the batch. Gradients are those of `LayerNormalization`, with a gamma for each channel.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or `groups` does not divide the number of channels.

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
                f"the number of channels in shape {input_shape} must be a multiple of the number of groups."
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
