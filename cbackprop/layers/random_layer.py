"""RandomLayer: base of layers that draw random numbers."""

from __future__ import annotations

from typing import Any

from cbackprop import random
from cbackprop.layers.layer import Layer
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer

__all__ = ["RandomLayer"]


class RandomLayer(Layer):
    """Base of layers with random numbers.

    They depend only on the layer's stream, its position in the network, the number of the training batch and the
    position of the element.

    Parameters
    ----------
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    stream : int
        Selects the layer's random numbers: the seed, or the number that was drawn when none was given.
    """

    supports_masking = True
    reads_output = False
    overwrites_input = True

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = None if seed is None else check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
        self.stream = random.draw_seed() if self.seed is None else self.seed

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape
