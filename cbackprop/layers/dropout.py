"""Dropout: set random elements to zero in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.layers.random_layer import RandomLayer
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer, check_items, check_number

__all__ = ["Dropout"]


@registry.register()
class Dropout(RandomLayer):
    """Dropout: in training, set each element to 0 with probability `rate`, and divide the others by ``1 - rate``.

    Outside of training the output is the input.

    Parameters
    ----------
    rate : float
        The fraction of elements to drop, in [0, 1].
    noise_shape : tuple of int or None, optional
        Shape of the random mask, including the batch axis. ``None`` stands for the input's size. Along an axis of
        size 1, all elements are dropped or kept together. A batch size above 1 means the same as ``None``.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    stream : int
        Selects the layer's random numbers: the seed, or the number that was drawn when none was given.

    Notes
    -----
    Input of any shape, output of the same shape. With the mask m of zeros and ones,
    ``output = m * input / (1 - rate)`` and ``dL/dinput = m * dL/doutput / (1 - rate)``.

    The mask depends only on the stream, the layer's position in the network, the number of training batches that the
    optimizer has seen, and the element's position (in its batch in training, in all the data otherwise). So both
    engines use the same masks in either float type, and a prediction with ``training=True`` gives the same result
    until the next training step.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or `noise_shape` does not match the input.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural networks
    from overfitting", JMLR 15, 2014. Random numbers: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
    easy as 1, 2, 3", SC 2011. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.Dropout(0.5, seed=2)
    >>> layer([[1.0, 2.0, 3.0, 4.0]])
    array([[1., 2., 3., 4.]], dtype=float32)
    >>> layer([[1.0, 2.0, 3.0, 4.0]], training=True)
    array([[2., 4., 0., 8.]], dtype=float32)
    """

    adjustable = ("rate",)

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = check_number("rate", rate, 0, 1)
        self.noise_shape = None if noise_shape is None else check_noise_shape(noise_shape)

    @property
    def shares_noise(self) -> bool:
        """Whether all samples of a batch have the same mask."""
        return self.noise_shape is not None and self.noise_shape[0] == 1

    def sample_noise_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the random numbers of one sample."""
        if self.noise_shape is None:
            return sample_shape
        return tuple(noise or size for noise, size in zip(self.noise_shape[1:], sample_shape, strict=True))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        noise = self.noise_shape
        if noise is not None and (
            len(noise) != len(input_shape)
            or any(n not in (None, 1, size) for n, size in zip(noise[1:], input_shape[1:], strict=True))
        ):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has noise_shape {noise}, which must have None, 1 or the input's "
                f"own size for each axis, but got inputs of shape {input_shape}."
            )
        return input_shape


def check_noise_shape(noise_shape: Any) -> tuple[int | None, ...]:
    """`noise_shape` as a tuple of positive integers and ``None``.

    Raises
    ------
    TypeError
        If it is not such a sequence.
    ValueError
        If a size is below 1, or the sequence is empty.
    """
    shape = tuple(
        None if size is None else check_integer("every element of noise_shape", size, minimum=1)
        for size in check_items("noise_shape", noise_shape, "a tuple of integers and None")
    )
    if not shape:
        raise ValueError("noise_shape must have an element for each axis of the input, the batch included, but got ().")
    return shape
