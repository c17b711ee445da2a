"""The two engines that execute a plan: compiled C, and its NumPy twin."""

from cbackprop.engine.choose import ENGINES, engine_class
from cbackprop.engine.compiled import CompiledEngine
from cbackprop.engine.data import STORED_AS, Data
from cbackprop.engine.engine import Engine
from cbackprop.engine.model_lock import ModelLock
from cbackprop.engine.objective import Objective
from cbackprop.engine.reference import ReferenceEngine
from cbackprop.engine.sparse import SparseRows

__all__ = [
    "ENGINES",
    "STORED_AS",
    "CompiledEngine",
    "Data",
    "Engine",
    "ModelLock",
    "Objective",
    "ReferenceEngine",
    "SparseRows",
    "engine_class",
]
