"""The table of convolutions in kernels.py: maps, and the derivatives by image and kernel, beside plain products.

A plain product has the same sizes, but its first matrix holds the patches already: what reading them costs is the
difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from report import Report, number, share

from cbackprop.compiled.kernels import from_python
from cbackprop.compiled.kernels.convolution_geometry import Convolution

if TYPE_CHECKING:
    from collections.abc import Callable

SLACK = 32  # numbers that kernels and maps have more, which may be read
SAMPLES = 4


@dataclass(frozen=True)
class Shape:
    """A convolution with zeros around the image, so that a stride of 1 keeps its size; `size` has 1 to 3 axes."""

    size: tuple[int, ...]
    channels: int
    filters: int
    kernel: tuple[int, ...]
    stride: int = 1
    depthwise: bool = False

    @property
    def title(self) -> str:
        kind = "depthwise " if self.depthwise else ""
        step = f" / {self.stride}" if self.stride > 1 else ""
        sizes, kernel = ("x".join(map(str, axes)) for axes in (self.size, self.kernel))
        return f"{kind}{sizes} {self.channels} to {self.filters}, {kernel}{step}"

    @property
    def maps(self) -> tuple[int, ...]:
        return tuple(-(-n // self.stride) for n in self.size)

    @property
    def product(self) -> tuple[int, int, int]:
        """Rows, columns and depth of the product that a sample's maps are."""
        channels = 1 if self.depthwise else self.channels
        return math.prod(self.maps), self.filters, math.prod(self.kernel) * channels

    def sizes(self) -> Convolution:
        front = [1] * (3 - len(self.size))
        axes = [(*front, *a) for a in (self.size, self.maps, self.kernel, (self.stride,) * len(self.size))]
        before = [max((m - 1) * s + k - n, 0) // 2 for n, m, k, s in zip(*axes, strict=True)]
        groups = self.channels if self.depthwise else 1
        return Convolution(*axes, (1, 1, 1), tuple(before), self.channels, self.filters, groups, not self.depthwise)


SHAPES = (
    *(Shape((size, size), channels, channels, (3, 3)) for size, channels in ((32, 32), (16, 64), (14, 256), (7, 512))),
    *(Shape((size, size), channels, filters, (3, 3)) for size, channels, filters in ((32, 3, 32), (28, 1, 8))),
    Shape((28, 28), 1, 6, (5, 5)),
    Shape((12, 12), 6, 16, (5, 5)),
    Shape((7, 7), 48, 40, (5, 5)),
    Shape((56, 56), 64, 64, (1, 1)),
    Shape((56, 56), 64, 128, (3, 3), stride=2),
    Shape((224, 224), 3, 64, (7, 7), stride=2),
    Shape((1000,), 24, 24, (3,)),
    Shape((40,), 1, 25, (5,), stride=2),
    Shape((12, 12, 12), 8, 16, (3, 3, 3)),
    *(Shape((size, size), c, c, (3, 3), depthwise=True) for size, c in ((32, 16), (56, 128), (14, 512))),
)


def runs_of(shape: Shape, dtype: str) -> dict[str, Callable[[], Any]]:
    """The three sums of a convolution, and the plain product."""
    rng = np.random.default_rng(0)
    m, n, k = shape.product
    conv = shape.sizes()
    sizes = (math.prod(shape.size) * shape.channels * SAMPLES, k * n + SLACK, m * n * SAMPLES + SLACK)
    arrays = [rng.uniform(-1, 1, size).astype(dtype) for size in sizes]
    run = from_python.depthwise_convolution if shape.depthwise else from_python.convolution
    runs: dict[str, Callable[[], Any]] = {
        what: partial(run, conv, what, *(array.copy() for array in arrays)) for what in ("maps", "image", "kernel")
    }
    if not shape.depthwise:
        a, b, out = (np.ones(size, dtype) for size in ((m * SAMPLES, k), (k, n), (m * SAMPLES, n)))
        runs["product"] = partial(from_python.product, a, b, out)
    return runs


def convolution_rows(
    options: Any, report: Report, best_times: Callable[..., dict[str, float]], now: Callable[[], float], peak: float
) -> list[dict[str, Any]]:
    names = ["maps", "image", "kernel", "product"]
    report.table(
        f"Convolutions, {options.dtype}, 1 thread: GF/s",
        ["image, channels to filters, kernel", *names, "maps of peak", "image of peak", "kernel of peak"],
    )
    rows = []
    for shape in SHAPES:
        if options.only not in shape.title:
            continue
        operations = 2 * math.prod(shape.product) * SAMPLES
        times = best_times(runs_of(shape, options.dtype), options.seconds, now)
        rates = {name: 1e-9 * operations / taken for name, taken in times.items()}
        shares = [share(rates[name] / peak) for name in names[:3]]
        report.row(shape.title, *(number(rates.get(name)) for name in names), *shares)
        rows.append({"convolution": shape.title, "operations": operations, "gflops": rates})
    return rows
