"""What convolution layers and their implementations agree on: the sizes of a convolution, always with three axes."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AXES", "Geometry", "check_geometry", "reaching", "three"]

AXES = 3
Sizes = tuple[int, int, int]


class Geometry(NamedTuple):
    """A convolution of an image with a kernel, which makes maps. A transposed one makes the image of the maps.

    Along each axis, tap k of position q of the maps reads the image at ``q stride + k dilation - before``; beyond the
    borders there are zeros.
    """

    image: Sizes
    maps: Sizes
    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    before: Sizes  # zeros in front of the image
    channels: int  # of the image
    filters: int  # channels of the maps
    groups: int  # so many convolutions side by side, each of its own channels to its own filters


def reaching(geometry: Geometry) -> tuple[Geometry, tuple[slice, slice, slice]]:
    """A convolution without the taps that read only zeros, and which part of the kernel that leaves.

    Such taps may be very far away, and as many as one likes. In what is returned, `before` is negative where the first
    tap reads behind the first number of the image.
    """
    axes = zip(*geometry[:6], strict=True)
    found, parts = zip(*(_reaching_along(*axis) for axis in axes), strict=True)
    taps, dilation, before = zip(*found, strict=True)
    return geometry._replace(kernel=taps, dilation=dilation, before=before), parts


def _reaching_along(
    image: int, maps: int, kernel: int, stride: int, dilation: int, before: int
) -> tuple[tuple[int, int, int], slice]:
    """The taps along one axis, from the first to the last that reads the image: taps, dilation, before, and which."""
    last = (maps - 1) * stride  # where the last position begins
    first = max(-(-(before - last) // dilation), 0)
    end = min((before + image - 1) // dilation + 1, kernel)
    if first >= end:  # none: one that lies in front of the image, as near as any
        return (1, 1, last + 1), slice(0, 1)
    return (end - first, dilation if end - first > 1 else 1, before - first * dilation), slice(first, end)


def three(sizes: tuple[int, ...], missing: int = 1) -> Sizes:
    """Sizes along three axes: one or two axes follow some of size `missing`."""
    depth, height, width = (missing,) * (AXES - len(sizes)) + tuple(sizes)
    return depth, height, width


def check_geometry(geometry: Geometry, image: tuple[int, ...], maps: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    """Refuse the sizes of another convolution than that of these: a user's subclass may say what it likes.

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
        If it has other sizes.
    """
    expected = geometry._replace(
        image=three(image[:-1]), maps=three(maps[:-1]), kernel=three(kernel), channels=image[-1], filters=maps[-1]
    )
    if geometry != expected:
        raise ValueError(f"A convolution has to be {expected}, but its layer says {geometry}.")
