"""Which engine runs a plan."""

from __future__ import annotations

from cbackprop.engine.compiled import CompiledEngine
from cbackprop.engine.engine import Engine
from cbackprop.engine.reference import ReferenceEngine
from cbackprop.plan.plan import Plan

__all__ = ["ENGINES", "engine_class"]

ENGINES: dict[str, type[Engine]] = {"compiled": CompiledEngine, "reference": ReferenceEngine}


def engine_class(name: str, plan: Plan) -> type[Engine]:
    """The engine of this name; for a plan in which samples have an axis of size 0 always the NumPy one.

    There is nothing to compute for such samples that could take time, and so no compiled layer has to cope with memory
    of size 0.
    """
    return ReferenceEngine if 0 in plan.widths else ENGINES[name]
