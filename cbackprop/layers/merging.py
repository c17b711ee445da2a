"""Layers that merge several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, ParamSpec

import numpy as np

from cbackprop import config
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.masks import Merged
from cbackprop.tensor import Shape
from cbackprop.validation import ArgumentTypeError, check_boolean, check_integer, type_name

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]

Arguments = ParamSpec("Arguments")


class Merge(Layer):
    """Base of the layers that merge their inputs element by element.

    Shapes of samples may differ where one of them is 1, and leading axes may be missing: such inputs are
    broadcast. Their deltas are summed over the axes along which that happened.
    """

    supports_masking = True
    n_inputs: ClassVar[int | None] = None
    reads_output = False

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """The shape that all inputs broadcast to."""
        try:
            return (None, *np.broadcast_shapes(*(shape[1:] for shape in input_shape)))  # type: ignore[arg-type]
        except ValueError:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs inputs of the same shape, or of shapes that "
                f"broadcast, but got {', '.join(map(str, input_shape))}."
            ) from None

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Where any of the masks says so; ``None`` if one of the inputs has none."""
        check_mask_list(inputs, previous_mask)
        if previous_mask is None or any(mask is None for mask in previous_mask):
            return None
        ndim = max(np.ndim(mask) for mask in previous_mask)
        masks = [np.asarray(mask, bool) for mask in previous_mask]
        aligned = [mask.reshape(len(mask), *[1] * (ndim - mask.ndim), *mask.shape[1:]) for mask in masks]
        return functools.reduce(np.logical_or, aligned)

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """Where any of the masks, broadcast as the inputs are, says so; none if one of the inputs has none."""
        known = [shape for shape in masks if shape is not None]
        if len(known) < len(shapes):
            return None
        elements = [np.arange(math.prod(shape)).reshape(shape) for shape in known]
        sources = [np.broadcast_to(places, output[:-1]).ravel() for places in elements]
        return Merged(self, np.array(sources), np.zeros(math.prod(output[:-1]), bool))


def check_mask_list(inputs: Any, masks: Any) -> None:
    """Refuse masks that are no list, or not as many as the inputs.

    Raises
    ------
    ValueError
        If they are so.
    """
    if masks is None:
        return
    if not isinstance(masks, (list, tuple)):
        raise ValueError(f"previous_mask should be a list, one mask for each input, but got {type_name(masks)}.")
    if not isinstance(inputs, (list, tuple)):
        raise ValueError(f"inputs should be a list, but got {type_name(inputs)}.")
    if len(masks) != len(inputs):
        raise ValueError(f"There should be as many masks as inputs, {len(inputs)}, but got {len(masks)}.")


@registry.register()
class Add(Merge):
    """Sum of the inputs, element by element: ``output = input_0 + input_1 + ...``.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs of one shape, or of shapes that broadcast, and an output of that shape.
    With delta = dL/doutput, ``dL/dinput_i = delta``.

    Raises
    ------
    ValueError
        If there are fewer than two inputs, or their shapes do not fit each other.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x = cb.Input((3,))
    >>> cb.layers.Add()([cb.layers.Dense(3)(x), x]).shape
    (None, 3)
    """


@registry.register()
class Subtract(Merge):
    """Difference of two inputs, element by element: ``output = input_0 - input_1``.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs of one shape, or of shapes that broadcast, and an output of that shape.
    With delta = dL/doutput, ``dL/dinput_0 = delta`` and ``dL/dinput_1 = -delta``.

    Raises
    ------
    ValueError
        If there are not exactly two inputs, or their shapes do not fit each other.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.Subtract()([x, y]).shape
    (None, 3)
    """

    n_inputs = 2


@registry.register()
class Multiply(Merge):
    """Product of the inputs, element by element: ``output = input_0 * input_1 * ...``.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs of one shape, or of shapes that broadcast, and an output of that shape.
    With delta = dL/doutput, dL/dinput_i is delta times the product of the other inputs.
    1 stands for rows that a mask hides, and the output is 0 where all inputs are hidden.

    Raises
    ------
    ValueError
        If there are fewer than two inputs, or their shapes do not fit each other.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, gate = cb.Input((4, 3)), cb.Input((1, 3))
    >>> cb.layers.Multiply()([x, gate]).shape
    (None, 4, 3)
    """

    hidden_as = 1.0


