"""The first entries of `model.metrics`, as in Keras: the mean loss, and one metric for all metrics of `compile`."""

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
        """Set the mean to that of new logs."""
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
        """The metrics of all outputs, in the order of the outputs; empty before the model has a shape."""
        return [metric for objective in self._model._objectives or () for metric, _ in objective.metrics]

    @property
    def built(self) -> bool:
        """Whether the model has a shape, so that names such as "accuracy" are metrics."""
        return self._model._objectives is not None

    @property
    def variables(self) -> list[Any]:
        """The variables of all metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def reset_state(self) -> None:
        """Reset all metrics."""
        for metric in self.metrics:
            metric.reset_state()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch to all metrics. Only ``weighted_metrics`` use the weights.

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
        """Raise an error: only `compile` makes this metric.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("The metric that holds those of compile has no config: see Model.get_compile_config.")
