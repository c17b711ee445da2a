"""VarianceScaling: a variance that depends on the weight's shape, so that signals keep their size across layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from cbackprop.initializers.distributions import TRUNCATED_STDDEV, truncated_standard_normal
from cbackprop.initializers.initializer import Initializer, check_seed, registry
from cbackprop.random import generator
from cbackprop.validation import check_choice, check_integer, check_number

__all__ = ["VarianceScaling", "compute_fans"]

MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


def compute_fans(
    shape: tuple[int, ...], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Fan-in and fan-out of a weight: how many inputs each output sums, and how many outputs each input reaches.

    A matrix is (fan_in, fan_out). A kernel of higher rank is (*window, inputs, outputs); both fans include the size of
    the window. For a vector both fans are its length, for a scalar 1. If axes are given, each fan is the product of the
    sizes along its axes instead.

    Raises
    ------
    ValueError
        If an axis is out of range for `shape`.
    """
    if input_axes is not None and output_axes is not None:
        return _size_along("input_axes", input_axes, shape), _size_along("output_axes", output_axes, shape)
    if len(shape) < 2:
        return (math.prod(shape),) * 2
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def _size_along(name: str, axes: Sequence[int], shape: tuple[int, ...]) -> int:
    rank = len(shape)
    if any(not -rank <= axis < rank for axis in axes):
        raise ValueError(f"{name} must name axes of shape={shape} (rank {rank}), but got {list(axes)}.")
    return math.prod(shape[axis] for axis in axes)


def _check_axes(name: str, axes: Any) -> list[int] | None:
    if axes is None:
        return None
    if not isinstance(axes, (list, tuple)):
        raise TypeError(f"{name} must be a list of integers, but got {axes!r} of type {type(axes).__name__}.")
    return [check_integer(f"{name}[{i}]", axis) for i, axis in enumerate(axes)]


@registry.register()
class VarianceScaling(Initializer):
    """Draw with mean 0 and a variance of `scale` divided by the number of connections.

    ``Var[w] = scale / n``, where n is the weight's fan-in, its fan-out, or the mean of both, and at least 1.
    A matrix has shape (fan_in, fan_out); a convolution kernel ``(*window, inputs, outputs)`` has
    ``fan_in = prod(window) inputs`` and ``fan_out = prod(window) outputs``. The draws come from

    - ``"truncated_normal"``: ``N(0, s**2)`` given ``|w| <= 2 s``, with ``s = sqrt(scale / n) / 0.8796`` so that
      the standard deviation after the cut is ``sqrt(scale / n)``;
    - ``"untruncated_normal"``: ``N(0, scale / n)``;
    - ``"uniform"``: ``U[-limit, limit)`` with ``limit = sqrt(3 scale / n)``.

    Parameters
    ----------
    scale : float, default 1.0
        The factor of the variance; greater than 0.
    mode : {"fan_in", "fan_out", "fan_avg"}, default "fan_in"
        Whether n is the fan-in, the fan-out, or the mean of both.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}, default "truncated_normal"
        The distribution to draw from. ``"normal"`` means ``"truncated_normal"``. Case does not matter.
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.
    input_axes : list of int, optional
        Axes of the weight; the product of their sizes is the fan-in. Negative axes count from the end.
    output_axes : list of int, optional
        The same for the fan-out. Give both or neither.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `scale` is not positive, `mode` or `distribution` is unknown, `seed` is negative, or only one of `input_axes`
        and `output_axes` is given; when called, if an axis is out of range.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing human-level performance on
    ImageNet classification", ICCV 2015, section 2.2. https://arxiv.org/abs/1502.01852

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.VarianceScaling(scale=3.0, mode="fan_out", distribution="uniform", seed=0)((400, 100))
    >>> round(float(w.std() ** 2), 3)
    0.03
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        self.scale = check_number("scale", scale, minimum=0, open_minimum=True)
        self.mode = check_choice("mode", mode, MODES)
        distribution = distribution.lower() if isinstance(distribution, str) else distribution
        self.distribution = check_choice("distribution", distribution, (*DISTRIBUTIONS, "normal"))
        if self.distribution == "normal":
            self.distribution = "truncated_normal"
        self.seed = check_seed(seed)
        self.input_axes = _check_axes("input_axes", input_axes)
        self.output_axes = _check_axes("output_axes", output_axes)
        if (self.input_axes is None) != (self.output_axes is None):
            raise ValueError(
                "input_axes and output_axes must be given together, "
                f"but got input_axes={input_axes!r} and output_axes={output_axes!r}."
            )

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1, n))
        rng = generator(self.seed)
        if self.distribution == "uniform":
            limit = math.sqrt(3) * stddev
            return rng.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return stddev * rng.standard_normal(shape)
        return stddev / TRUNCATED_STDDEV * truncated_standard_normal(rng, shape)