@registry.register()
class Average(Merge):
    """Mean of the inputs, element by element: ``output = (input_0 + input_1 + ...) / n``.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs of one shape, or of shapes that broadcast, and an output of that shape.
    With delta = dL/doutput, ``dL/dinput_i = delta / n``.

    Raises
    ------
    ValueError
        If there are fewer than two inputs, or their shapes do not fit each other.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.Average()([x, y]).shape
    (None, 3)
    """


@registry.register()
class Maximum(Merge):
    """Largest of the inputs, element by element: ``output = max(input_0, input_1, ...)``.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs of one shape, or of shapes that broadcast, and an output of that shape.
    With delta = dL/doutput, an input gets delta where it is the largest. Two inputs that are equal get half
    of it each, as in Keras on PyTorch; of more than two, taken one after the other as ``max(max(a, b), c)``,
    the last gets a half, and the rest share the other half in the same way.
    Rows that a mask hides are left out; where all inputs are hidden, the first one is the output.

    Raises
    ------
    ValueError
        If there are fewer than two inputs, or their shapes do not fit each other.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.Maximum()([x, y]).shape
    (None, 3)
    """

    hidden_as = -math.inf


@registry.register()
class Minimum(Merge):
    """Smallest of the inputs, element by element: ``output = min(input_0, input_1, ...)``.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs of one shape, or of shapes that broadcast, and an output of that shape.
    With delta = dL/doutput, an input gets delta where it is the smallest. Two inputs that are equal get half
    of it each, as in Keras on PyTorch; of more than two, taken one after the other as ``min(min(a, b), c)``,
    the last gets a half, and the rest share the other half in the same way.
    Rows that a mask hides are left out; where all inputs are hidden, the first one is the output.

    Raises
    ------
    ValueError
        If there are fewer than two inputs, or their shapes do not fit each other.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.Minimum()([x, y]).shape
    (None, 3)
    """

    hidden_as = math.inf


