from typing import Any

from numpy.typing import NDArray

def is_finite(array: NDArray[Any]) -> bool: ...
