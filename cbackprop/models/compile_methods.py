"""The part of a model that configures training: `compile`, and what follows from its arguments."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cbackprop import optimizers
from cbackprop.config_reading import from_config, reading
from cbackprop.engine import ENGINES, Engine, Objective
from cbackprop.layers.layer import Layer
from cbackprop.models.evaluation import names_of
from cbackprop.models.objectives import log_names, more_is_better, resolve_objectives
from cbackprop.part_of import part_of
from cbackprop.saving.model_file import compile_config
from cbackprop.suggestions import nearest
from cbackprop.validation import check_integer
from cbackprop.variable import Variable

if TYPE_CHECKING:
    from cbackprop.models.training_run import TrainingRun

__all__ = ["CompileMethods"]


@part_of("Model")
class CompileMethods:
    """The part of `Model` that configures training."""

    built: bool
    compiled: bool
    _optimizer: optimizers.Optimizer | None
    _at_once: int = 1
    _settings: dict[str, Any]
    _objectives: list[Objective] | None
    _trainable_when_compiled: list[Variable] | None
    _engine: Engine | None
    _gradient_engines: dict[Any, Engine]
    _showing: dict[Any, Engine]
    _runs: set[TrainingRun]

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        engine: str = "compiled",
    ) -> None:
        """Choose how the model is trained.

        Parameters
        ----------
        optimizer : str or Optimizer, default "rmsprop"
            Models that are not to be trained need none: ``None``.
        loss : str or Loss, or a list or dict of them, optional
            One for each output, or one for all. Lists and dicts are nested like the outputs. A list in place of
            anything but a list holds several losses that are added up: ``["mse", "mae"]`` for one output,
            ``{"a": ["mse", "mae"], "b": "mse"}`` for two.
        loss_weights : list or dict of float, optional
            The weight of each output's loss in the total; 1 by default.
        metrics : list of str or Metric, or a list or dict of such lists, optional
            Without sample weights.
        weighted_metrics : like `metrics`, optional
            With sample weights.
        run_eagerly, jit_compile, auto_scale_loss
            Accepted because scripts for Keras pass them; they have no effect.
        steps_per_execution : int, default 1
            The number of batches between two calls of callbacks, in `fit`, `evaluate` and `predict`. More batches need
            fewer calls of Python if a callback watches batches; the numbers are the same. `steps_per_epoch`, `steps`
            and `validation_steps` are rounded up to multiples of it, as in Keras.
        engine : {"compiled", "reference"}, default "compiled"
            Compiled C, or the NumPy twin.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown, or something does not fit the outputs. The model keeps its settings then.

        Notes
        -----
        If an output has a mask (from `layers.Masking`, or from `layers.Embedding` with ``mask_zero``), only the rows
        that the mask shows count. The loss is computed as if sample weights were multiplied by the mask, and so are
        metrics that are means over rows. Other metrics, such as AUC, ignore masks, as in Keras. A mask ends at a layer
        that does not support masks; a warning says so when training or evaluating begins.
        """
        if not isinstance(engine, str) or engine not in ENGINES:
            raise ValueError(f"Unknown engine {engine!r}. {nearest(engine, list(ENGINES))}")
        settings = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "steps_per_execution": check_integer("steps_per_execution", steps_per_execution, 1),
            "engine": engine,
        }
        chosen = optimizers.get(optimizer)
        objectives = resolve_objectives(self, settings) if self.built else None
        trainable = self.trainable_variables if self.built else None  # type: ignore[attr-defined]
        with Layer._making:  # another thread may be making an engine
            if chosen is not None:
                chosen.attach(self)
            self.__dict__.update(
                run_eagerly=run_eagerly,
                jit_compile=jit_compile,
                _at_once=settings["steps_per_execution"],
                _optimizer=chosen,
                _settings=settings,
                _objectives=objectives,
                _engine=None,
                _gradient_engines={},
                _showing={},
                _trainable_when_compiled=trainable,
                compiled=True,
            )
            self._begin_trackers(metrics is not None or weighted_metrics is not None)  # type: ignore[attr-defined]
        if self._runs:
            warnings.warn(
                f"compile was called on model {self.name!r} while fit was running: that fit continues with its "  # type: ignore[attr-defined]
                "optimizer, losses and metrics. The new ones are used from the next call on.",
                stacklevel=2,
            )

    @property
    def steps_per_execution(self) -> int:
        """The number of batches between two calls of callbacks; can be set between runs."""
        return self._at_once

    @steps_per_execution.setter
    def steps_per_execution(self, value: int) -> None:
        self._at_once = check_integer("steps_per_execution", value, 1)

    @property
    def optimizer(self) -> optimizers.Optimizer | None:
        """The optimizer that `compile` was given; ``None`` before."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        raise AttributeError("optimizer cannot be set: give optimizer to compile, together with the loss.")

    @property
    def loss(self) -> Any:
        """The argument `loss` of `compile`; ``None`` before."""
        return self._settings.get("loss")

    @loss.setter
    def loss(self, value: Any) -> None:
        raise AttributeError("loss cannot be set: give loss to compile.")

    def compile_settings(self) -> dict[str, Any]:
        """The arguments of `compile`, without the optimizer."""
        return dict(self._settings)

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile` as plain values, for `compile_from_config`; empty before `compile`.

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
            If the model cannot be compiled with these arguments. It keeps its settings then.
        """
        with reading("the arguments of compile", config):
            settings = from_config(config)
        self.compile(**settings)  # type: ignore[attr-defined]

    def metric_directions(self) -> dict[str, bool]:
        """For each metric in the logs, whether higher is better. Metrics of which that is unknown are left out."""
        if self._objectives is None:
            return {}
        _, names = log_names(self, self._objectives)
        pairs = zip(names, self._objectives, strict=True)
        found = {
            name: more_is_better(metric)
            for group, objective in pairs
            for name, (metric, _) in zip(group, objective.metrics, strict=True)
        }
        return {name: direction for name, direction in found.items() if direction is not None}

    @property
    def metrics_names(self) -> list[str]:
        """The names of the numbers that `evaluate` returns, in order: the loss, the losses of outputs, the metrics.

        Raises
        ------
        RuntimeError
            Before `compile`, or before the model has a shape.
        """
        if self._objectives is None:
            raise RuntimeError("The model has no metrics yet: compile it, and give it a shape.")
        return names_of(self, self._objectives)
