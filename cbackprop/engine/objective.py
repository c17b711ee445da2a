"""The loss and the metrics of one output of a network."""

from __future__ import annotations

from dataclasses import dataclass, field

from cbackprop.losses.loss import Loss
from cbackprop.metrics.metric import Metric

__all__ = ["Objective"]


@dataclass
class Objective:
    """A loss, its weight, and metrics, with a flag for each metric: whether it weights samples."""

    loss: Loss | None = None
    loss_weight: float = 1.0
    metrics: list[tuple[Metric, bool]] = field(default_factory=list)

    def target_kind(self, metric: Metric) -> str:
        """The form of targets that a metric gets: its own, else that of the loss, else that of the predictions."""
        return metric.target_kind or (self.loss and self.loss.target_kind) or "values"

    def form(self, function: Loss | Metric) -> str:
        """The form of targets that the loss or a metric gets."""
        return self.target_kind(function) if isinstance(function, Metric) else function.target_kind
