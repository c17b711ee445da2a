"""The base of layers that draw random numbers."""

from __future__ import annotations

from typing import Any

from cbackprop import random
from cbackprop.layers.layer import Layer
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer

__all__ = ["RandomLayer"]


class RandomLayer(Layer):
    """A layer whose numbers are a function of its stream, its place, the batch's number and an element's position.

    Parameters
    ----------
    seed : int, optional
        From 0 to 2**32 - 1; drawn from `cbackprop.utils.set_random_seed`'s generator by default.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    stream : int
        Which random numbers the layer uses: the seed, or what was drawn in its place.
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
