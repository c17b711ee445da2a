"""The two engines that execute a plan: compiled C, and its NumPy twin."""

from cbackprop.engine.compiled import CompiledEngine
from cbackprop.engine.engine import Data, Engine, Objective
from cbackprop.engine.reference import ReferenceEngine

__all__ = ["ENGINES", "CompiledEngine", "Data", "Engine", "Objective", "ReferenceEngine"]

ENGINES: dict[str, type[Engine]] = {"compiled": CompiledEngine, "reference": ReferenceEngine}
