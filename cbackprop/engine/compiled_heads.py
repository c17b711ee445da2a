"""The compiled form of the losses and metrics of outputs."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.compiled.engine.head import Head, MetricSum
from cbackprop.compiled.metrics.tally import Called
from cbackprop.engine.compiled_penalties import activity_head
from cbackprop.engine.engine import Engine
from cbackprop.engine.objective import Objective
from cbackprop.metrics.metric import Metric, RowMean
from cbackprop.metrics.tally import Tally

__all__ = ["heads_of"]


def heads_of(engine: Engine) -> tuple[list[Head], list[list[Any]]]:
    """The head of each output of an engine and of each penalty of activities; for each output its states of metrics."""
    outputs = list(zip(engine.objectives, engine.plan.output_shapes, engine.links, strict=False))
    states = [_metric_states(objective, shape, engine.dtype) for objective, shape, _ in outputs]
    heads = [
        _head_of(objective, link is not None, own, shape, engine.dtype)
        for (objective, shape, link), own in zip(outputs, states, strict=True)
    ]
    return heads + [activity_head(activity, engine.dtype) for activity in engine.activities], states


def _metric_states(objective: Objective, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    """For each metric of an output of this shape, the object that adds up batches."""
    return [_metric_state(objective, metric, weighted, shape, dtype) for metric, weighted in objective.metrics]


def _metric_state(objective: Objective, metric: Metric, weighted: bool, shape: tuple[int, ...], dtype: Any) -> Any:
    if not metric.runs_in_c():
        return Called(metric, shape, objective.target_kind(metric), dtype, weighted)
    if isinstance(metric, Tally):
        return metric.tally(shape[-1] if shape else 1, dtype.name, weighted)
    assert isinstance(metric, RowMean)
    return MetricSum(metric.row_function(False, dtype.name), weighted, metric.takes_mask)


def _head_of(objective: Objective, is_linked: bool, states: list[Any], shape: tuple[int, ...], dtype: Any) -> Head:
    """The head of an output of this shape.

    Parameters
    ----------
    objective : Objective
    is_linked : bool
        Whether the loss takes over the last activation.
    states : list
        From `_metric_states`.
    shape : tuple of int
        Of a sample of the output.
    dtype : numpy.dtype
    """
    loss, function = objective.loss, None
    if loss is not None:
        function = loss.row_function(is_linked, dtype.name)
        function.set_shape(shape)
    reduction = (loss and loss.reduction) or "sum"
    width = shape[-1] if shape else 1
    return Head(math.prod(shape[:-1]), width, function, reduction, objective.loss_weight, states)
