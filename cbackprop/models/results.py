"""Losses and metrics outside of a run: of given predictions, and what the last run has left; and what was compiled."""

from __future__ import annotations

from typing import Any, Self

from cbackprop.config_reading import from_config, reading
from cbackprop.layers.tracking import held, holds_of, layers_within
from cbackprop.metrics import Metric
from cbackprop.models.compiled_metrics import CompiledMetrics, LossMean
from cbackprop.models.data import assign
from cbackprop.models.objectives import log_names, named_results
from cbackprop.saving.model_file import compile_config

__all__ = ["ResultMethods"]


class ResultMethods:
    """The part of `Model` that judges predictions, and describes what it was compiled with."""

    _losses_shown: dict[str, float]  # by the last logs
    _loss_tracker: LossMean | None  # named as in Keras
    _compile_metrics: CompiledMetrics | None
    _output_losses: dict[str, LossMean]

    def _make_trackers(self, metrics: bool) -> None:
        """What `metrics` lists of `compile`, which was given some `metrics` or not."""
        self._losses_shown = {}
        self._loss_tracker, self._output_losses = LossMean("loss"), {}
        self._compile_metrics = CompiledMetrics(self) if metrics else None

    def _show_losses(self, losses: dict[str, float]) -> None:
        """Note what the logs say of losses."""
        self._losses_shown = losses
        for name, value in losses.items():
            tracker = self._loss_tracker if name == "loss" else self._output_losses.get(name)
            if tracker is not None:
                tracker.show(value)

    @property
    def metrics(self) -> list[Metric]:
        """The mean of the loss, one metric that holds those of `compile`, means of outputs' losses; those of layers.

        Empty before `compile`, but for those of layers. After a run, their `result` is that of its last epoch.

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
        if model._objectives is not None:
            for name in log_names(model, model._objectives)[0]:
                if name is not None and name not in self._output_losses:
                    self._output_losses[name] = LossMean(name)
                    self._output_losses[name].show(self._losses_shown.get(name, 0.0))
        found = [self._loss_tracker, self._compile_metrics, *self._output_losses.values(), *self.metrics_of_layers()]
        return list(dict.fromkeys(metric for metric in found if metric is not None))

    def metrics_of_layers(self) -> list[Metric]:
        """The metrics that are attributes of the model and of its layers, which update them in their `call`."""
        own = [value for name, value in list(vars(self).items()) if not name.startswith("_")]
        inner = [layer for layer in layers_within(self) if not layer.is_model]
        found = [*holds_of(own, Metric), *(each for layer in inner for each in held(layer, Metric))]
        return list(dict.fromkeys(found))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> float:
        """The loss of predictions: that of `compile`, weighted and added up, and what regularizers of weights add.

        Parameters
        ----------
        x : optional
            Taken for the sake of code written for Keras; the loss does not depend on it.
        y, y_pred : array_like, or list or dict of them
            One for each output.
        sample_weight : array_like, or list or dict of them, optional
        training : bool, default True
            As `x`.

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
        """Add predictions to the metrics of `compile`, and give their results by name.

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
        """The results of all metrics by name, and the losses of the last logs: 0 before any.

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
        """The results of the metrics of `compile` by name; as `get_metrics_result`, but for the losses."""
        objectives = self._known_objectives("results_of_metrics")
        found: dict[str, Any] = {}
        for group, objective in zip(log_names(self, objectives)[1], objectives, strict=True):
            for name, (metric, _) in zip(group, objective.metrics, strict=True):
                found |= named_results(name, metric.result())
        return found

    def reset_metrics(self) -> None:
        """Let metrics and the mean of the loss begin anew."""
        model: Any = self
        for metric in model.metrics:
            metric.reset_state()
        if model._engine is not None:
            model._engine.reset()
        self._losses_shown = {}

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile` as plain values, for `compile_from_config`; empty before it.

        Raises
        ------
        TypeError, ValueError
            If one of them cannot be described.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
        >>> model.compile(cb.optimizers.SGD(0.5), "mse")
        >>> config = model.get_compile_config()
        >>> other = cb.models.clone_model(model)
        >>> other.compile_from_config(config)
        >>> other.optimizer.learning_rate
        0.5
        """
        return compile_config(self) if self.compiled else {}  # type: ignore[attr-defined]

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the model as `get_compile_config` described it.

        Parameters
        ----------
        config : dict

        Raises
        ------
        TypeError, ValueError
            If it describes nothing that the model can be compiled with. The model keeps its settings then.
        """
        with reading("the arguments of compile", config):
            settings = from_config(config)
        self.compile(**settings)  # type: ignore[attr-defined]

    def _known_objectives(self, what: str) -> Any:
        """What `compile` was told of each output."""
        model: Any = self
        if not model.compiled:
            raise RuntimeError(f"Call compile before {what}: the model does not know its loss and metrics yet.")
        if model._objectives is None:
            raise RuntimeError(f"The model has no shape yet, which {what} needs: build it, or fit it.")
        return model._objectives

    def _by_output(self: Self, y: Any, y_pred: Any, sample_weight: Any) -> list[list[Any]]:
        """Targets, predictions and weights of each output."""
        model: Any = self
        names, structure = model.output_names, model.output_structure
        if y_pred is None:
            raise ValueError("y_pred is missing: expected the predictions that are to be judged.")
        used = [bool(objective.loss or objective.metrics) for objective in model._objectives]
        found = []
        for name, value in (("y", y), ("y_pred", y_pred), ("sample_weight", sample_weight)):
            missing = value is None and name == "sample_weight"
            found.append([None] * len(names) if missing else assign(name, value, names, structure, used))
        return found
