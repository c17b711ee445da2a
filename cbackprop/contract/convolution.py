"""The sizes of a convolution, always with three axes, as layers and their implementations use them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AXES", "Geometry", "check_geometry", "reaching", "three"]

AXES = 3
Sizes = tuple[int, int, int]


class Geometry(NamedTuple):
    """A convolution, which computes maps from an image and a kernel. A transposed one computes the image from the maps.

    Along each axis, tap k of position q of the maps reads the image at ``q stride + k dilation - before``. Outside of
    the image there are zeros.
    """

    image: Sizes
    maps: Sizes
    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    before: Sizes  # zeros in front of the image
    channels: int  # of the image
    filters: int  # channels of the maps
    groups: int  # convolutions side by side, each from its own channels to its own filters


def reaching(geometry: Geometry) -> tuple[Geometry, tuple[slice, slice, slice]]:
    """A convolution without the taps that read only zeros, and the slices of the kernel that remain.

    The taps that are left out may be many and far away. In the result, `before` is negative if the first tap reads
    behind the first number of the image.
    """
    axes = zip(*geometry[:6], strict=True)
    found, parts = zip(*(_reaching_along(*axis) for axis in axes), strict=True)
    taps, dilation, before = zip(*found, strict=True)
    return geometry._replace(kernel=taps, dilation=dilation, before=before), parts


def _reaching_along(
    image: int, maps: int, kernel: int, stride: int, dilation: int, before: int
) -> tuple[tuple[int, int, int], slice]:
    """The taps along one axis from the first to the last that reads the image: taps, dilation, before, and a slice."""
    last = (maps - 1) * stride  # where the last position begins
    first = max(-(-(before - last) // dilation), 0)
    end = min((before + image - 1) // dilation + 1, kernel)
    if first >= end:  # no tap reads the image: keep one just in front of it
        return (1, 1, last + 1), slice(0, 1)
    return (end - first, dilation if end - first > 1 else 1, before - first * dilation), slice(first, end)


def three(sizes: tuple[int, ...], missing: int = 1) -> Sizes:
    """Sizes along three axes. If there are only one or two, axes of size `missing` are put in front."""
    depth, height, width = (missing,) * (AXES - len(sizes)) + tuple(sizes)
    return depth, height, width


def check_geometry(geometry: Geometry, image: tuple[int, ...], maps: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    """Refuse a geometry that does not fit these shapes, because a user's subclass may return a wrong one.

    Parameters
    ----------
    geometry : Geometry
    image, maps : tuple of int
        The shapes of a sample, channels last.
    kernel : tuple of int
        The sizes of the kernel.

    Raises
    ------
    ValueError
        If its sizes are different.
    """
    expected = geometry._replace(
        image=three(image[:-1]), maps=three(maps[:-1]), kernel=three(kernel), channels=image[-1], filters=maps[-1]
    )
    if geometry != expected:
        raise ValueError(f"A convolution has to be {expected}, but its layer says {geometry}.")
