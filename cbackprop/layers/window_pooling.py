"""The base of layers that reduce each window of a signal, an image or a volume to one number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.spatial import SpatialLayer, sizes_for_axes
from cbackprop.validation import check_choice

__all__ = ["Pooling", "Pooling1D", "Pooling2D", "Pooling3D", "WindowPooling"]


class WindowPooling(SpatialLayer):
    """Base of layers with one number for each window and channel. Subclasses define the places of windows."""

    def windows(self, sizes: tuple[int, ...]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Where windows begin and end along each axis of samples of these sizes, padding left out."""
        raise NotImplementedError

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A few operations for each number of each window."""
        widths = [int((end - begin).sum()) for begin, end in self.windows(input_shapes[0][:-1])]
        return 2 * math.prod(widths) * output_shape[-1]

    def multiply_adds(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """None: maxima and sums multiply nothing."""
        return 0


class Pooling(WindowPooling):
    """Base of layers with windows of one size at equal distances."""

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, name=name, **kwargs)
        self.pool_size = sizes_for_axes("pool_size", pool_size, self.rank)
        self.strides = sizes_for_axes("strides", self.pool_size if strides is None else strides, self.rank)
        self.padding = check_choice("padding", padding, ("valid", "same"))

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The number of windows that fit into the input; with padding "same", one for each stride."""
        if self.padding == "same":
            return tuple(-(-size // step) for size, step in zip(sizes, self.strides, strict=True)), channels
        if any(size < pool for size, pool in zip(sizes, self.pool_size, strict=True)):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has windows of {self.pool_size}, which do not fit into inputs of "
                f"{sizes}: the output size would be zero or negative. Use padding='same', or smaller windows."
            )
        spans = zip(sizes, self.pool_size, self.strides, strict=True)
        return tuple((size - pool) // step + 1 for size, pool, step in spans), channels

    def paddings(self, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
        """Positions that are added in front of each axis and behind it. Of an odd number, one more is behind."""
        if self.padding == "valid":
            return [(0, 0)] * len(sizes)
        counts, _ = self.spatial_output(sizes, 1)
        spans = zip(sizes, counts, self.pool_size, self.strides, strict=True)
        added = [max((count - 1) * step + pool - size, 0) for size, count, pool, step in spans]
        return [(padding // 2, padding - padding // 2) for padding in added]

    def windows(self, sizes: tuple[int, ...]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Where windows begin and end along each axis, padding left out."""
        found = []
        counts, _ = self.spatial_output(sizes, 1)
        spans = zip(sizes, counts, self.pool_size, self.strides, self.paddings(sizes), strict=True)
        for size, count, pool, step, (front, _) in spans:
            begin = np.arange(count) * step - front
            found.append((np.maximum(begin, 0), np.minimum(begin + pool, size)))
        return found


class Pooling1D(Pooling):
    """Base of pooling of signals with a default size."""

    rank = 1

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class Pooling2D(Pooling):
    """Base of pooling of images with a default size."""

    rank = 2

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class Pooling3D(Pooling):
    """Base of pooling of volumes with a default size."""

    rank = 3

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)
