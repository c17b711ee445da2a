"""compile, fit, evaluate, predict: what users do with a model."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import optimizers
from cbackprop.callbacks import Callback, CallbackList, History, ProgbarLogger
from cbackprop.callbacks.run_state import check_states
from cbackprop.engine import ENGINES, Data, Engine, Objective, Turn, engine_class
from cbackprop.engine.sizes import EngineOfSizes
from cbackprop.layers.layer import Layer
from cbackprop.models.data import OutputNeeds, Samples, make_inputs, make_samples
from cbackprop.models.executions import Executions
from cbackprop.models.gradients import GradientMethods
from cbackprop.models.inputs import check_repetitions, sample_shape
from cbackprop.models.limits import limited_epochs, limited_steps
from cbackprop.models.objectives import (
    check_masks,
    log_names,
    more_is_better,
    named_results,
    needs_of,
    resolve_objectives,
    warn_of_certainty,
    warn_of_double_links,
)
from cbackprop.models.place import Place, Resumption, check_place
from cbackprop.models.progress import Display
from cbackprop.models.results import ResultMethods
from cbackprop.models.sources import ArraySource, Source, open_source
from cbackprop.models.training_run import TrainingRun
from cbackprop.plan.plan import Plan
from cbackprop.registry import nearest
from cbackprop.tensor import KerasTensor, flatten, map_structure, output_dtype
from cbackprop.validation import check_boolean, check_counts, check_integer, check_number, named
from cbackprop.variable import AtRest, Variable

if TYPE_CHECKING:
    from cbackprop.plan.sizes import PlansOfSizes

__all__ = ["Trainer"]


class Trainer(GradientMethods, ResultMethods):
    """The part of `Model` that trains it."""

    stop_training: bool
    stop_evaluating: bool
    stop_predicting: bool
    output_structure: Any
    built: bool
    _at_once: int = 1

    def __init__(self) -> None:
        self.optimizer: optimizers.Optimizer | None = None
        self.history: History | None = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.compiled = False
        self.run_eagerly, self._at_once, self.jit_compile = False, 1, "auto"
        self._losses_shown: dict[str, float] = {}
        self._loss_tracker, self._compile_metrics, self._output_losses = None, None, {}
        self._runs: set[TrainingRun] = set()  # of `fit`: a callback may call another, and so may another thread
        self._settings: dict[str, Any] = {}
        self._trainable_when_compiled: list[Variable] | None = None
        self._objectives: list[Objective] | None = None
        self._plan: Plan | PlansOfSizes | None = None
        self._engine: Engine | None = None
        self._predictor: Engine | None = None
        self._gradient_engines: dict[Any, Engine] = {}  # by what they are for
        self._showing: dict[Any, Engine] = {}  # for calls on arrays that show more than outputs
        self._turn = Turn()  # shared by all engines
        self._place: Place | None = None  # of the last run of fit
        self._resumption: Resumption | None = None  # what the next one may go on from

    def _forget_engine(self) -> None:
        """What was prepared for another graph or other settings is of no use any more."""
        with Layer._making:  # another thread may be making an engine
            self._plan = self._engine = self._predictor = self._objectives = None
            self._gradient_engines = {}
            self._showing = {}
            self._trainable_when_compiled = None

    def _forget_plans(self) -> None:
        """A layer computes otherwise than before: engines are made anew when they are needed."""
        self._plan = self._engine = self._predictor = None
        self._gradient_engines, self._showing = {}, {}

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: everything but the engines, which are built anew when needed."""
        made_anew: dict[str, Any] = dict.fromkeys(("_engine", "_predictor", "_plan", "_place"))
        made_anew |= {"_runs": set(), "_gradient_engines": {}, "_showing": {}}
        made_anew["_optimizer_state"] = self.optimizer and self.optimizer.state_for(self)
        graph = self.__dict__.get("_graph")
        # The calls of layers come first, and in order: from the last one back to the first is a long way for recursion.
        return {"calls in order": graph and graph.nodes} | self.__dict__ | made_anew

    def __setstate__(self, state: dict[str, Any]) -> None:
        left_out = ("calls in order", "_optimizer_state")
        self.__dict__.update({name: value for name, value in state.items() if name not in left_out})
        if state["_optimizer_state"] is not None:
            self.optimizer.give_state(self, state["_optimizer_state"])  # type: ignore[union-attr]

    # Settings

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
            What each output's loss counts in the total; 1 by default.
        metrics : list of str or Metric, or a list or dict of such lists, optional
            Without sample weights.
        weighted_metrics : like `metrics`, optional
            With sample weights.
        run_eagerly, jit_compile, auto_scale_loss
            Taken for the sake of scripts written for Keras; they have no effect.
        steps_per_execution : int, default 1
            Callbacks are told of so many batches at once, in `fit`, `evaluate` and `predict`: fewer calls of Python,
            where any callback watches batches, and the same numbers. `steps_per_epoch`, `steps` and `validation_steps`
            are rounded up to whole executions, as in Keras.
        engine : {"compiled", "reference"}, default "compiled"
            Compiled C, or the NumPy twin.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown, or something does not fit the outputs. The model keeps its settings then.

        Notes
        -----
        Where an output has a mask (of `layers.Masking`, or of `layers.Embedding` with ``mask_zero``), only the rows
        that it shows count: a loss is their mean, or what its reduction says with sample weights times the mask, and
        so are metrics that are means over rows, weighted or not. Other metrics, such as AUC, do not know of masks, as
        in Keras. A layer that does not support masks ends them, and a warning says so when training or evaluating
        begins.
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
            self.optimizer = chosen
            self._settings = settings
            self.run_eagerly, self.steps_per_execution, self.jit_compile = run_eagerly, steps_per_execution, jit_compile
            self._objectives = objectives
            self._make_trackers(metrics is not None or weighted_metrics is not None)
            self._engine = None
            self._gradient_engines = {}
            self._showing = {}
            self._trainable_when_compiled = trainable
            self.compiled = True
        if self._runs:
            warnings.warn(
                f"compile was called on model {self.name!r} while fit was running on it: that fit goes on with the "  # type: ignore[attr-defined]
                "optimizer, losses and metrics that it began with. What was chosen now is used from the next call on.",
                stacklevel=2,
            )

    def _prepare(self, x: Any, what: str) -> Engine:
        """The engine for the current settings, built when it is first needed."""
        if not self.compiled:
            raise RuntimeError(f"Call compile before {what}: the model does not know its loss and optimizer yet.")
        if self.optimizer is None and what in ("fit", "train_on_batch"):
            raise ValueError(f"{what} needs an optimizer, but the model was compiled with optimizer=None.")
        self._build_for(x)
        with Layer._making:
            engine = self._engine or self._make_engine()
        if what not in ("evaluate", "test_on_batch"):
            engine.check_differentiable()
        if what in ("fit", "train_on_batch"):
            _warn_of_idle_losses(engine, 4)
        return engine

    def _make_engine(self) -> Engine:
        """The engine that trains, from what `compile` was told."""
        if self._objectives is None:
            self._objectives = resolve_objectives(self, self._settings)
        trainable = self._trainable_when_compiled
        if trainable is None:
            trainable = self.trainable_variables  # type: ignore[attr-defined]
        self._engine = engine = self._new_engine(
            self._objectives,
            self.optimizer,
            trainable,
            None if self.optimizer is None else self.optimizer.state_for(self),
        )
        return engine

    def _new_engine(
        self,
        objectives: Sequence[Objective] = (),
        optimizer: optimizers.Optimizer | None = None,
        trainable: Sequence[Variable] = (),
        state: Any = None,
    ) -> Engine:
        """An engine for the layers as they are now, or, where sizes are open, what makes one for each shape."""
        kind, plans, dtype = self._settings.get("engine", "compiled"), self.plans, self.dtype  # type: ignore[attr-defined]
        warned: list[Plan] = []

        def make(plan: Plan) -> Engine:
            check_masks(plan, objectives)
            engine = engine_class(kind, plan)(plan, dtype, objectives, optimizer, trainable, state, self._turn)
            if objectives and not warned:
                warned.append(plan)
                _warn_of_lost_masks(plan)
                warn_of_certainty(plan)
                warn_of_double_links(plan, objectives)
            return engine

        if isinstance(plans, Plan):
            return make(plans)
        return EngineOfSizes(
            lambda sizes: make(plans.of(sizes)), plans.of, dtype, objectives, optimizer, trainable, state, self._turn
        )

    def _build_for(self, x: Any) -> None:
        """Give a Sequential without an input shape the shape of this data."""
        if self.built:
            return
        if isinstance(x, Source):
            x = x.example
        if self._takes_several() and _holds_several(x):
            self.build(map_structure(lambda leaf: (None, *sample_shape(leaf)), x))  # type: ignore[attr-defined]
            return
        if isinstance(x, dict) and len(x) == 1:
            (x,) = x.values()
        shape = sample_shape(x[0] if isinstance(x, (list, tuple)) and len(x) == 1 else x)
        self.build((None, *shape))  # type: ignore[attr-defined]

    def _takes_several(self) -> bool:
        """Whether data of several inputs can tell a model without a shape what shapes these have."""
        return False

    # Training

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] | Callback | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> History:
        """Train for a number of epochs.

        Parameters
        ----------
        x, y : array_like, or list or dict of them; or a dataset as x alone
            Samples along the first axis. See Notes for what else there is.
        batch_size : int, optional
            32 by default; with `steps_per_epoch`, as many as make the samples last for these steps.
        epochs : int, default 1
            The number of epochs, those before `initial_epoch` included.
        verbose : {"auto", 0, 1, 2}, default "auto"
            0 is silent; 1 and "auto" show a progress bar on a terminal and a line an epoch elsewhere; 2 a line an
            epoch.
        callbacks : list of Callback, optional
        validation_split : float, default 0.0
            The last share of the samples, in [0, 1), that is not trained on but evaluated after each epoch.
        validation_data : tuple (x, y) or (x, y, sample_weight), or a dataset, optional
            Used instead of `validation_split`.
        shuffle : bool, default True
            Visit the samples, or the batches of a `utils.PyDataset`, in a new random order in each epoch.
        class_weight : dict of int to float, optional
            What a sample counts by its class; 1 for classes that are not listed.
        sample_weight : array_like, or list or dict of them, optional
            What each sample counts in the loss.
        initial_epoch : int, default 0
            The epoch to begin with.
        steps_per_epoch : int, optional
            The most batches that an epoch takes; all by default. Epochs then go on where the last one stopped, and end
            where the samples do, with a warning: of ten batches, epochs of six steps have six and four, in turn.
        validation_steps : int, optional
            Batches of validation data to look at; all by default.
        validation_batch_size : int, optional
            `batch_size` by default.
        validation_freq : int or list of int, default 1
            Evaluate every so many epochs, or after these (counted from 1).

        Returns
        -------
        History
            ``history`` is a dict with a list for each of the logs.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If an argument or the data is wrong. Nothing has been trained then, unless data is only seen while training
            goes on: then the model is as the last good batch left it.

        Notes
        -----
        Beside arrays, lists and dicts of them:

        - Arrays of 8 or 16 bits (images of uint8) are kept as they are and become floats a batch at a time; so are
          larger arrays of another type than the model's.
        - SciPy's sparse matrices. Where `Dense` layers read them, zeros are neither stored nor multiplied; elsewhere
          the rows of a batch are made dense.
        - Tables and columns of pandas, polars and pyarrow, and whatever offers its memory by DLPack.
        - ``numpy.memmap`` of more than 64 MB: read, checked and trained on in pieces of that size. To shuffle, a piece
          is put together from 64 runs of neighbouring samples in random places, and its samples are shuffled, too.
        - Datasets that yield batches (x, y) or (x, y, sample_weight): generators and other iterators, with
          `steps_per_epoch` if they go on for longer than an epoch; iterables that can be gone through again, such as a
          torch DataLoader; `utils.PyDataset` and what behaves like it. Threads make and check batches ahead of
          training. A batch has the size that it has: `batch_size` is of no effect.
        """
        epochs = check_integer("epochs", epochs, 0)
        initial_epoch = check_integer("initial_epoch", initial_epoch, 0)
        check_counts(
            batch_size=batch_size,
            steps_per_epoch=steps_per_epoch,
            validation_batch_size=validation_batch_size,
            validation_steps=validation_steps,
        )
        shuffle = check_boolean("shuffle", shuffle)
        epochs = limited_epochs(epochs)
        if not isinstance(self.optimizer, optimizers.FullBatchOptimizer):
            steps_per_epoch = limited_steps("steps_per_epoch", steps_per_epoch)
        if validation_data is not None or validation_split:
            validation_steps = limited_steps("validation_steps", validation_steps)
        split = check_number("validation_split", validation_split, 0, 1, open_maximum=True)
        validates = _check_frequency(validation_freq)
        Display.check(verbose)
        with ExitStack() as opened:
            count, at_once = epochs - initial_epoch, self.steps_per_execution
            source: Source = opened.enter_context(
                open_source(x, y, sample_weight, class_weight, batch_size, steps_per_epoch, shuffle, count, at_once)
            )
            engine = self._prepare(source, "fit")
            if not any(objective.loss for objective in engine.objectives):
                raise ValueError("fit needs a loss, but the model was compiled without one.")
            source.prepare(partial(self._samples, engine))
            times = sum(map(validates, range(initial_epoch, epochs)))
            validation = named(
                "validation_data", lambda data: self._validation(engine, data, validation_steps, times), validation_data
            )
            if validation is None and split:
                validation = source.split(split)
            if isinstance(self.optimizer, optimizers.FullBatchOptimizer):
                source.join()
            if validation is not None:
                opened.enter_context(validation)
                validation.limit(validation_steps, validation_batch_size or batch_size)
            history = self.history = History()
            callbacks = self._callbacks([callbacks, history], verbose=verbose, epochs=epochs, steps=source.steps)
            display = Display(verbose, epochs, source.samples)
            TrainingRun(self, source, validation, validates, callbacks, display).train(engine, initial_epoch, epochs)
            _warn_of_idle_losses(engine, 3)  # where sizes were open, there were no steps to look at before
        return history

    @property
    def steps_per_execution(self) -> int:
        """Of how many batches callbacks are told at once; may be set between runs."""
        return self._at_once

    @steps_per_execution.setter
    def steps_per_execution(self, value: int) -> None:
        self._at_once = check_integer("steps_per_execution", value, 1)

    @property
    def loss(self) -> Any:
        """What `compile` was given as `loss`; ``None`` before."""
        return self._settings.get("loss")

    @loss.setter
    def loss(self, value: Any) -> None:
        raise AttributeError("loss cannot be set: give loss to compile.")

    def compile_settings(self) -> dict[str, Any]:
        """The arguments that `compile` was called with, but the optimizer."""
        return dict(self._settings)

    def restart_engine(self) -> None:
        """Let the next run read everything that layers hold besides weights anew."""
        self._engine = self._predictor = None
        self._gradient_engines = {}

    def at_rest(self) -> AtRest:
        """Meanwhile no other thread runs this model, nor any other one that works on its variables."""
        return AtRest(self.variables, (self._turn,))  # type: ignore[attr-defined]

    def training_place(self) -> dict[str, Any] | None:
        """Where training is, as plain values for a file; ``None`` before the first `fit`."""
        if self._place is None or self._engine is None:
            return None
        return self._place.state(self._engine.sums())

    def callback_states(self) -> dict[str, Any] | None:
        """What the callbacks of the last `fit` know; ``None`` before the first."""
        return None if self._place is None else self._place.callbacks.states()

    def resume_at(self, place: dict[str, Any], always: bool, callbacks: dict[str, Any] | None = None) -> None:
        """Let the next `fit` go on from there, if it begins with the same epoch, or `always`."""
        states = None if callbacks is None else check_states(callbacks)
        self._resumption = Resumption(check_place(place), always, states)

    def metric_directions(self) -> dict[str, bool]:
        """For each metric in the logs, whether more is better."""
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

    def _callbacks(self, callbacks: Any, **params: Any) -> CallbackList:
        run = CallbackList(callbacks, model=self, **params)
        # fit shows its progress itself.
        run.callbacks = [callback for callback in run.callbacks if not isinstance(callback, ProgbarLogger)]
        return run

    def _samples(self, engine: Engine, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Samples:
        """Data in the forms that an engine's losses and metrics read."""

        def needs(inputs: list[Any]) -> list[OutputNeeds]:
            plan = engine.plan_of(inputs)
            known = engine.needs
            if known is None or known[0] is not plan:
                known = engine.needs = plan, needs_of(self, engine.objectives, plan)
            return known[1]

        return make_samples(self, needs, x, y, sample_weight, class_weight)

    def _validation(self, engine: Engine, data: Any, steps: int | None, times: int) -> Source | None:
        """What is evaluated after so many of the epochs."""
        if data is None:
            return None
        parts = data if isinstance(data, (tuple, list)) else (data,)
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"expected a tuple (x, y) or (x, y, sample_weight), but got {len(parts)} elements.")
        x, y, sample_weight = (*parts, None, None)[:3]
        source = open_source(x, y, sample_weight, steps=steps, epochs=times, at_once=self.steps_per_execution)
        source.purpose = "validation"
        if not isinstance(data, (tuple, list)) and isinstance(source, ArraySource):
            raise ValueError(
                f"expected a tuple (x, y) or (x, y, sample_weight), or a dataset, but got {type(data).__name__}."
            )
        source.prepare(partial(self._samples, engine))
        return source

    # Results

    def _logs(self, engine: Engine) -> dict[str, float]:
        """Means since the engine's last reset, by name, in the order in which Keras lists them."""
        if engine.log_names is None:
            engine.log_names = log_names(self, engine.objectives)
        loss_names, metric_names = engine.log_names
        total, losses = engine.losses()
        logs = {"loss": total} if any(objective.loss for objective in engine.objectives) else {}
        logs |= {name: value for name, value in zip(loss_names, losses, strict=True) if name is not None}
        self._show_losses(dict(logs))
        for names, states, objective in zip(metric_names, engine.metric_snapshots(), engine.objectives, strict=True):
            for name, state, (metric, _) in zip(names, states, objective.metrics, strict=True):
                metric.restore(state)
                logs |= named_results(name, metric.result())
        for metric in self._metrics_of_layers(engine):
            logs |= named_results(metric.name, metric.result())
        return dict(sorted(logs.items()))

    def _metrics_of_layers(self, engine: Engine) -> list[Any]:
        """The metrics of layers, looked for once; they begin anew with an epoch and with an evaluation, as in Keras."""
        if engine.metrics_of_layers is None:
            compiled = {metric for objective in engine.objectives for metric, _ in objective.metrics}
            engine.metrics_of_layers = [metric for metric in self.metrics_of_layers() if metric not in compiled]
        return engine.metrics_of_layers

    def _reset_metrics_of_layers(self, engine: Engine) -> None:
        for metric in self._metrics_of_layers(engine):
            metric.reset_state()

    def _test(self, engine: Engine, source: Source, run: CallbackList) -> dict[str, float]:
        """Evaluate. The engine is free between batches: a dataset may ask the model for predictions meanwhile."""
        self.stop_evaluating = False
        run.on_test_begin()
        self._reset_metrics_of_layers(engine)
        owner = object()
        try:
            logs = self._logs_of(engine, owner) if self._sweep(engine, source, run, owner) else {}
        finally:
            engine.forget(owner)
        run.on_test_end(logs)
        return logs

    def _logs_of(self, engine: Engine, owner: object) -> dict[str, float]:
        with engine.turn_of(owner):
            return self._logs(engine)

    def _sweep(self, engine: Engine, source: Source, run: CallbackList, owner: object) -> int:
        """Test all samples, an execution at a time if a callback watches; how many batches there were."""

        def end(number: int) -> None:
            run.on_test_batch_end(number, self._logs_of(engine, owner))

        watched = run.watches_batches("test")
        executions = Executions(source.at_once if watched else None, run.on_test_batch_begin, end)
        for piece in source.sweep():
            for part in executions.parts(piece):
                part.data.check_held()
                samples = part.samples()
                check_repetitions(samples.inputs)
                with engine.turn_of(owner):
                    engine.test(samples, part.batch_size)
                if executions.done(part) and self.stop_evaluating:
                    return executions.step
        executions.finish()
        return executions.step

    def _listed(self, engine: Engine, logs: dict[str, float]) -> Any:
        if engine.names is None:
            engine.names = self._names_of(engine.objectives)
        names = engine.names
        names = [name for name in names if name in logs] + [name for name in logs if name not in names]
        results = [logs[name] for name in names]
        return results[0] if len(results) == 1 else results

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, in order: the loss, each output's loss, and the metrics.

        Raises
        ------
        RuntimeError
            Before `compile`, or before the model has a shape.
        """
        if self._objectives is None:
            raise RuntimeError("The model has no metrics yet: compile it, and give it a shape.")
        return self._names_of(self._objectives)

    def _names_of(self, objectives: Sequence[Objective]) -> list[str]:
        loss_names, metric_names = log_names(self, objectives)
        names = ["loss"] if any(objective.loss for objective in objectives) else []
        by_output = dict(zip(self.output_names, loss_names, strict=True))  # type: ignore[attr-defined]
        flat_dict = isinstance(self.output_structure, dict) and set(self.output_structure) == set(by_output)
        as_given = self.output_structure if flat_dict else by_output
        names += [name for output in as_given if (name := by_output[output]) is not None]
        flat = [name for group in metric_names for name in group]
        names += sorted(flat) if len(objectives) > 1 else flat
        return names + [metric.name for metric in self.metrics_of_layers() if metric.name not in names]

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data that is not trained on.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`.
        batch_size : int, optional
            32 by default; with `steps`, as many as make the samples last for these steps.
        verbose : {"auto", 0, 1, 2}, default "auto"
        steps : int, optional
            Batches to look at; all by default.
        callbacks : list of Callback, optional
        return_dict : bool, default False
            Return a dict by name.

        Returns
        -------
        float, list of float, or dict
            The loss alone, or loss and metrics as named by `metrics_names`.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If an argument or the data is wrong.
        """
        check_counts(batch_size=batch_size, steps=steps)
        Display.check(verbose)
        steps, at_once = limited_steps("steps", steps), self.steps_per_execution
        with open_source(x, y, sample_weight, batch_size=batch_size, steps=steps, at_once=at_once) as source:
            source.purpose = "evaluation"
            engine = self._prepare(source, "evaluate")
            source.prepare(partial(self._samples, engine))
            source.limit(steps, None)
            run = self._callbacks(callbacks, verbose=verbose, epochs=1, steps=source.steps)
            logs = self._test(engine, source, run)
        Display.line(verbose, logs)
        return logs if return_dict else self._listed(engine, logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
    ) -> Any:
        """The outputs for some inputs.

        Parameters
        ----------
        x : array_like, or list or dict of them, or a dataset
            As in `fit`; targets that a dataset yields are passed over.
        batch_size : int, optional
            Only tells how many samples `steps` stands for: results do not depend on it.
        verbose : {"auto", 0, 1, 2}, default "auto"
        steps : int, optional
            Batches to predict; all by default.
        callbacks : list of Callback, optional

        Returns
        -------
        ndarray, or list or dict of them
            In the structure of the model's outputs, samples along the first axis.

        Raises
        ------
        TypeError, ValueError
            If an argument or the data is wrong.
        """
        check_counts(batch_size=batch_size, steps=steps)
        Display.check(verbose)
        steps = limited_steps("steps", steps)
        run = self._callbacks(callbacks, verbose=verbose, epochs=1, steps=steps)
        self.stop_predicting = False
        run.on_predict_begin()
        if run.watches_batches("predict"):
            outputs = self._predict_watched(x, batch_size, steps, run)
        else:
            outputs = self.run(x, training=False, batch_size=batch_size, steps=steps)
        run.on_predict_end()
        return outputs

    def _predict_watched(self, x: Any, batch_size: int | None, steps: int | None, run: CallbackList) -> Any:
        """`predict`, an execution at a time."""
        results: list[list[NDArray[Any]]] = []
        told = 0  # of the results

        def end(number: int) -> None:
            nonlocal told
            outputs, told = self._as_output(_joined(results[told:])), len(results)
            run.on_predict_batch_end(number, {"outputs": outputs})

        with open_source(x, batch_size=batch_size, steps=steps, at_once=self.steps_per_execution) as source:
            source.purpose = "prediction"
            self._build_for(source)
            source.prepare(self._inputs)
            source.limit(steps, None)
            executions = Executions(source.at_once, run.on_predict_batch_begin, end)
            for part in (part for piece in source.sweep() for part in executions.parts(piece)):
                part.data.check_held()
                results.append(self._predict_piece(part.samples().inputs, False, x))
                if executions.done(part) and self.stop_predicting:
                    break
            executions.finish()
        return self._as_output(_joined(results))

    def _as_output(self, arrays: list[NDArray[Any]]) -> Any:
        """Flat outputs in the structure of the model's outputs; of a list of one, that one, as in Keras."""
        remaining = iter(arrays)
        return map_structure(lambda tensor: _in_its_type(tensor, next(remaining)), without_list(self.output_structure))

    def run(self, x: Any, training: bool, batch_size: int | None = None, steps: int | None = None) -> Any:
        """The outputs for arrays, in the structure of the model's outputs."""
        if type(x) is np.ndarray and not training and steps is None:
            engine = self._engine or self._predictor
            quick = None if engine is None else engine.predict_now(x)
            if quick is not None:
                return self._as_output([quick])
        with open_source(x, batch_size=batch_size, steps=steps, at_once=self.steps_per_execution) as source:
            source.purpose = "prediction"
            self._build_for(source)
            given = x if isinstance(source, ArraySource) else None
            source.prepare(self._inputs if given is None else self._unchecked_inputs)
            source.limit(steps, None)
            results = [self._predict_piece(piece.samples().inputs, training, given) for piece in source.sweep()]
        return self._as_output(_joined(results))

    def _inputs(self, x: Any, *_: Any, check: bool = True) -> Samples:
        """Inputs alone: what a prediction wants of a batch."""
        inputs = make_inputs(self, x, check)
        data = Data(inputs)
        return Samples(data, len(data))

    def _unchecked_inputs(self, x: Any, *_: Any) -> Samples:
        """The same, but whether they are finite is found out when they are read."""
        return self._inputs(x, check=False)

    def _predict_piece(self, inputs: list[Any], training: bool, given: Any) -> list[NDArray[Any]]:
        results = self._inference_engine(training).predict(inputs, 32, training, check=given is not None)
        if results is None:
            make_inputs(self, given)  # tells where the number is that is not finite
            raise ValueError("x must be finite, and was not when it was read.")
        return results

    def _inference_engine(self, training: bool = False) -> Engine:
        """The engine of `compile`, or one that can only predict; in training, one of layers frozen as they are now."""
        ready = self._engine or self._predictor
        if ready is not None and not (training and not ready.is_up_to_date()):
            return ready
        with Layer._making:
            ready = self._engine or self._predictor
            if ready is None or (training and not ready.is_up_to_date()):
                if self._predictor is None or not self._predictor.is_up_to_date():
                    self._predictor = self._new_engine()
                ready = self._predictor
        return ready

    # Single batches

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step on all the given samples. Arguments, results and errors as `fit` and `evaluate`."""
        engine = self._prepare(x, "train_on_batch")
        self._place = None  # a file would say that training is still where the last fit ended
        samples = self._samples(engine, x, y, sample_weight, class_weight)
        self._reset_metrics_of_layers(engine)
        with engine.fresh_means():
            engine.learn(samples.data, None, 0, samples.size, samples.size)
            logs = self._logs(engine)
        return logs if return_dict else self._listed(engine, logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of all the given samples. Arguments, results and errors as `evaluate`."""
        engine = self._prepare(x, "test_on_batch")
        samples = self._samples(engine, x, y, sample_weight)
        self._reset_metrics_of_layers(engine)
        with engine.fresh_means():
            engine.test(samples.data, samples.size)
            logs = self._logs(engine)
        return logs if return_dict else self._listed(engine, logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for all the given samples, as `predict`."""
        return self.run(x, training=False)


def _holds_several(x: Any) -> bool:
    """Whether this is a dict or list of several arrays of samples, rather than a list of rows."""
    if not isinstance(x, (dict, list, tuple)):
        return False
    leaves = flatten(x)
    return len(leaves) > 1 and (isinstance(x, dict) or all(np.ndim(leaf) > 1 for leaf in leaves))


def without_list(structure: Any) -> Any:
    """What is in a list of one; anything else as it is."""
    return structure[0] if isinstance(structure, (list, tuple)) and len(structure) == 1 else structure


def _in_its_type(tensor: KerasTensor, array: NDArray[Any]) -> NDArray[Any]:
    """An output as whole numbers, if that is what its layer says that it returns."""
    dtype = output_dtype(tensor)
    return array if dtype is None else array.astype(dtype)


def _warn_of_lost_masks(plan: Plan) -> None:
    """Tell of layers that end a mask: losses and metrics count what it would have taken out."""
    for name in plan.unmasked_by:
        warnings.warn(
            f"Layer {name!r} does not support masking: the mask of its input ends there, and does not reach loss and "
            "metrics.",
            stacklevel=7,
        )


def _warn_of_idle_losses(engine: Engine, stacklevel: int) -> None:
    """Tell, once, of what layers add to the loss without any weight that would be trained by it."""
    names = [] if engine.told_of_losses else engine.losses_without_weights()
    if names:
        engine.told_of_losses = True
        warnings.warn(
            f"What {', '.join(map(repr, names))} adds to the loss trains nothing: no weight that is trained is behind "
            "it, neither one of the layer nor one of a layer before it. It only counts in the loss that is shown.",
            stacklevel=stacklevel,
        )


def _joined(results: list[list[NDArray[Any]]]) -> list[NDArray[Any]]:
    """The outputs of several pieces, each as one array."""
    for arrays in zip(*results, strict=True):
        shapes = {array.shape[1:] for array in arrays}
        if len(shapes) > 1:
            raise ValueError(
                f"The outputs of batches differ in shape: {', '.join(map(str, sorted(shapes)))} a sample. They are no "
                "one array: predict each batch by itself, with predict_on_batch."
            )
    return results[0] if len(results) == 1 else [np.concatenate(arrays) for arrays in zip(*results, strict=True)]


def _check_frequency(value: Any) -> Callable[[int], bool]:
    """Whether to evaluate after an epoch, counted from 0."""
    if isinstance(value, (list, tuple, set)):
        chosen = {check_integer("validation_freq", item, 1) for item in value}
        return lambda epoch: epoch + 1 in chosen
    every = check_integer("validation_freq", value, 1)
    return lambda epoch: (epoch + 1) % every == 0


# Python names a method's class where an argument is misspelt, and users know it as Model's.
for _part in (GradientMethods, ResultMethods, Trainer):
    for _name, _method in vars(_part).items():
        if inspect.isfunction(_method):
            _method.__qualname__ = f"Model.{_name}"
