"""One call of `fit`: its epochs and steps, once everything has been checked and opened."""

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
from cbackprop.models.place import Place, Resumption, formed_like
from cbackprop.models.sources import Source
from cbackprop.models.sources.source import ran_out

if TYPE_CHECKING:
    from cbackprop.models.trainer import Trainer

__all__ = ["TrainingRun"]

# Frames from an epoch up to whoever called `fit`, for warnings.
CALLER = 5


class TrainingRun:
    """What one call of `fit` works with.

    Parameters
    ----------
    model : Trainer
    source, validation : Source
        Samples to train on, and, if any, to evaluate.
    validates : callable
        Whether to evaluate after an epoch.
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
        """Train up to a number of epochs."""
        model = self.model
        model.stop_training = False
        model._runs.add(self)
        try:
            with engine.kept_threads(), self.display:
                self.callbacks.on_train_begin()
                engine = self._engine_after_start(engine)
                self._epochs(engine, initial_epoch, epochs)
        finally:
            model._runs.discard(self)
            engine.forget(self)

    def _engine_after_start(self, engine: Engine) -> Engine:
        """The engine that this run works with: another one of the same settings where going back to a backup took one.

        If a callback has compiled the model anew, the data has been checked for what was compiled before.
        """
        model = self.model
        same = model.optimizer is engine.optimizer and model._objectives == engine.objectives
        return prepare(model, self.source, "fit") if same and model._engine is not engine else engine

    def _epochs(self, engine: Engine, initial_epoch: int, epochs: int) -> None:
        model, optimizer = self.model, engine.optimizer
        self.watch = DivergenceWatch(optimizer, engine)
        logs: dict[str, float] = {}
        first, left, over = self._begin_at(initial_epoch)
        epoch = first
        for epoch in range(first, first if over else epochs):
            if self.source.exhausted:
                ran_out(CALLER)
                break
            model._place = self.place
            logs = self._epoch(engine, epoch, left)
            left = None
            if model.stop_training:
                break
        self.watch.look_at_weights(epoch, CALLER)
        if initial_epoch < epochs and optimizer is not None:
            known = [v for v in engine.trainable if v in engine.state.slots]
            engine.state.take_averages(optimizer, known)
        self.callbacks.on_train_end(logs)

    def _begin_at(self, epoch: int) -> tuple[int, dict[str, Any] | None, bool]:
        """Where a run begins: at an epoch, or where an interrupted one was left, which may have been over already."""
        model = self.model
        self.place = model._place = Place(self.source, epoch, self.callbacks)
        found, model._resumption = model._resumption, None
        left, over = None, False
        if found is not None and (found.always or found.place["epoch"] == epoch):
            left = self.place.go_to(found.place)
            if found.callbacks is not None:
                over = self._restore_callbacks(found) and left is None
        return self.place.epoch, left, over

    def _restore_callbacks(self, found: Resumption) -> bool:
        """Tell callbacks what those of the earlier run knew; whether that had been stopped.

        Whoever gives an `initial_epoch` to go on with asks for more epochs, even if that one had been stopped.
        """
        assert found.callbacks is not None
        model = self.model
        asked, model.stop_training = model.stop_training, found.callbacks["stopped"] and found.always
        self.callbacks.restore(found.callbacks)
        stopped = model.stop_training and found.always
        model.stop_training = asked or stopped
        return stopped

    def _epoch(self, engine: Engine, epoch: int, left: dict[str, Any] | None) -> dict[str, float]:
        """Train for an epoch, or for what remains of one that was `left`, and evaluate; the logs."""
        model, place = self.model, self.place
        place.begin(epoch)
        with engine.means_of(self):
            engine.reset()
        reset_metrics_of_layers(model, engine)
        self.callbacks.on_epoch_begin(epoch)
        self.display.begin(epoch)
        self._steps(engine, epoch, left)
        if engine.state.search is not None and engine.state.search.converged:
            model.stop_training = True
        logs = self._logs(engine)
        if self.validation is not None and self.validates(epoch):
            with engine.means_of(self):
                place.sums = engine.sums()
            results = test(model, engine, self.validation, self.callbacks)
            logs |= {f"val_{name}": value for name, value in results.items()}
        self.watch.look(logs, epoch, None, CALLER + 1)
        self.display.end(logs)
        place.end()
        self.callbacks.on_epoch_end(epoch, logs)
        return logs

    def _steps(self, engine: Engine, epoch: int, left: dict[str, Any] | None) -> None:
        """The steps of an epoch: a call of the engine for each piece of the data, or each execution if it is watched.

        Those that were finished when the epoch was `left` are skipped.
        """
        model, place = self.model, self.place
        tick = self.display.tick(lambda: self._logs(engine))
        step = done = 0  # steps and samples
        executions: Executions | None = None
        for piece in self.source.epoch():
            if left is not None:
                finished = min(left["step"] - step, piece.steps)
                begin = min(piece.begin + finished * piece.batch_size, piece.end)
                step, done = step + finished, done + begin - piece.begin
                piece = piece._replace(begin=begin)
                if step < left["step"]:
                    continue
                self._restore_step(engine, left)
                left = None
                if model.stop_training:
                    return
            executions = executions or self._executions(engine, epoch, step)
            for part in executions.parts(piece):
                seen = None if tick is None else partial(_tick_after, tick, done)
                part.data.check_held()
                with engine.means_of(self):
                    engine.learn(part.data, part.rows, part.begin, part.end, part.batch_size, tick=seen)
                done += part.size
                place.step += part.steps
                may_stop = executions.done(part)
                if tick is not None:
                    tick(done)
                if may_stop and model.stop_training:
                    return
        if executions is not None:
            executions.finish()

    def _executions(self, engine: Engine, epoch: int, step: int) -> Executions:
        """Batches between two calls of callbacks, from a step of an epoch on, if any callback watches them."""
        self.place.step = step
        if not self.callbacks.watches_batches("train"):
            # Asked to stop before the first step, a run takes one, as in Keras.
            return Executions(self.at_once if self.model.stop_training else None)

        def end(number: int) -> None:
            logs = self._logs(engine)
            self.callbacks.on_train_batch_end(number, logs)
            self.watch.look(logs, epoch, self.place.step - 1, CALLER + 5)

        return Executions(self.at_once, self.callbacks.on_train_batch_begin, end, step)

    def _restore_step(self, engine: Engine, left: dict[str, Any]) -> None:
        """Take over the means of an epoch so far."""
        with engine.means_of(self):
            engine.restore(formed_like(engine.sums(), left["sums"]))
        if left["generator_at_step"] is not None:
            random.set_state(left["generator_at_step"])

    def _logs(self, engine: Engine) -> dict[str, float]:
        """The means of this epoch so far."""
        with engine.means_of(self):
            return logs_of(self.model, engine)


def _tick_after(tick: Callable[[int], None], before: int, done: int) -> None:
    """Tell the display of samples that follow those of earlier calls."""
    tick(before + done)
