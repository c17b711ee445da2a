from typing import Any

from numpy.typing import NDArray

from cbackprop.compiled.engine.gradients import Gradients
from cbackprop.compiled.engine.predictor import Predictor

def jacobian(
    predictor: Predictor,
    start: int,
    stop: int,
    gradients: Gradients,
    derivatives: NDArray[Any],
    errors: NDArray[Any],
    training: bool = True,
) -> None: ...
