from typing import Any

from numpy.typing import NDArray

from cbackprop.compiled.optimizers.optimizer import Optimizer

class LBFGS(Optimizer):
    def dot(self, x: NDArray[Any], y: NDArray[Any]) -> float: ...
    def recur(
        self, s: NDArray[Any], y: NDArray[Any], rho: NDArray[Any], end: int, count: int, d: NDArray[Any]
    ) -> None: ...

class LevenbergMarquardt(Optimizer):
    def add(
        self, jacobian: NDArray[Any], errors: NDArray[Any], squares: NDArray[Any], gradient: NDArray[Any]
    ) -> None: ...
    def solve(self, squares: NDArray[Any], gradient: NDArray[Any], damping: NDArray[Any]) -> NDArray[Any] | None: ...
