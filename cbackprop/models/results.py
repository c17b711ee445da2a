"""The part of a model that computes losses and metrics of given predictions, and keeps the last run's results."""

from __future__ import annotations

from typing import Any, Self

from cbackprop.layers.tracking import PLAIN, held_metrics, holds_of, layers_within
from cbackprop.metrics import Metric
from cbackprop.models.compiled_metrics import CompiledMetrics, LossMean
from cbackprop.models.data import assign
from cbackprop.models.engines import own_engine
from cbackprop.models.objectives import log_names, named_results
from cbackprop.part_of import part_of

__all__ = ["ResultMethods"]


@part_of("Model")
class ResultMethods:
    """The part of `Model` that computes losses and metrics of predictions, and keeps the last run's results."""

    _losses_shown: dict[str, float]  # those of the last logs
    _loss_tracker: LossMean | None  # Keras's name
    _compile_metrics: CompiledMetrics | None
    _output_losses: dict[str, LossMean]

    def _begin_trackers(self, metrics: bool) -> None:
        """Begin anew with the list `metrics`. The argument says whether `compile` was given any.

        The means of losses are made when they are asked for, which is seldom.
        """
        made = CompiledMetrics(self) if metrics else None
        self.__dict__.update(_losses_shown={}, _loss_tracker=None, _output_losses={}, _compile_metrics=made)

    def _show_losses(self, losses: dict[str, float]) -> None:
        """Let `metrics` show the losses of new logs."""
        self._losses_shown = losses
        for name, value in losses.items():
            tracker = self._loss_tracker if name == "loss" else self._output_losses.get(name)
            if tracker is not None:
                tracker.show(value)

    @property
    def metrics(self) -> list[Metric]:
        """A metric for the mean of the loss, one that holds those of `compile`, then means of losses, metrics of
        layers.

        Before `compile` there are only the metrics of layers. After a run, `result` gives the value of its last epoch.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> [metric.name for metric in model.metrics]
        ['loss', 'compile_metrics']
        >>> [metric.name for metric in model.metrics[1].metrics]
        ['mae']
        """
        model: Any = self
        if model.compiled and self._loss_tracker is None:
            self._loss_tracker = self._new_mean("loss")
        if model._objectives is not None:
            for name in log_names(model, model._objectives)[0]:
                if name is not None and name not in self._output_losses:
                    self._output_losses[name] = self._new_mean(name)
        found = [self._loss_tracker, self._compile_metrics, *self._output_losses.values(), *self.metrics_of_layers()]
        return list(dict.fromkeys(metric for metric in found if metric is not None))

    def _new_mean(self, name: str) -> LossMean:
        """The mean of a loss, which shows the last logs."""
        mean = LossMean(name)
        if name in self._losses_shown:
            mean.show(self._losses_shown[name])
        return mean

    def metrics_of_layers(self) -> list[Metric]:
        """The metrics that the model and its layers have as attributes and update in their `call`."""
        own = [value for name, value in list(vars(self).items()) if name[0] != "_" and type(value) not in PLAIN]
        inner = [layer for layer in layers_within(self) if not layer.is_model]
        found = [*holds_of(own, Metric), *(each for layer in inner for each in held_metrics(layer, Metric))]
        return list(dict.fromkeys(found))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> float:
        """The loss of predictions: the weighted sum of the losses of `compile`, with regularizers of weights.

        Parameters
        ----------
        x : optional
            Has no effect; accepted so that code for Keras runs.
        y, y_pred : array_like, or list or dict of them
            One for each output.
        sample_weight : array_like, or list or dict of them, optional
        training : bool, default True
            Has no effect, as `x`.

        Returns
        -------
        float

        Raises
        ------
        RuntimeError
            Before `compile`, or before the model has a shape.
        TypeError, ValueError
            If the arrays do not fit.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> model.compute_loss(y=[[1.0], [2.0]], y_pred=[[1.0], [4.0]])
        2.0
        """
        objectives = self._known_objectives("compute_loss")
        total = float(sum(self.losses))  # type: ignore[attr-defined]
        for objective, target, prediction, weight in zip(
            objectives, *self._by_output(y, y_pred, sample_weight), strict=True
        ):
            if objective.loss is not None:
                total += objective.loss_weight * float(objective.loss(target, prediction, weight))
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Add predictions to the metrics of `compile`, and return the results by name.

        Parameters
        ----------
        x, y, y_pred, sample_weight
            As `compute_loss`. Weights are for ``weighted_metrics``.

        Returns
        -------
        dict
            As `get_metrics_result`.

        Raises
        ------
        RuntimeError, TypeError, ValueError
            As `compute_loss`.
        """
        objectives = self._known_objectives("compute_metrics")
        for objective, target, prediction, weight in zip(
            objectives, *self._by_output(y, y_pred, sample_weight), strict=True
        ):
            for metric, weighted in objective.metrics:
                metric.update_state(target, prediction, sample_weight=weight if weighted else None)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """The results of all metrics by name, and the losses of the last logs (0 before the first run).

        Raises
        ------
        RuntimeError
            Before `compile`, or before the model has a shape.
        """
        objectives = self._known_objectives("get_metrics_result")
        losses, _ = log_names(self, objectives)
        total = ["loss"] if any(objective.loss for objective in objectives) else []
        shown = {name: self._losses_shown.get(name, 0.0) for name in (*total, *losses) if name is not None}
        of_outputs = {name: shown.pop(name) for name in losses if name is not None}
        found = shown | self.results_of_metrics() | of_outputs
        for metric in self.metrics_of_layers():
            found |= named_results(metric.name, metric.result())
        return found

    def results_of_metrics(self) -> dict[str, Any]:
        """The results of the metrics of `compile` alone, by name."""
        objectives = self._known_objectives("results_of_metrics")
        found: dict[str, Any] = {}
        for group, objective in zip(log_names(self, objectives)[1], objectives, strict=True):
            for name, (metric, _) in zip(group, objective.metrics, strict=True):
                found |= named_results(name, metric.result())
        return found

    def reset_metrics(self) -> None:
        """Reset all metrics and the mean of the loss."""
        model: Any = self
        for metric in model.metrics:
            metric.reset_state()
        engine = own_engine(model)
        if engine is not None:
            engine.reset()
        self._losses_shown = {}

    def _known_objectives(self, what: str) -> Any:
        """The objectives of all outputs. If they are not known yet, the error says that `what` needs them."""
        model: Any = self
        if not model.compiled:
            raise RuntimeError(f"Call compile before {what}: the model has no loss and metrics yet.")
        if model._objectives is None:
            raise RuntimeError(f"The model has no shape yet, which {what} needs: build it, or fit it.")
        return model._objectives

    def _by_output(self: Self, y: Any, y_pred: Any, sample_weight: Any) -> list[list[Any]]:
        """Targets, predictions and weights of each output."""
        model: Any = self
        names, structure = model.output_names, model.output_structure
        if y_pred is None:
            raise ValueError("y_pred is missing: expected predictions.")
        used = [bool(objective.loss or objective.metrics) for objective in model._objectives]
        found = []
        for name, value in (("y", y), ("y_pred", y_pred), ("sample_weight", sample_weight)):
            missing = value is None and name == "sample_weight"
            found.append([None] * len(names) if missing else assign(name, value, names, structure, used))
        return found
