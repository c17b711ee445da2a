"""compile, fit, evaluate, predict: what users do with a model."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cbackprop import optimizers
from cbackprop.callbacks import Callback, History
from cbackprop.callbacks.progress import Display
from cbackprop.callbacks.run_state import check_states
from cbackprop.engine import ENGINES, Engine, ModelLock, Objective
from cbackprop.layers.layer import Layer
from cbackprop.models.data import Samples
from cbackprop.models.engines import prepare, samples_for, warn_of_idle_losses
from cbackprop.models.evaluation import listed, logs_of, names_of, reset_metrics_of_layers, test
from cbackprop.models.executions import callbacks_for
from cbackprop.models.gradients import GradientMethods
from cbackprop.models.inputs import sample_shape
from cbackprop.models.limits import limited_epochs, limited_steps
from cbackprop.models.objectives import log_names, more_is_better, resolve_objectives
from cbackprop.models.position import Position, Resumption, check_position
from cbackprop.models.prediction import predict_all, predict_now, predict_watched
from cbackprop.models.results import ResultMethods
from cbackprop.models.sources import Source, open_source
from cbackprop.models.training_run import TrainingRun
from cbackprop.models.validation import Validation
from cbackprop.suggestions import nearest
from cbackprop.tensor import flatten, map_structure
from cbackprop.validation import check_boolean, check_counts, check_integer
from cbackprop.variable import AtRest, Variable

if TYPE_CHECKING:
    from cbackprop.plan.plan import Plan
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
        self._model_lock = ModelLock()  # shared by all engines
        self._position: Position | None = None  # of the last run of fit
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
        made_anew: dict[str, Any] = dict.fromkeys(("_engine", "_predictor", "_plan", "_position"))
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
        validation = Validation(
            validation_split, validation_data, validation_steps, validation_batch_size or batch_size, validation_freq
        )
        Display.check(verbose)
        with ExitStack() as opened:
            count, at_once = epochs - initial_epoch, self.steps_per_execution
            source: Source = opened.enter_context(
                open_source(x, y, sample_weight, class_weight, batch_size, steps_per_epoch, shuffle, count, at_once)
            )
            engine = prepare(self, source, "fit")
            if not any(objective.loss for objective in engine.objectives):
                raise ValueError("fit needs a loss, but the model was compiled without one.")
            source.prepare(partial(samples_for, self, engine))
            judged = validation.source(self, engine, source, range(initial_epoch, epochs))
            if isinstance(self.optimizer, optimizers.FullBatchOptimizer):
                source.join()
            if judged is not None:
                opened.enter_context(judged)
                validation.limit(judged)
            history = self.history = History()
            callbacks = callbacks_for(self, [callbacks, history], verbose=verbose, epochs=epochs, steps=source.steps)
            display = Display(verbose, epochs, source.samples)
            run = TrainingRun(self, source, judged, validation.is_due, callbacks, display)
            run.train(engine, initial_epoch, epochs)
            warn_of_idle_losses(engine, 3)  # where sizes were open, there were no steps to look at before
        return history

    def _prepare(self, x: Any, what: str) -> Engine:
        """The engine for the current settings, built when it is first needed."""
        return prepare(self, x, what)

    def _samples(self, engine: Engine, x: Any, y: Any, *weights: Any) -> Samples:
        """Data in the forms that an engine's losses and metrics read."""
        return samples_for(self, engine, x, y, *weights)

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
        return AtRest(self.variables, (self._model_lock,))  # type: ignore[attr-defined]

    def training_position(self) -> dict[str, Any] | None:
        """Where training is, as plain values for a file; ``None`` before the first `fit`."""
        if self._position is None or self._engine is None:
            return None
        return self._position.state(self._engine.sums())

    def callback_states(self) -> dict[str, Any] | None:
        """What the callbacks of the last `fit` know; ``None`` before the first."""
        return None if self._position is None else self._position.callbacks.states()

    def resume_at(self, position: dict[str, Any], always: bool, callbacks: dict[str, Any] | None = None) -> None:
        """Let the next `fit` go on from there, if it begins with the same epoch, or `always`."""
        states = None if callbacks is None else check_states(callbacks)
        self._resumption = Resumption(check_position(position), always, states)

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
        return names_of(self, self._objectives)

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
            engine = prepare(self, source, "evaluate")
            source.prepare(partial(samples_for, self, engine))
            source.limit(steps, None)
            run = callbacks_for(self, callbacks, verbose=verbose, epochs=1, steps=source.steps)
            logs = test(self, engine, source, run)
        Display.line(verbose, logs)
        return logs if return_dict else listed(self, engine, logs)

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
        run = callbacks_for(self, callbacks, verbose=verbose, epochs=1, steps=steps)
        self.stop_predicting = False
        run.on_predict_begin()
        if run.watches_batches("predict"):
            outputs = predict_watched(self, x, batch_size, steps, run)
        else:
            outputs = predict_now(self, x, steps)
            if outputs is None:
                outputs = predict_all(self, x, False, batch_size, steps)
        run.on_predict_end()
        return outputs

    def run(self, x: Any, training: bool, batch_size: int | None = None, steps: int | None = None) -> Any:
        """The outputs for arrays, in the structure of the model's outputs."""
        outputs = None if training else predict_now(self, x, steps)
        return predict_all(self, x, training, batch_size, steps) if outputs is None else outputs

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
        engine = prepare(self, x, "train_on_batch")
        self._position = None  # a file would say that training is still where the last fit ended
        samples = samples_for(self, engine, x, y, sample_weight, class_weight)
        reset_metrics_of_layers(self, engine)
        with engine.fresh_means():
            engine.learn(samples.data, None, 0, samples.size, samples.size)
            logs = logs_of(self, engine)
        return logs if return_dict else listed(self, engine, logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of all the given samples. Arguments, results and errors as `evaluate`."""
        engine = prepare(self, x, "test_on_batch")
        samples = samples_for(self, engine, x, y, sample_weight)
        reset_metrics_of_layers(self, engine)
        with engine.fresh_means():
            engine.test(samples.data, samples.size)
            logs = logs_of(self, engine)
        return logs if return_dict else listed(self, engine, logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for all the given samples, as `predict`."""
        return self.run(x, training=False)


def _holds_several(x: Any) -> bool:
    """Whether this is a dict or list of several arrays of samples, rather than a list of rows."""
    if not isinstance(x, (dict, list, tuple)):
        return False
    leaves = flatten(x)
    return len(leaves) > 1 and (isinstance(x, dict) or all(np.ndim(leaf) > 1 for leaf in leaves))


# Python names a method's class where an argument is misspelt, and users know it as Model's.
for _part in (GradientMethods, ResultMethods, Trainer):
    for _name, _method in vars(_part).items():
        if inspect.isfunction(_method):
            _method.__qualname__ = f"Model.{_name}"
