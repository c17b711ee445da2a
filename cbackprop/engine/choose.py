"""Choose the engine for a plan."""

from __future__ import annotations

from cbackprop.engine.compiled import CompiledEngine
from cbackprop.engine.engine import Engine
from cbackprop.engine.reference import ReferenceEngine
from cbackprop.plan.plan import Plan

__all__ = ["ENGINES", "engine_class"]

ENGINES: dict[str, type[Engine]] = {"compiled": CompiledEngine, "reference": ReferenceEngine}


def engine_class(name: str, plan: Plan) -> type[Engine]:
    """The engine of this name. If samples have an axis of size 0, it is always the one in NumPy.

    Such samples take no time in NumPy either, and so no compiled layer has to handle memory of size 0.
    """
    return ReferenceEngine if 0 in plan.widths else ENGINES[name]
