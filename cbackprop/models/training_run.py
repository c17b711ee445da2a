"""One call of `fit`: its epochs and steps, after everything has been checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from cbackprop import random
from cbackprop.callbacks import CallbackList
from cbackprop.callbacks.progress import Display
from cbackprop.engine import Engine
from cbackprop.models.divergence import DivergenceWatch
from cbackprop.models.engines import prepare
from cbackprop.models.evaluation import logs_of, reset_metrics_of_layers, test
from cbackprop.models.executions import Executions
from cbackprop.models.position import Position, Resumption, formed_like
from cbackprop.models.quiet_epochs import QuietEpochs, epochs_at_once
from cbackprop.models.sources import Source
from cbackprop.models.sources.source import ran_out
from cbackprop.models.together import agree, agree_after_epoch, average_statistics

if TYPE_CHECKING:
    from cbackprop.models.trainer import Trainer

__all__ = ["TrainingRun"]

# Frames from an epoch up to the caller of `fit`, for warnings.
CALLER = 5


class TrainingRun:
    """One call of `fit`.

    Parameters
    ----------
    model : Trainer
    source : Source
        The samples to train on.
    validation : Source or None
        The samples to evaluate.
    validates : callable
        Says whether to evaluate after an epoch.
    callbacks : CallbackList
    display : Display
    """

    def __init__(
        self,
        model: Trainer,
        source: Source,
        validation: Source | None,
        validates: Callable[[int], bool],
        callbacks: CallbackList,
        display: Display,
    ) -> None:
        self.model, self.source, self.validation, self.validates = model, source, validation, validates
        self.callbacks, self.display = callbacks, display
        self.at_once = model.steps_per_execution

    def train(self, engine: Engine, initial_epoch: int, epochs: int) -> None:
        """Train from one epoch up to another one."""
        model = self.model
        model.stop_training = False
        model._runs.add(self)
        try:
            with engine.kept_threads(), self.display:
                self.callbacks.on_train_begin()
                engine = self._engine_after_start(engine)
                agree(model, engine, resumption=_place(model._resumption), batches_so_far=engine.state.batches)
                self._epochs(engine, initial_epoch, epochs)
        finally:
            model._runs.discard(self)
            engine.forget(self)

    def _engine_after_start(self, engine: Engine) -> Engine:
        """The engine for this run. If a callback has restored a backup, it is a new one with the same settings.

        If a callback has recompiled the model, it is the earlier one, because the data was checked for its settings.
        """
        model = self.model
        same = model.optimizer is engine.optimizer and model._objectives == engine.objectives
        return prepare(model, self.source, "fit") if same and model._engine is not engine else engine

    def _epochs(self, engine: Engine, initial_epoch: int, epochs: int) -> None:
        model, optimizer = self.model, engine.optimizer
        self.watch = DivergenceWatch(optimizer, engine)
        logs: dict[str, float] = {}
        first, unfinished, over = self._begin_at(initial_epoch)
        epoch = first
        if unfinished is None and not over and (at_once := epochs_at_once(self, engine)) > 1:
            quiet = QuietEpochs(self, engine)
            first, logs = quiet.train(first, epochs, at_once)
            epoch, over = max(first - 1, epoch), True
        for epoch in range(first, first if over else epochs):
            if self.source.exhausted:
                ran_out(CALLER)
                break
            model._position = self.position
            logs = self._epoch(engine, epoch, unfinished)
            unfinished = None
            if model.stop_training:
                break
        self.watch.look_at_weights(epoch, CALLER)
        if initial_epoch < epochs and optimizer is not None:
            known = [v for v in engine.trainable if v in engine.state.slots]
            engine.state.take_averages(optimizer, known)
        self.callbacks.on_train_end(logs)

    def _begin_at(self, epoch: int) -> tuple[int, dict[str, Any] | None, bool]:
        """The first epoch, its position if it was interrupted, and whether the resumed training is already over."""
        model = self.model
        self.position = model._position = Position(self.source, epoch, self.callbacks)
        found, model._resumption = model._resumption, None
        unfinished, over = None, False
        if found is not None and (found.always or found.position["epoch"] == epoch):
            unfinished = self.position.go_to(found.position)
            if found.callbacks is not None:
                over = self._restore_callbacks(found) and unfinished is None
        return self.position.epoch, unfinished, over

    def _restore_callbacks(self, found: Resumption) -> bool:
        """Restore the states of callbacks. Returns whether the earlier training had been stopped, and so is over.

        It is not over if `fit` is called with an `initial_epoch`, because that asks for more epochs.
        """
        assert found.callbacks is not None
        model = self.model
        asked, model.stop_training = model.stop_training, found.callbacks["stopped"] and found.always
        self.callbacks.restore(found.callbacks)
        stopped = model.stop_training and found.always
        model.stop_training = asked or stopped
        return stopped

    def _epoch(self, engine: Engine, epoch: int, unfinished: dict[str, Any] | None) -> dict[str, float]:
        """Train for an epoch (or the rest of an `unfinished` one) and evaluate. Returns the logs."""
        model, position = self.model, self.position
        position.begin(epoch)
        with engine.means_of(self):
            engine.reset()
        reset_metrics_of_layers(model, engine)
        self.callbacks.on_epoch_begin(epoch)
        self.display.begin(epoch)
        self._steps(engine, epoch, unfinished)
        if engine.ranks is not None:
            average_statistics(engine)
        if engine.state.search is not None and engine.state.search.converged:
            model.stop_training = True
        logs = self._logs(engine)
        if self.validation is not None and self.validates(epoch):
            with engine.means_of(self):
                position.sums = engine.sums()
            results = test(model, engine, self.validation, self.callbacks)
            logs |= {f"val_{name}": value for name, value in results.items()}
        self.watch.look(logs, epoch, None, CALLER + 1)
        self.display.end(logs)
        position.end()
        self.callbacks.on_epoch_end(epoch, logs)
        agree_after_epoch(model, engine)
        return logs

    def _steps(self, engine: Engine, epoch: int, unfinished: dict[str, Any] | None) -> None:
        """The steps of an epoch, without the finished steps of an `unfinished` one.

        The engine is called once for each piece of the data; if a callback watches batches, once for each execution.
        """
        model, position = self.model, self.position
        tick = self.display.tick(lambda: self._logs(engine, of_all_ranks=False))
        step = done = 0  # finished steps and samples
        executions: Executions | None = None
        for piece in self.source.epoch():
            if unfinished is not None:
                finished = min(unfinished["step"] - step, piece.steps)
                begin = min(piece.begin + finished * piece.batch_size, piece.end)
                step, done = step + finished, done + begin - piece.begin
                piece = piece._replace(begin=begin)
                if step < unfinished["step"]:
                    continue
                self._restore_step(engine, unfinished)
                unfinished = None
                if model.stop_training:
                    return
            executions = executions or self._executions(engine, epoch, step)
            for part in executions.parts(piece):
                seen = None if tick is None else partial(_tick_after, tick, done)
                part.data.check_held()
                with engine.means_of(self):
                    engine.learn(part.data, part.rows, part.begin, part.end, part.batch_size, tick=seen)
                done += part.size
                position.step += part.steps
                may_stop = executions.done(part)
                if tick is not None:
                    tick(done)
                if may_stop and model.stop_training:
                    return
        if executions is not None:
            executions.finish()

    def _executions(self, engine: Engine, epoch: int, step: int) -> Executions:
        """The executions of an epoch from this step on. If no callback watches batches, each piece is one execution."""
        self.position.step = step
        if not self.callbacks.watches_batches("train"):
            # A run that is stopped before the first step takes one step, as in Keras.
            return Executions(self.at_once if self.model.stop_training else None)

        def end(number: int) -> None:
            logs = self._logs(engine)
            self.callbacks.on_train_batch_end(number, logs)
            self.watch.look(logs, epoch, self.position.step - 1, CALLER + 5)

        return Executions(self.at_once, self.callbacks.on_train_batch_begin, end, step)

    def _restore_step(self, engine: Engine, unfinished: dict[str, Any]) -> None:
        """Restore the sums and the random state of an interrupted epoch."""
        if engine.distribution is None or engine.distribution.rank == 0:  # rank 0 has the sums of all ranks
            with engine.means_of(self):
                engine.restore(formed_like(engine.sums(), unfinished["sums"]))
        if unfinished["generator_at_step"] is not None:
            random.set_state(unfinished["generator_at_step"])

    def _logs(self, engine: Engine, of_all_ranks: bool = True) -> dict[str, float]:
        """The means of this epoch so far."""
        with engine.means_of(self):
            return logs_of(self.model, engine, of_all_ranks)


def _place(resumption: Resumption | None) -> list[int] | None:
    """The epoch and the step at which training resumes; ``None`` if it starts over."""
    return None if resumption is None else [resumption.position["epoch"], resumption.position["step"]]


def _tick_after(tick: Callable[[int], None], before: int, done: int) -> None:
    """Report the samples of this call together with those of earlier ones."""
    tick(before + done)
