from typing import Any

from numpy.typing import NDArray

from cbackprop.compiled.kernels.convolution_geometry import Convolution

def elementary(name: str, x: NDArray[Any], y: NDArray[Any]) -> None: ...
def product(
    a: NDArray[Any],
    b: NDArray[Any],
    out: NDArray[Any],
    transpose_a: bool = False,
    transpose_b: bool = False,
    repeat: int = 1,
    bias: NDArray[Any] | None = None,
    add: bool = False,
    blas_rows: int = 0,
) -> None: ...
def convolution(
    conv: Convolution,
    what: str,
    image: NDArray[Any],
    kernel: NDArray[Any],
    maps: NDArray[Any],
    repeat: int = 1,
    add: bool = False,
) -> None: ...
def depthwise_convolution(
    conv: Convolution,
    what: str,
    image: NDArray[Any],
    kernel: NDArray[Any],
    maps: NDArray[Any],
    repeat: int = 1,
    add: bool = False,
) -> None: ...
