"""The two engines that execute a plan: compiled C, and its NumPy twin."""

from cbackprop.engine.choose import ENGINES, engine_class
from cbackprop.engine.compiled import CompiledEngine
from cbackprop.engine.engine import STORED_AS, Data, Engine, Objective, Turn
from cbackprop.engine.reference import ReferenceEngine
from cbackprop.engine.sparse import SparseRows

__all__ = [
    "ENGINES",
    "STORED_AS",
    "CompiledEngine",
    "Data",
    "Engine",
    "Objective",
    "ReferenceEngine",
    "SparseRows",
    "Turn",
    "engine_class",
]
