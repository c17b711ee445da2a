from typing import Any

from numpy.typing import NDArray

def evaluate(name: str, x: NDArray[Any], y: NDArray[Any]) -> None: ...
