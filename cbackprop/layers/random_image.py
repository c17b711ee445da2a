"""The base of layers that change images at random in training."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from cbackprop.layers.random_layer import RandomLayer
from cbackprop.layers.spatial import ImageLayer
from cbackprop.validation import ArgumentTypeError, check_number

__all__ = ["FILL_MODES", "Interval", "RandomImageLayer", "check_interval"]

# How an image is continued outside of its edges.
FILL_MODES = ("reflect", "wrap", "constant", "nearest")

Interval = tuple[float, float]


def _call(inputs: Any, training: bool = True, mask: Any = None) -> None:
    """The arguments of a call. By default it is a call in training, as in Keras."""


class RandomImageLayer(ImageLayer, RandomLayer):
    """Base of layers that change each image of a batch in its own way in training.

    What happens to a sample depends on four random numbers, which follow from the layer's stream, its position in the
    network, the number of the training batch, and the position of the sample.

    Parameters
    ----------
    seed : int or None
        See `RandomLayer`.
    data_format : {"channels_last", "channels_first"} or None
        See `ImageLayer`.
    **kwargs
        See `Layer`.
    """

    supports_masking = False
    # An output pixel is made of other pixels, or the backward pass reads the input again.
    overwrites_input = False
    call_signature: ClassVar[inspect.Signature] = inspect.signature(_call)

    def __init__(self, seed: int | None, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)

    @property
    def ranges(self) -> tuple[Interval, ...]:
        """The intervals of the first random numbers of a sample."""
        return ()


def check_interval(
    name: str, value: Any, low: float, high: float, *, open_low: bool = False, lowest: float | None = None
) -> Interval:
    """The interval that an argument `factor` means: two numbers, or one number with both signs.

    Parameters
    ----------
    name : str
        Of the argument.
    value : float or pair of float
    low, high : float
        Bounds of each number.
    open_low : bool, default False
        The lower bound is no such number.
    lowest : float, optional
        A single number stands for none below this.

    Returns
    -------
    tuple of two floats
        The smaller one first.

    Raises
    ------
    TypeError, ValueError
        If it is neither a number nor two of them within the bounds.
    """
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"{name} must be a number or two of them, but got {value!r}.")
        first, second = (
            check_number(f"{name}[{i}]", number, low, high, open_minimum=open_low) for i, number in enumerate(value)
        )
        return min(first, second), max(first, second)
    try:
        size = abs(check_number(name, value, low, high, open_minimum=open_low))
    except TypeError:
        raise ArgumentTypeError(f"{name} must be a number or two of them, but got {value!r}.") from None
    return (0.0 - size if lowest is None else max(0.0 - size, lowest)), size
