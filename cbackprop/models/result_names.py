"""The losses and metrics of an engine by their names in logs."""

from __future__ import annotations

from typing import Any

from cbackprop.engine import Engine
from cbackprop.models.objectives import log_names, named_results

__all__ = ["ResultNames"]


class ResultNames:
    """Makes the entries of logs. It caches their names, because small models have epochs of a few microseconds.

    Parameters
    ----------
    model : Model
    engine : Engine
    """

    def __init__(self, model: Any, engine: Engine) -> None:
        losses, metrics = log_names(model, engine.objectives)
        self._has_total = any(objective.loss for objective in engine.objectives)
        self._losses = [(number, name) for number, name in enumerate(losses) if name is not None]
        self._metrics = [
            (output, number, name, metric)
            for output, (names, objective) in enumerate(zip(metrics, engine.objectives, strict=True))
            for number, (name, (metric, _)) in enumerate(zip(names, objective.metrics, strict=True))
        ]

    @property
    def fit_all_of_kind(self) -> bool:
        """Whether there is no name but that of the total loss: then any model with such losses has the same."""
        return not (self._losses or self._metrics)

    def losses(self, total: Any, of_outputs: list[Any]) -> dict[str, Any]:
        """The total loss, and the losses of outputs if several have one: each a number, or a list with several."""
        logs = {"loss": total} if self._has_total else {}
        for number, name in self._losses:
            logs[name] = of_outputs[number]
        return logs

    def metrics(self, snapshots: list[list[Any]]) -> dict[str, Any]:
        """The results of metrics whose sums continue from earlier ones."""
        logs: dict[str, Any] = {}
        for output, number, name, metric in self._metrics:
            metric.restore(snapshots[output][number])
            logs |= named_results(name, metric.result())
        return logs

    def metrics_of_epochs(self, engine: Engine, sums: list[Any]) -> dict[str, list[Any]]:
        """The results of metrics in the epochs of `Engine.train_epochs`, from their sums: a list for each name."""
        columns: dict[str, list[Any]] = {}
        for snapshots in engine.metrics_in(sums) if self._metrics else ():
            for name, value in self.metrics(snapshots).items():
                columns.setdefault(name, []).append(value)
        return columns
