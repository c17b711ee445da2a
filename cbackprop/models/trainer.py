"""`fit`, `evaluate` and `predict`, for all data and for single batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from cbackprop import optimizers
from cbackprop.callbacks import Callback, History
from cbackprop.callbacks.progress import Display
from cbackprop.distribution.setting import together, writes_files
from cbackprop.engine import Engine
from cbackprop.models.compile_methods import CompileMethods
from cbackprop.models.data import Samples
from cbackprop.models.engine_methods import EngineMethods
from cbackprop.models.engines import prepare, samples_for, warn_of_idle_losses
from cbackprop.models.evaluation import listed, logs_of, reset_metrics_of_layers, test
from cbackprop.models.executions import callbacks_for
from cbackprop.models.gradients import GradientMethods
from cbackprop.models.limits import limited_epochs, limited_steps
from cbackprop.models.prediction import predict_all, predict_now, predict_watched, run_batch, run_now
from cbackprop.models.ragged import Given, by_length, by_length_in_one, is_ragged, predict_ragged, split_ragged
from cbackprop.models.results import ResultMethods
from cbackprop.models.second_order import SecondOrderMethods
from cbackprop.models.sources import Check, Source, open_source
from cbackprop.models.together import agree, agree_on_fit, average_statistics, give_state, if_shared
from cbackprop.models.tracing import TraceMethods
from cbackprop.models.training_run import TrainingRun
from cbackprop.models.validation import Validation
from cbackprop.part_of import part_of
from cbackprop.validation import check_boolean, check_counts, check_integer

__all__ = ["Trainer"]


@part_of("Model")
class Trainer(EngineMethods, CompileMethods, GradientMethods, SecondOrderMethods, TraceMethods, ResultMethods):
    """The part of `Model` that trains it."""

    output_structure: Any

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
            Samples along the first axis. See Notes for other kinds of data.
        batch_size : int, optional
            32 by default. With `steps_per_epoch`, such that all samples fit into that many steps.
        epochs : int, default 1
            The number of epochs, including those before `initial_epoch`.
        verbose : {"auto", 0, 1, 2}, default "auto"
            0 is silent; 1 and "auto" show a progress bar on a terminal, and elsewhere a line for each epoch; 2 shows a
            line for each epoch.
        callbacks : list of Callback, optional
        validation_split : float, default 0.0
            The fraction of the samples, in [0, 1), that are evaluated after each epoch instead of being trained on: the
            last ones.
        validation_data : tuple (x, y) or (x, y, sample_weight), or a dataset, optional
            Used instead of `validation_split`.
        shuffle : bool, default True
            Whether to visit the samples (or the batches of a `utils.PyDataset`) in a new random order in each epoch.
            Datasets of images or windows have their own order.
        class_weight : dict of int to float, optional
            The weight of samples by class; 1 for classes that are not listed.
        sample_weight : array_like, or list or dict of them, optional
            The weight of each sample in the loss.
        initial_epoch : int, default 0
            The first epoch.
        steps_per_epoch : int, optional
            The maximum number of batches in an epoch; all by default. The next epoch continues where the last one
            stopped. If no samples are left, an epoch ends early, with a warning: with ten batches and six steps, epochs
            have six and four batches in turn.
        validation_steps : int, optional
            The number of batches of validation data; all by default. Needed for a generator that never ends.
        validation_batch_size : int, optional
            `batch_size` by default.
        validation_freq : int or list of int, default 1
            Evaluate after every `validation_freq` epochs, or after the listed ones (counted from 1).

        Returns
        -------
        History
            ``history`` is a dict with a list for each of the logs.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If an argument or the data is wrong. The model is then unchanged. If data is read during training, the model
            keeps what the last good batch left.

        Notes
        -----
        Data may be arrays, and lists or dicts of them. Some kinds are treated specially:

        - Arrays of 8 or 16 bits, such as uint8 images, are not copied. Each batch is converted to floats when it is
          used. The same holds for large arrays whose type is not the model's.
        - Lists of sequences of different lengths, for models with one input of any length, read by a Masking layer or
          by an Embedding with ``mask_zero``. Each batch is padded to its longest sequence, as by
          `utils.PaddedSequences`, and `shuffle` puts sequences of similar lengths together.
        - SciPy's sparse matrices. If `Dense` layers read them, zeros are neither stored nor multiplied. Otherwise the
          rows of each batch are made dense.
        - Tables and columns of pandas, polars and pyarrow, and objects that share their memory by DLPack.
        - ``numpy.memmap`` of more than 64 MB are read, checked and trained on in pieces of that size. To shuffle, a
          piece is made of 64 runs of neighbouring samples from random positions, and its samples are shuffled too.
        - Datasets that yield batches (x, y) or (x, y, sample_weight): generators and other iterators, which need
          `steps_per_epoch` if they are longer than an epoch; iterables that can be iterated again, such as a torch
          DataLoader; and `utils.PyDataset` or objects like it. Threads prepare and check batches ahead of training.
          `batch_size` has no effect.
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
        given = Given(x, y, sample_weight)
        if validation.split and validation.data is None and is_ragged(self, x):
            given, validation.data = split_ragged(given, validation.split)
        x, y, sample_weight = by_length(self, given, batch_size, shuffle)
        with together(), ExitStack() as opened:
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
            display = Display.of(verbose if writes_files() else 0, epochs, source.samples)
            callbacks = callbacks_for(
                self, [callbacks, history], verbose=display.verbose, epochs=epochs, steps=source.steps
            )
            if engine.distribution is not None:
                agree_on_fit(
                    self,
                    engine,
                    source,
                    judged,
                    callbacks,
                    epochs=epochs,
                    initial_epoch=initial_epoch,
                    with_sample_weights=sample_weight is not None,
                    shuffle=shuffle,
                    class_weight=class_weight,
                )
                give_state(self, engine)
            run = TrainingRun(self, source, judged, validation.is_due, callbacks, display)
            run.train(engine, initial_epoch, epochs)
            warn_of_idle_losses(engine, 3)  # again, because with open sizes there was no plan before
        return history

    def _prepare(self, x: Any, what: str) -> Engine:
        """The engine for the current settings, made when first needed."""
        return prepare(self, x, what)

    def _samples(self, engine: Engine, x: Any, y: Any, *weights: Any) -> Samples:
        """Data in the forms that an engine's losses and metrics read."""
        return samples_for(self, engine, x, y, *weights)

    def _evaluated(self, engine: Engine) -> Check:
        """The function that makes what `evaluate` runs on from the user's data."""
        return partial(samples_for, self, engine)

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
        """Compute loss and metrics on data, without training.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`.
        batch_size : int, optional
            32 by default. With `steps`, such that all samples fit into that many steps.
        verbose : {"auto", 0, 1, 2}, default "auto"
        steps : int, optional
            The number of batches; all by default. Needed for a generator that never ends.
        callbacks : list of Callback, optional
        return_dict : bool, default False
            Whether to return a dict of results by name.

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
        x, y, sample_weight = by_length(self, Given(x, y, sample_weight), batch_size)
        with (
            together(),
            open_source(x, y, sample_weight, batch_size=batch_size, steps=steps, at_once=at_once) as source,
        ):
            source.purpose = "evaluation"
            engine = prepare(self, source, "evaluate")
            source.prepare(self._evaluated(engine))
            source.limit(steps, None)
            run = callbacks_for(self, callbacks, verbose=verbose, epochs=1, steps=source.steps)
            facts = {"batches": source.steps, "batch_size": source.batch_size}
            facts["with_sample_weights"] = if_shared(engine, sample_weight is not None)
            agree(self, engine, **facts, samples=if_shared(engine, source.samples))
            logs = test(self, engine, source, run)
        Display.line(verbose if writes_files() else 0, logs)
        return logs if return_dict else listed(self, engine, logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
    ) -> Any:
        """Compute the outputs for some inputs.

        Parameters
        ----------
        x : array_like, or list or dict of them, or a dataset
            As in `fit`. Targets in a dataset are ignored.
        batch_size : int, optional
            The number of samples in a batch; 32 by default. Results depend on it only if a layer needs a whole batch:
            layers in Python, and `BatchNormalization` called with ``training=True``.
        verbose : {"auto", 0, 1, 2}, default "auto"
        steps : int, optional
            The number of batches; all by default. Needed for a generator that never ends.
        callbacks : list of Callback, optional

        Returns
        -------
        ndarray, or list or dict of them
            In the structure of the model's outputs, samples along the first axis. If inputs are a list of sequences of
            different lengths and outputs have their time steps: a list of arrays, each as long as its sequence.

        Raises
        ------
        TypeError, ValueError
            If an argument or the data is wrong.
        """
        check_counts(batch_size=batch_size, steps=steps)
        Display.check(verbose)
        steps = limited_steps("steps", steps)
        if is_ragged(self, x):
            if steps is None and not callbacks:
                return predict_ragged(self, x, batch_size)
            x = by_length(self, Given(x), batch_size).x
        run = callbacks_for(self, callbacks, verbose=verbose, epochs=1, steps=steps)
        self.stop_predicting = False
        run.on_predict_begin()
        if run.watches_batches("predict"):
            outputs = predict_watched(self, x, batch_size, steps, run)
        else:
            outputs = predict_now(self, x, batch_size, steps)
            if outputs is None:
                outputs = predict_all(self, x, False, batch_size, steps)
        run.on_predict_end()
        return outputs

    def run(self, x: Any, training: bool) -> Any:
        """The outputs for arrays, which are one batch, in the structure of the model's outputs."""
        return run_batch(self, x, training)

    # Single batches

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Make one training step on the given samples. Arguments, results and errors as `fit` and `evaluate`."""
        if is_ragged(self, x):
            x, y, sample_weight = by_length_in_one(self, Given(x, y, sample_weight))
        with together():
            engine = prepare(self, x, "train_on_batch")
            self._position = None  # the position of the last `fit` is outdated
            samples = samples_for(self, engine, x, y, sample_weight, class_weight)
            reset_metrics_of_layers(self, engine)
            with engine.fresh_means():
                engine.learn(samples.data, None, 0, samples.size, samples.size)
                logs = logs_of(self, engine)
            average_statistics(engine)
        return logs if return_dict else listed(self, engine, logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of the given samples as one batch. Arguments, results and errors as `evaluate`."""
        if is_ragged(self, x):
            x, y, sample_weight = by_length_in_one(self, Given(x, y, sample_weight))
        with together():
            engine = prepare(self, x, "test_on_batch")
            samples = samples_for(self, engine, x, y, sample_weight)
            reset_metrics_of_layers(self, engine)
            with engine.fresh_means():
                engine.test(samples.data, samples.size)
                logs = logs_of(self, engine)
        return logs if return_dict else listed(self, engine, logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for the given samples as one batch, as `predict`."""
        outputs = run_now(self, x)
        if outputs is None:
            outputs = run_batch(self, by_length_in_one(self, Given(x)).x if is_ragged(self, x) else x, training=False)
        return outputs
