from typing import Any

from numpy.typing import NDArray

HAS_VECTORS: bool

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
