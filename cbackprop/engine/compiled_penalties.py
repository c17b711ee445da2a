"""The compiled form of regularizers, of weights and of layers' outputs, and of constraints."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.compiled.engine.head import Head
from cbackprop.contract.implementation import find
from cbackprop.plan.step import Activity
from cbackprop.variable import Variable

__all__ = ["activity_head", "penalty_of", "projection_of"]


def penalty_of(variable: Variable) -> Any:
    """The object that adds a variable's regularizer to the loss and to the gradient."""
    name = _compiled_name(variable.regularizer) or "PythonPenalty"
    kind = find("compiled.regularizers", f"penalties.{name}", variable.array.dtype)
    return kind(variable.regularizer, variable.array.reshape(-1), variable.shape, variable.offset)


def projection_of(variable: Variable) -> Any:
    """The object that applies a variable's constraint. Norms along axes that are not adjacent are computed by NumPy."""
    constraint = variable.constraint
    name = _compiled_name(constraint)
    if name == "NormConstraint" and not constraint.joins_axes(variable.ndim):
        name = None
    kind = find("compiled.constraints", f"projections.{name or 'PythonProjection'}", variable.array.dtype)
    return kind(constraint, variable.array.reshape(-1), variable.shape)


def activity_head(activity: Activity, dtype: Any) -> Head:
    """The head of a penalty on a layer's output: a loss without targets, divided by the batch size."""
    regularizer, shape = activity.regularizer, activity.shape
    kind = "ElementActivity" if _compiled_name(regularizer) == "ElementPenalty" else "PythonActivity"
    function = find("compiled.regularizers", f"penalties.{kind}", dtype)(regularizer, shape)
    return Head(1, math.prod(shape), function, "sum_over_batch_size", 1.0, [])


def _compiled_name(spec: Any) -> str | None:
    """The compiled class of a regularizer or constraint; ``None`` if a user wrote it, or changed it, in Python."""
    for cls in type(spec).__mro__:
        if "implementation" in cls.__dict__:
            name: str | None = cls.__dict__["implementation"]
            return name
        if "__call__" in cls.__dict__ or "gradient" in cls.__dict__:
            return None
    return None