@registry.register()
class Concatenate(Layer):
    """The inputs side by side, along one axis.

    Parameters
    ----------
    axis : int, default -1
        Counted with the batch axis, which is 0 and cannot be meant.
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs of one shape but for `axis`, whose lengths add up in the output. Each input gets its own
    part of delta.

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

    supports_masking = True
    n_inputs: ClassVar[int | None] = None
    reads_output = False

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_integer("axis", axis)
        if self.axis == 0:
            raise ValueError("axis must not be 0: that is the batch. The first axis of a sample is 1.")

    def positive_axis(self, ndim: int) -> int:
        """`axis` counted from the front, for inputs of so many axes."""
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

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The masks one after the other; along the last axis, where any of them says so. Inputs without one count."""
        check_mask_list(inputs, previous_mask)
        if previous_mask is None or all(mask is None for mask in previous_mask):
            return None
        shapes = [np.shape(array) for array in inputs]
        masks = [
            np.ones(shape, bool) if mask is None else np.broadcast_to(np.asarray(mask, bool)[..., np.newaxis], shape)
            for mask, shape in zip(previous_mask, shapes, strict=True)
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


@registry.register()
class Dot(Layer):
    """Dot products of two inputs along an axis of each, sample by sample.

    ``output[..i, ..j] = sum_k input_0[..i, k] * input_1[..j, k]``, where k counts along the given axes
    and ``..i`` and ``..j`` are all other axes of the two samples.

    Parameters
    ----------
    axes : int or tuple of two int
        The axis of each input, or one for both; counted with the batch axis, which is 0 and cannot be meant.
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

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """None: products of rows are no rows."""

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """None: products of rows are no rows."""
        return

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """All axes of both samples but those that are summed over."""
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


def _of_a_list(function: Callable[Arguments, Any]) -> Callable[Arguments, Any]:
    """Let a function of a list of inputs refuse those that are given one by one."""

    @functools.wraps(function)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Any:
        name, takes = function.__name__, len(inspect.signature(function).parameters) - 1  # but for **kwargs
        if len(args) > takes or any(getattr(value, "ndim", 0) > 1 for value in args[1:]):
            raise ArgumentTypeError(
                f"{name} takes its inputs as one argument, but was called with several: give a list, {name}([a, b])."
            )
        return function(*args, **kwargs)

    return checked


@_of_a_list
def add(inputs: Any, **kwargs: Any) -> Any:
    """Sum of the inputs: `Add` as a function.

    Parameters
    ----------
    inputs : list of KerasTensor or of array_like
    **kwargs
        Arguments of the layer.

    Returns
    -------
    KerasTensor or ndarray

    Raises
    ------
    TypeError, ValueError
        As the layer does.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.add([x, y]).shape
    (None, 3)
    """
    return Add(**kwargs)(inputs)


@_of_a_list
def subtract(inputs: Any, **kwargs: Any) -> Any:
    """Difference of two inputs: `Subtract` as a function.

    Parameters
    ----------
    inputs : list of KerasTensor or of array_like
    **kwargs
        Arguments of the layer.

    Returns
    -------
    KerasTensor or ndarray

    Raises
    ------
    TypeError, ValueError
        As the layer does.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.subtract([x, y]).shape
    (None, 3)
    """
    return Subtract(**kwargs)(inputs)


@_of_a_list
def multiply(inputs: Any, **kwargs: Any) -> Any:
    """Product of the inputs: `Multiply` as a function.

    Parameters
    ----------
    inputs : list of KerasTensor or of array_like
    **kwargs
        Arguments of the layer.

    Returns
    -------
    KerasTensor or ndarray

    Raises
    ------
    TypeError, ValueError
        As the layer does.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.multiply([x, y]).shape
    (None, 3)
    """
    return Multiply(**kwargs)(inputs)


@_of_a_list
def average(inputs: Any, **kwargs: Any) -> Any:
    """Mean of the inputs: `Average` as a function.

    Parameters
    ----------
    inputs : list of KerasTensor or of array_like
    **kwargs
        Arguments of the layer.

    Returns
    -------
    KerasTensor or ndarray

    Raises
    ------
    TypeError, ValueError
        As the layer does.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.average([x, y]).shape
    (None, 3)
    """
    return Average(**kwargs)(inputs)


@_of_a_list
def maximum(inputs: Any, **kwargs: Any) -> Any:
    """Largest of the inputs: `Maximum` as a function.

    Parameters
    ----------
    inputs : list of KerasTensor or of array_like
    **kwargs
        Arguments of the layer.

    Returns
    -------
    KerasTensor or ndarray

    Raises
    ------
    TypeError, ValueError
        As the layer does.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.maximum([x, y]).shape
    (None, 3)
    """
    return Maximum(**kwargs)(inputs)


@_of_a_list
def minimum(inputs: Any, **kwargs: Any) -> Any:
    """Smallest of the inputs: `Minimum` as a function.

    Parameters
    ----------
    inputs : list of KerasTensor or of array_like
    **kwargs
        Arguments of the layer.

    Returns
    -------
    KerasTensor or ndarray

    Raises
    ------
    TypeError, ValueError
        As the layer does.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.minimum([x, y]).shape
    (None, 3)
    """
    return Minimum(**kwargs)(inputs)


@_of_a_list
def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """The inputs side by side: `Concatenate` as a function.

    Parameters
    ----------
    inputs : list of KerasTensor or of array_like
    axis : int, default -1
    **kwargs
        Arguments of the layer.

    Returns
    -------
    KerasTensor or ndarray

    Raises
    ------
    TypeError, ValueError
        As the layer does.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.concatenate([x, y]).shape
    (None, 6)
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


@_of_a_list
def dot(inputs: Any, axes: int | Sequence[int] = -1, normalize: bool = False, **kwargs: Any) -> Any:
    """Dot products of two inputs: `Dot` as a function.

    Parameters
    ----------
    inputs : list of KerasTensor or of array_like
    axes : int or tuple of two int, default -1
    normalize : bool, default False
    **kwargs
        Arguments of the layer.

    Returns
    -------
    KerasTensor or ndarray

    Raises
    ------
    TypeError, ValueError
        As the layer does.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> cb.layers.dot([x, y], axes=1).shape
    (None, 1)
    """
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
