"""AlphaDropout: dropout that keeps mean and variance, for networks of `selu`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop.layers.dropout import Dropout
from cbackprop.layers.layer import registry
from cbackprop.validation import check_number

__all__ = ["AlphaDropout"]

# The limit of the activation selu towards minus infinity: -alpha * scale.
SATURATION = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


@registry.register()
class AlphaDropout(Dropout):
    """Dropout for networks of `selu`: in training, an element is set to selu's lower limit with probability `rate`.

    Then all elements are scaled and shifted so that inputs of mean 0 and variance 1 keep them:
    ``output = a (m input + s (1 - m)) + b`` with a mask m of zeros and ones, ``s = -1.7581``,
    ``a = ((1 - rate)(1 + rate s^2))^(-1/2)`` and ``b = -a s rate``. Outside of training the output is the input.

    Parameters
    ----------
    rate : float
        The fraction of elements to drop, in [0, 1).
    noise_shape : tuple of int or None, optional
        As for `Dropout`.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; ``dL/dinput = a m dL/doutput``.
    The mask depends on the same things as that of `Dropout`.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or `noise_shape` does not match the input.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS 2017, arXiv:1706.02515.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.AlphaDropout(0.5, seed=2)
    >>> layer([[1.0, 2.0]])
    array([[1., 2.]], dtype=float32)
    >>> layer([[1.0, 2.0, 3.0, 4.0]], training=True).round(3)
    array([[ 1.666,  2.552, -0.779,  4.325]], dtype=float32)
    """

    implementation = "dropout.AlphaDropout"

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)
        check_number("rate", rate, 0, 1, open_maximum=True)

    @property
    def coefficients(self) -> tuple[float, float, float]:
        """(a, b, a s + b): the output is ``a input + b`` where the mask is 1, and ``a s + b`` where it is 0."""
        rate, s = self.rate, SATURATION
        a = ((1 - rate) * (1 + rate * s**2)) ** -0.5
        b = -a * s * rate
        return a, b, a * s + b
