"""Layers that merge several inputs element by element: Add, Subtract, Multiply, Average, Maximum, Minimum."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.concatenate import Concatenate as Concatenate  # pickles name it here
from cbackprop.layers.dot import Dot as Dot  # the same
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.masks import Chosen, Merged, check_mask_list
from cbackprop.tensor import Shape

__all__ = ["Add", "Average", "Maximum", "Merge", "Minimum", "Multiply", "Subtract"]


class Merge(Layer):
    """Base of the layers that merge their inputs element by element.

    Shapes of samples may differ where one of them is 1, and leading axes may be missing: such inputs are
    broadcast. Their deltas are summed over the axes along which that happened.
    """

    supports_masking = True
    n_inputs: ClassVar[int | None] = None
    reads_output = False
    # The value of rows that a mask hides, if they must not count; None: masks change no values.
    hidden_as: ClassVar[float | None] = None

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """Add the step of the merge, and steps that replace rows which do not count."""
        if self.hidden_as is None:
            return super().expand(steps, inputs, shape, mask)
        read = [self._choose(steps, value, value.mask, self.hidden_as) for value in inputs]
        output = super().expand(steps, read, shape, mask)
        if mask is None:
            return output
        if self.hidden_as == 1:  # where all are hidden a product is 0, a largest or smallest number the first of them
            return self._choose(steps, output, mask, 0.0)
        if inputs[0].shape != shape:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has inputs with masks: then the first must have the shape of "
                f"the output, {shape}, but has {inputs[0].shape}."
            )
        return steps.add(Chosen(self), [output, mask, inputs[0]], shape)

    def _choose(self, steps: Steps, value: Value, mask: Mask | None, number: float) -> Value:
        """A value with this number where a mask hides it."""
        return value if mask is None else steps.add(Chosen(self, number), [value, mask], value.shape)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """The shape that all inputs broadcast to."""
        try:
            return (None, *np.broadcast_shapes(*(shape[1:] for shape in input_shape)))  # type: ignore[arg-type]
        except ValueError:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs inputs of the same shape, or of shapes that "
                f"broadcast, but got {', '.join(map(str, input_shape))}."
            ) from None

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where any of the masks says so; ``None`` if one of the inputs has none."""
        check_mask_list(inputs, mask)
        if mask is None or any(one is None for one in mask):
            return None
        ndim = max(np.ndim(one) for one in mask)
        masks = [np.asarray(one, bool) for one in mask]
        aligned = [one.reshape(len(one), *[1] * (ndim - one.ndim), *one.shape[1:]) for one in masks]
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
