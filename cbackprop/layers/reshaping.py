"""Layers that rearrange samples: Flatten, Reshape, Identity, Permute, RepeatVector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cbackprop.config import check_data_format
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.unknown_sizes import has_unknown
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer, check_items

__all__ = ["Flatten", "Identity", "Permute", "RepeatVector", "Reshape"]


@registry.register()
class Flatten(Layer):
    """Each sample as one row of numbers.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        That of `config.image_data_format` by default. Keras puts the channels of ``"channels_first"`` samples last
        while it flattens them, which would take a copy: only samples of one axis are flattened in this mode. For
        others put a `Permute` in front.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, ...), output (batch, elements of a sample). Costs nothing: nothing is moved.

    Raises
    ------
    ValueError
        For another `data_format`, or ``"channels_first"`` with samples of several axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Flatten()(cb.Input((28, 28))).shape
    (None, 784)
    """

    is_view = True

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, elements of a sample)."""
        sample = known(input_shape)
        if self.data_format == "channels_first" and len(sample) > 1:
            dims = (*range(2, len(sample) + 1), 1)
            raise ValueError(
                f"Flatten {self.name!r} with data_format 'channels_first' takes samples of one axis, but got shape "
                f"{input_shape}. Put Permute({dims}) in front, and flatten with 'channels_last'."
            )
        return (None, math.prod(sample))


@registry.register()
class Reshape(Layer):
    """The numbers of each sample, in their order, in another shape.

    Parameters
    ----------
    target_shape : tuple of int
        Shape of one sample. One dimension may be -1: whatever is left.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, ...), output ``(batch, *target_shape)``. Costs nothing: nothing is moved. Where the input leaves sizes
    open, -1 stands for one that is open, too, and whether the elements suffice is seen when there is data.

    Raises
    ------
    TypeError
        If `target_shape` is no sequence of integers.
    ValueError
        If a dimension is not positive (but for one -1), or the sizes differ.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Reshape((3, -1))(cb.Input((12,))).shape
    (None, 3, 4)
    """

    is_view = True

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = check_integers("target_shape", target_shape)
        if any(size < 1 and size != -1 for size in self.target_shape) or self.target_shape.count(-1) > 1:
            raise ValueError(
                "target_shape must hold positive dimensions, and at most one -1 for whatever is left, "
                f"but got {self.target_shape}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """``(batch, *target_shape)``, with -1 replaced where all sizes of the input are known."""
        size = math.prod(known(input_shape))
        given = math.prod(length for length in self.target_shape if length != -1)
        if has_unknown(input_shape):
            if given % size and -1 not in self.target_shape:
                raise ValueError(
                    f"Reshape {self.name!r} cannot make samples of shape {self.target_shape}, of {given} elements, "
                    f"from inputs of shape {input_shape}, which have a multiple of {size} elements each."
                )
            return (None, *(None if length == -1 else length for length in self.target_shape))
        if size % given or (size != given and -1 not in self.target_shape):
            raise ValueError(
                f"Reshape {self.name!r} cannot make samples of shape {self.target_shape} from inputs of shape "
                f"{input_shape}, which have {size} elements each."
            )
        return (None, *(size // given if length == -1 else length for length in self.target_shape))

    def resolve(self, input_shape: Any) -> Shape:
        """The output's shape. Unknown sizes of the input need no examples: the output's are known, or as unknown."""
        if not has_unknown(input_shape):
            return super().resolve(input_shape)
        shape = self.compute_output_shape(input_shape)
        if not self.built:
            self.build(input_shape)
        return shape


@registry.register()
class Identity(Layer):
    """The input itself.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. Costs nothing: nothing is moved.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Identity()([[1.0, 2.0]])
    array([[1., 2.]], dtype=float32)
    """

    supports_masking = True
    is_view = True


@registry.register()
class Permute(Layer):
    """The axes of each sample in another order.

    Parameters
    ----------
    dims : tuple of int
        For each axis of the output, which axis of the input it is; the axes of a sample are 1, 2, ...
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, d_1, ..., d_k), output (batch, d_dims[0], ..., d_dims[k-1]). The delta is permuted back.

    Raises
    ------
    TypeError
        If `dims` is no sequence of integers.
    ValueError
        If `dims` is no permutation of 1, 2, ..., or the inputs have another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Permute((2, 1))([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    array([[[1., 4.],
            [2., 5.],
            [3., 6.]]], dtype=float32)
    """

    reads_output = False

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = check_integers("dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)) or not self.dims:
            raise ValueError(f"dims must hold each of 1, 2, ... once, such as (2, 1), but got {self.dims}.")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The dimensions in the order of `dims`."""
        if len(input_shape) != len(self.dims) + 1:
            raise ValueError(
                f"Permute {self.name!r} orders {len(self.dims)} axes, but got inputs of shape {input_shape}, "
                f"whose samples have {len(input_shape) - 1}."
            )
        return (None, *(input_shape[dim] for dim in self.dims))


@registry.register()
class RepeatVector(Layer):
    """Each sample, a vector, n times.

    Parameters
    ----------
    n : int
        At least 1.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, width), output (batch, n, width). ``dL/dinput`` is the sum of delta over the repetitions.

    Raises
    ------
    TypeError
        If `n` is no integer.
    ValueError
        If `n` is below 1, or the samples are no vectors.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.RepeatVector(2)([[1.0, 2.0, 3.0]])
    array([[[1., 2., 3.],
            [1., 2., 3.]]], dtype=float32)
    """

    reads_output = False

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = check_integer("n", n, minimum=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, n, width)."""
        if len(input_shape) != 2:
            raise ValueError(f"RepeatVector {self.name!r} needs inputs (batch, width), but got shape {input_shape}.")
        return (None, self.n, input_shape[1])


def known(shape: Shape) -> tuple[int, ...]:
    """The shape of a sample."""
    return tuple(int(size) for size in shape[1:] if size is not None)


def check_integers(name: str, values: Any) -> tuple[int, ...]:
    """`values` as a tuple of integers.

    Raises
    ------
    TypeError
        If they are no sequence of integers.
    """
    return tuple(
        check_integer(f"every element of {name}", value) for value in check_items(name, values, "a tuple of integers")
    )
