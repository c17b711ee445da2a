"""What `model.metrics` lists first: a mean of the loss, and one metric that holds those of `compile`, as in Keras."""

from __future__ import annotations

from typing import Any

from cbackprop.metrics import Mean, Metric

__all__ = ["CompiledMetrics", "LossMean"]


class LossMean(Mean):
    """The mean of a loss in the last logs.

    Parameters
    ----------
    name : str
        The key in logs.
    """

    def show(self, value: float) -> None:
        """The logs say this."""
        self.total.assign(value)
        self.count.assign(1)


class CompiledMetrics(Metric):
    """All metrics that a model was compiled with, as one.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: Any) -> None:
        super().__init__(name="compile_metrics")
        self._model = model

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of all outputs, those of the first one first; empty before the model has a shape."""
        return [metric for objective in self._model._objectives or () for metric, _ in objective.metrics]

    @property
    def built(self) -> bool:
        """Whether the model has a shape, so that names such as "accuracy" are metrics."""
        return self._model._objectives is not None

    @property
    def variables(self) -> list[Any]:
        """Those of the metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def reset_state(self) -> None:
        """Let all metrics forget their batches."""
        for metric in self.metrics:
            metric.reset_state()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch to all metrics; weights are for those of ``weighted_metrics``.

        Raises
        ------
        RuntimeError, TypeError, ValueError
            As `Model.compute_metrics`.
        """
        self._model.compute_metrics(None, y_true, y_pred, sample_weight)

    def result(self) -> dict[str, Any]:
        """The results by name."""
        return self._model.results_of_metrics() if self.built else {}

    def get_config(self) -> dict[str, Any]:
        """There is none: it is made by `compile`.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("What holds the metrics of compile has no config: that of the model says them.")
