"""Layers that rearrange samples: Flatten, Reshape, Identity, Permute, RepeatVector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cbackprop.config import check_data_format
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.spatial import Transposed
from cbackprop.layers.unknown_sizes import has_unknown
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer, check_items

__all__ = ["Flatten", "Identity", "Permute", "RepeatVector", "Reshape"]


@registry.register()
class Flatten(Layer):
    """Flatten each sample to one axis.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`. With ``"channels_first"``, the channels, the first axis of a
        sample, are moved to the end first: the order is the same as that of the same samples with their channels last.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, ...), output (batch, elements of a sample). It costs nothing: no data is moved, except for
    ``"channels_first"``.

    Raises
    ------
    ValueError
        For another `data_format`.

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
        if self.data_format == "channels_first":
            self.is_view = False

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, elements of a sample)."""
        return (None, math.prod(known(input_shape)))

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """Move channels that come first to the end. The flattened result is a view of that."""
        (moved,) = inputs
        if len(moved.shape) > 1:
            channels, *sizes = moved.shape
            dims = (*range(2, len(moved.shape) + 1), 1)
            moved = steps.add(Transposed(f"{self.name}/channels_last", self.dtype, dims), inputs, (*sizes, channels))
        return moved._replace(shape=shape)


@registry.register()
class Reshape(Layer):
    """Give each sample another shape; its elements keep their order.

    Parameters
    ----------
    target_shape : tuple of int
        Shape of one sample. One size may be -1; it is computed from the others.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, ...), output ``(batch, *target_shape)``. It costs nothing: no data is moved. If the input has
    unknown sizes, -1 stands for an unknown size, and the number of elements is checked when there is data.

    Raises
    ------
    TypeError
        If `target_shape` is not a sequence of integers.
    ValueError
        If a size is not positive (except one -1), or the numbers of elements differ.

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
                "target_shape must hold positive dimensions, and at most one -1 for the rest, "
                f"but got {self.target_shape}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """``(batch, *target_shape)``, with -1 replaced if all sizes of the input are known."""
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
        """The output's shape. Unlike other layers, this one needs no example sizes in place of unknown ones."""
        if not has_unknown(input_shape):
            return super().resolve(input_shape)
        shape = self.compute_output_shape(input_shape)
        if not self.built:
            self.build(input_shape)
        return shape


@registry.register()
class Identity(Layer):
    """Return the input.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. It costs nothing: no data is moved.

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
    """Reorder the axes of each sample.

    Parameters
    ----------
    dims : tuple of int
        For each axis of the output, the axis of the input that it is. The axes of a sample are 1, 2, ...
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, d_1, ..., d_k), output (batch, d_dims[0], ..., d_dims[k-1]). ``dL/dinput`` is dL/doutput with its
    axes in the original order.

    Raises
    ------
    TypeError
        If `dims` is not a sequence of integers.
    ValueError
        If `dims` is not a permutation of 1, 2, ..., or the inputs have another number of axes.

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

    rearranges = True
    reads_output = False

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = check_integers("dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)) or not self.dims:
            raise ValueError(f"dims must hold each of 1, 2, ... once, such as (2, 1), but got {self.dims}.")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The sizes of the input in the order of `dims`."""
        if len(input_shape) != len(self.dims) + 1:
            raise ValueError(
                f"Permute {self.name!r} orders {len(self.dims)} axes, but got inputs of shape {input_shape}, "
                f"whose samples have {len(input_shape) - 1}."
            )
        return (None, *(input_shape[dim] for dim in self.dims))


@registry.register()
class RepeatVector(Layer):
    """Repeat each sample, a vector, n times.

    Parameters
    ----------
    n : int
        The number of repetitions, at least 1.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, width), output (batch, n, width). ``dL/dinput`` is the sum of delta over the repetitions.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is below 1, or the samples are not vectors.

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

    rearranges = True
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
    """The sizes of a sample that are known."""
    return tuple(int(size) for size in shape[1:] if size is not None)


def check_integers(name: str, values: Any) -> tuple[int, ...]:
    """`values` as a tuple of integers.

    Raises
    ------
    TypeError
        If they are not a sequence of integers.
    """
    return tuple(
        check_integer(f"every element of {name}", value) for value in check_items(name, values, "a tuple of integers")
    )
