"""compile, fit, evaluate, predict: what users do with a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import optimizers, random
from cbackprop.callbacks import Callback, CallbackList, History
from cbackprop.engine import ENGINES, Data, Engine, Objective
from cbackprop.models.data import Samples, make_inputs, make_samples
from cbackprop.models.gradient_check import GradientReport, check_gradients
from cbackprop.models.objectives import log_names, needs_of, resolve_objectives
from cbackprop.models.progress import Display
from cbackprop.registry import nearest
from cbackprop.tensor import map_structure
from cbackprop.validation import check_boolean, check_integer, check_number

if TYPE_CHECKING:
    from cbackprop.plan.plan import Plan
    from cbackprop.variable import Variable

__all__ = ["Trainer"]


class Trainer:
    """The part of `Model` that trains it."""

    stop_training: bool
    output_structure: Any
    built: bool

    def __init__(self) -> None:
        self.optimizer: optimizers.Optimizer | None = None
        self.history: History | None = None
        self.stop_training = False
        self.compiled = False
        self._settings: dict[str, Any] = {}
        self._trainable_when_compiled: list[Variable] | None = None
        self._objectives: list[Objective] | None = None
        self._plan: Plan | None = None
        self._engine: Engine | None = None
        self._predictor: Engine | None = None

    def _forget_engine(self) -> None:
        """What was prepared for another graph or other settings is of no use any more."""
        self._plan = self._engine = self._predictor = self._objectives = None
        self._trainable_when_compiled = None

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: everything but the engines, which are built anew when needed."""
        return self.__dict__ | {"_engine": None, "_predictor": None, "_plan": None}

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
        loss : str or Loss, or a list or dict of them, optional
            One for each output, or one for all.
        loss_weights : list or dict of float, optional
            What each output's loss counts in the total; 1 by default.
        metrics : list of str or Metric, or a list or dict of such lists, optional
            Without sample weights.
        weighted_metrics : like `metrics`, optional
            With sample weights.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
            Taken for the sake of scripts written for Keras; they have no effect.
        engine : {"compiled", "reference"}, default "compiled"
            Compiled C, or the NumPy twin.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown, or something does not fit the outputs. The model keeps its settings then.
        """
        if engine not in ENGINES:
            raise ValueError(f"Unknown engine {engine!r}. {nearest(engine, list(ENGINES))}")
        settings = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "engine": engine,
        }
        chosen = optimizers.get(optimizer)
        objectives = resolve_objectives(self, settings) if self.built else None
        self.optimizer = chosen
        self._settings = settings
        self._objectives = objectives
        self._engine = None
        self._trainable_when_compiled = self.trainable_variables if self.built else None  # type: ignore[attr-defined]
        self.compiled = True

    def _prepare(self, x: Any, what: str) -> Engine:
        """The engine for the current settings, built when it is first needed."""
        if not self.compiled:
            raise RuntimeError(f"Call compile before {what}: the model does not know its loss and optimizer yet.")
        self._build_for(x)
        if self._engine is None:
            if self._objectives is None:
                self._objectives = resolve_objectives(self, self._settings)
            trainable = self._trainable_when_compiled
            if trainable is None:
                trainable = self.trainable_variables  # type: ignore[attr-defined]
            self._engine = ENGINES[self._settings["engine"]](
                self.plan,  # type: ignore[attr-defined]
                self.dtype,  # type: ignore[attr-defined]
                self._objectives,
                self.optimizer,
                trainable,
            )
        return self._engine

    def _build_for(self, x: Any) -> None:
        """Give a Sequential without an input shape the shape of this data."""
        if self.built:
            return
        if x is None:
            raise ValueError("x is missing.")
        array = np.asarray(x[0] if isinstance(x, (list, tuple)) and len(x) == 1 else x)
        if array.ndim < 1 or array.dtype.kind not in "fiub":
            raise ValueError(f"x must be an array of numbers with a batch axis, but got {type(x).__name__}.")
        self.build((None, *(array.shape[1:] or (1,))))  # type: ignore[attr-defined]

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
        x, y : array_like, or list or dict of them
            Samples along the first axis.
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
        validation_data : tuple (x, y) or (x, y, sample_weight), optional
            Used instead of `validation_split`.
        shuffle : bool, default True
            Visit the samples in a new random order in each epoch.
        class_weight : dict of int to float, optional
            What a sample counts by its class; 1 for classes that are not listed.
        sample_weight : array_like, or list or dict of them, optional
            What each sample counts in the loss.
        initial_epoch : int, default 0
            The epoch to begin with.
        steps_per_epoch : int, optional
            Batches in an epoch; all by default. Epochs then go on where the last one stopped.
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
            If an argument or the data is wrong; nothing has been trained then.
        """
        epochs = check_integer("epochs", epochs, 0)
        initial_epoch = check_integer("initial_epoch", initial_epoch, 0)
        if batch_size is not None:
            check_integer("batch_size", batch_size, 1)
        if validation_batch_size is not None:
            check_integer("validation_batch_size", validation_batch_size, 1)
        if validation_steps is not None:
            check_integer("validation_steps", validation_steps, 1)
        shuffle = check_boolean("shuffle", shuffle)
        split = check_number("validation_split", validation_split, 0, 1, open_maximum=True)
        if steps_per_epoch is not None:
            steps_per_epoch = check_integer("steps_per_epoch", steps_per_epoch, 1)
        frequency = _check_frequency(validation_freq)
        Display.check(verbose)
        engine = self._prepare(x, "fit")
        if not any(objective.loss for objective in engine.objectives):
            raise ValueError("fit needs a loss, but the model was compiled without one.")
        samples = self._samples(x, y, sample_weight, class_weight)
        size = samples.size
        at = math.floor(size * (1 - split)) if validation_data is None else size
        if not 0 < at <= size or (at == size and split and validation_data is None):
            raise ValueError(f"validation_split {split} of {size} samples leaves one part empty.")
        if isinstance(self.optimizer, optimizers.FullBatchOptimizer):
            batch_size = self.optimizer.check_batch_size(batch_size, steps_per_epoch, at)
        batch_size = _batch_size(batch_size, steps_per_epoch, at)
        validation = self._validation(validation_data)
        if at < size:
            # Class weights are for training; what is held out is judged as any other data.
            whole = samples if class_weight is None else self._samples(x, y, sample_weight)
            samples, validation = samples.part(0, at), whole.part(at, size)
        validation_batch_size = batch_size if validation_batch_size is None else validation_batch_size
        if validation is not None and validation_steps is not None:
            validation = validation.part(0, min(validation.size, validation_steps * validation_batch_size))
        order = Order(samples.size, batch_size, shuffle, steps_per_epoch)
        history = self.history = History()
        params = {"verbose": verbose, "epochs": epochs, "steps": order.steps}
        run = CallbackList([*_as_list(callbacks), history], self, params)
        self.stop_training = False
        with Display(verbose, epochs, order.samples) as shown:
            run.on_train_begin()
            logs: dict[str, float] = {}
            for epoch in range(initial_epoch, epochs):
                run.on_epoch_begin(epoch)
                shown.begin(epoch)
                engine.reset()
                self._run_epoch(engine, samples.data, order, run, shown)
                if isinstance(self.optimizer, optimizers.FullBatchOptimizer) and self.optimizer.converged:
                    self.stop_training = True
                logs = self._logs(engine)
                if validation is not None and frequency(epoch):
                    run.on_test_begin()
                    results = self._test(engine, validation.data, validation_batch_size)
                    run.on_test_end(results)
                    logs |= {f"val_{name}": value for name, value in results.items()}
                shown.end(logs)
                run.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            run.on_train_end(logs)
        return history

    def _run_epoch(self, engine: Engine, data: Data, order: Order, run: CallbackList, shown: Display) -> None:
        """One epoch: a single call of the engine, unless a callback asks for batches."""
        tick = shown.tick(lambda: self._logs(engine))
        step = done = 0
        for rows, begin, end in order.ranges():
            if not run.watches_batches:
                engine.learn(data, rows, begin, end, order.batch_size, tick=tick)
                continue
            for start in range(begin, end, order.batch_size):
                stop = min(start + order.batch_size, end)
                run.on_train_batch_begin(step)
                engine.learn(data, rows, start, stop, order.batch_size)
                run.on_train_batch_end(step, self._logs(engine))
                step, done = step + 1, done + stop - start
                if tick is not None:
                    tick(done)
                if self.stop_training:
                    return

    def _samples(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Samples:
        assert self._objectives is not None
        return make_samples(self, needs_of(self, self._objectives), x, y, sample_weight, class_weight)

    def _validation(self, data: Any) -> Samples | None:
        if data is None:
            return None
        if not isinstance(data, (tuple, list)) or not 1 <= len(data) <= 3:
            raise ValueError(
                "validation_data must be a tuple (x, y) or (x, y, sample_weight), but got "
                f"{type(data).__name__}{f' of {len(data)}' if isinstance(data, (tuple, list)) else ''}."
            )
        return self._samples(*data, *[None] * (2 - len(data)))

    # Results

    def _logs(self, engine: Engine) -> dict[str, float]:
        """Means since the engine's last reset, by name, in the order in which Keras lists them."""
        loss_names, metric_names = log_names(self, engine.objectives)
        total, losses = engine.losses()
        logs = {"loss": total} if any(objective.loss for objective in engine.objectives) else {}
        logs |= {name: value for name, value in zip(loss_names, losses, strict=True) if name is not None}
        for names, sums, objective in zip(metric_names, engine.metric_sums(), engine.objectives, strict=True):
            for name, (metric_total, count), (metric, _) in zip(names, sums, objective.metrics, strict=True):
                metric.total, metric.count = metric_total, count
                logs[name] = float(metric.result())
        return dict(sorted(logs.items()))

    def _test(self, engine: Engine, data: Data, batch_size: int) -> dict[str, float]:
        with engine.fresh_means():
            engine.test(data, batch_size)
            return self._logs(engine)

    def _listed(self, logs: dict[str, float]) -> Any:
        names = self.metrics_names
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
        loss_names, metric_names = log_names(self, self._objectives)
        names = ["loss"] if any(objective.loss for objective in self._objectives) else []
        by_output = dict(zip(self.output_names, loss_names, strict=True))  # type: ignore[attr-defined]
        as_given = self.output_structure if isinstance(self.output_structure, dict) else by_output
        names += [name for output in as_given if (name := by_output[output]) is not None]
        flat = [name for group in metric_names for name in group]
        return names + (sorted(flat) if len(self._objectives) > 1 else flat)

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
        if batch_size is not None:
            check_integer("batch_size", batch_size, 1)
        if steps is not None:
            check_integer("steps", steps, 1)
        Display.check(verbose)
        engine = self._prepare(x, "evaluate")
        samples = self._samples(x, y, sample_weight)
        batch_size = _batch_size(batch_size, steps, samples.size)
        if steps is not None:
            samples = samples.part(0, min(samples.size, steps * batch_size))
        run = CallbackList(_as_list(callbacks), self, {"verbose": verbose})
        run.on_test_begin()
        logs = self._test(engine, samples.data, batch_size)
        run.on_test_end(logs)
        Display.line(verbose, logs)
        return logs if return_dict else self._listed(logs)

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
        x : array_like, or list or dict of them
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
        if batch_size is not None:
            check_integer("batch_size", batch_size, 1)
        if steps is not None:
            check_integer("steps", steps, 1)
        Display.check(verbose)
        run = CallbackList(_as_list(callbacks), self, {"verbose": verbose})
        run.on_predict_begin()
        outputs = self.run(x, training=False, batch_size=batch_size, steps=steps)
        run.on_predict_end()
        return outputs

    def run(self, x: Any, training: bool, batch_size: int | None = None, steps: int | None = None) -> Any:
        """The outputs for arrays, in the structure of the model's outputs."""
        if type(x) is np.ndarray and not training and steps is None:
            engine = self._engine or self._predictor
            quick = None if engine is None else engine.predict_now(x)
            if quick is not None:
                return map_structure(lambda _: quick, self.output_structure)
        self._build_for(x)
        inputs = make_inputs(self, x)
        if steps is not None:
            limit = steps * _batch_size(batch_size, steps, len(inputs[0]))
            inputs = [array[:limit] for array in inputs]
        results = iter(self._inference_engine().predict(inputs, 32, training))
        return map_structure(lambda _: next(results), self.output_structure)

    def _inference_engine(self) -> Engine:
        """The engine of `compile`, or one that can only predict."""
        if self._engine is not None:
            return self._engine
        if self._predictor is None:
            engine = ENGINES[self._settings.get("engine", "compiled")]
            self._predictor = engine(self.plan, self.dtype)  # type: ignore[attr-defined]
        return self._predictor

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
        samples = self._samples(x, y, sample_weight, class_weight)
        with engine.fresh_means():
            engine.learn(samples.data, None, 0, samples.size, samples.size)
            logs = self._logs(engine)
        return logs if return_dict else self._listed(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of all the given samples. Arguments, results and errors as `evaluate`."""
        engine = self._prepare(x, "test_on_batch")
        samples = self._samples(x, y, sample_weight)
        logs = self._test(engine, samples.data, samples.size)
        return logs if return_dict else self._listed(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for all the given samples, as `predict`."""
        return self.run(x, training=False)

    # Gradients

    def gradients(self, x: Any, y: Any, sample_weight: Any = None, training: bool = False) -> list[NDArray[Any]]:
        """The gradient of the loss with respect to each trainable weight; nothing is changed.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; all samples make one batch.
        training : bool, default False
            Whether dropout and the like are active.

        Returns
        -------
        list of ndarray
            One for each of `trainable_weights`, shaped like it.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If the data is wrong.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(loss="mse")
        >>> [g.tolist() for g in model.gradients([[2.0]], [[1.0]])]
        [[[4.0]], [2.0]]
        """
        check_boolean("training", training)
        engine = self._prepare(x, "gradients")
        samples = self._samples(x, y, sample_weight)
        with engine.fresh_means():
            engine.train(samples.data, None, 0, samples.size, samples.size, update=False, training=training)
            found = dict(zip(engine.trainable, engine.gradients(), strict=True))
        return [found[variable] for variable in self.trainable_variables if variable in found]  # type: ignore[attr-defined]

    def check_gradients(
        self, x: Any, y: Any, epsilon: float | None = None, sample_weight: Any = None, training: bool = False
    ) -> GradientReport:
        """Compare the gradient of every single weight with central differences, in float64; nothing is changed.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; a few samples are enough.
        epsilon : float, optional
            The step of the differences. By default several are tried for each weight and the best one counts, so
            that the corner of a ReLU within a step's reach is not taken for an error.
        training : bool, default False
            Whether dropout and the like are active; the same units are dropped in every evaluation.

        Returns
        -------
        GradientReport
            ``max_relative_error``, where it is (``worst``), and a table when printed.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If the data or `epsilon` is wrong.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(3, activation="tanh"), cb.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> report = model.check_gradients([[0.5, -1.0]], [[0.3]])
        >>> report.max_relative_error < 1e-6
        True
        """
        if epsilon is not None:
            epsilon = check_number("epsilon", epsilon, 0, open_minimum=True)
        check_boolean("training", training)
        self._prepare(x, "check_gradients")
        return check_gradients(self, x, y, epsilon, sample_weight, training)


class Order:
    """The order in which epochs visit the samples.

    Parameters
    ----------
    size : int
        Number of samples.
    batch_size : int
    shuffle : bool
        A new random order for each pass over the samples; otherwise the order of the arrays.
    steps_per_epoch : int or None
        Batches in an epoch; with ``None`` an epoch is a pass.
    """

    def __init__(self, size: int, batch_size: int, shuffle: bool, steps_per_epoch: int | None) -> None:
        self.size = size
        self.batch_size = batch_size
        self.shuffle = shuffle and size > batch_size  # one batch of all samples is the same in any order
        self.steps = steps_per_epoch or math.ceil(size / batch_size)
        self.samples = size if steps_per_epoch is None else steps_per_epoch * batch_size
        self._position = size
        self._rows: NDArray[np.int64] | None = None

    def ranges(self) -> Iterator[tuple[NDArray[np.int64] | None, int, int]]:
        """The parts (order, begin, end) of passes over the samples that make the next epoch."""
        steps = self.steps
        while steps > 0:
            if self._position >= self.size:
                self._position = 0
                self._rows = random.permutation(self.size) if self.shuffle else None
            begin = self._position
            end = min(begin + steps * self.batch_size, self.size)
            self._position = end
            steps -= math.ceil((end - begin) / self.batch_size)
            yield self._rows, begin, end


def _batch_size(given: int | None, steps: int | None, samples: int) -> int:
    """The batch size: as given, else what makes the samples last for these steps, else 32, as in Keras."""
    if given is not None:
        return given
    return 32 if steps is None else max(math.ceil(samples / steps), 1)


def _check_frequency(value: Any) -> Callable[[int], bool]:
    """Whether to evaluate after an epoch, counted from 0."""
    if isinstance(value, (list, tuple, set)):
        chosen = {check_integer("validation_freq", item, 1) for item in value}
        return lambda epoch: epoch + 1 in chosen
    every = check_integer("validation_freq", value, 1)
    return lambda epoch: (epoch + 1) % every == 0


def _as_list(callbacks: Any) -> list[Callback]:
    found = [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in found:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must hold Callback objects, but got {type(callback).__name__}.")
    return found
