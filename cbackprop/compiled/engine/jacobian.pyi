from typing import Any

from numpy.typing import NDArray

from cbackprop.compiled.engine.engine import Engine
from cbackprop.compiled.engine.gradients import Gradients

def jacobian(
    network: Engine,
    start: int,
    stop: int,
    gradients: Gradients,
    derivatives: NDArray[Any],
    errors: NDArray[Any],
    training: bool = True,
) -> None: ...
