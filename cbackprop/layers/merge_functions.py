"""Merges as functions of symbolic tensors or arrays: each makes the layer of its name, and calls it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

from cbackprop.layers.concatenate import Concatenate
from cbackprop.layers.dot import Dot
from cbackprop.layers.merging import Add, Average, Maximum, Minimum, Multiply, Subtract
from cbackprop.validation import ArgumentTypeError

__all__ = ["add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"]

Arguments = ParamSpec("Arguments")


def _of_a_list(function: Callable[Arguments, Any]) -> Callable[Arguments, Any]:
    """Let a function of a list of inputs refuse inputs that are given one by one."""

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
