"""Run several epochs in one call of the engine, if there are no callbacks and no output between them.

Small networks with few samples have epochs of a few microseconds. Returning to Python after each of them would take
longer than the training itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cbackprop.callbacks import History
from cbackprop.engine import Engine
from cbackprop.models.evaluation import logs_of_epochs, metrics_of_layers
from cbackprop.models.sources import ArraySource

if TYPE_CHECKING:
    from cbackprop.models.training_run import TrainingRun

__all__ = ["QuietEpochs", "epochs_at_once"]

# Frames from the recording of epochs up to the caller of `fit`, for warnings.
CALLER = 8


def epochs_at_once(run: TrainingRun, engine: Engine) -> int:
    """How many epochs the engine may train in one call; 1 if something must run after each of them."""
    source = run.source
    watched = run.validation is not None or run.display.shows_epochs
    watched = watched or engine.ranks is not None  # ranks add up their sums at the end of each epoch
    watched = watched or any(type(callback) is not History for callback in run.callbacks.callbacks)
    if watched or type(source) is not ArraySource or not source.next_is_a_pass or metrics_of_layers(run.model, engine):
        return 1
    return engine.epochs_at_once(source.samples or 1, source.batch_size)


class QuietEpochs:
    """Trains epochs of a run, several in one call of the engine. The result is the same as with one call per epoch."""

    def __init__(self, run: TrainingRun, engine: Engine) -> None:
        self.run, self.engine = run, engine
        self.source: Any = run.source
        self.tick = run.display.tick(dict)

    def train(self, epoch: int, end: int, at_once: int) -> tuple[int, dict[str, float]]:
        """Train from one epoch up to another one. Returns the next epoch, and the logs of the last one."""
        logs: dict[str, float] = {}
        model, position = self.run.model, self.run.position
        while epoch < end and not model.stop_training:
            count = min(at_once, end - epoch)
            model._position = position
            position.begin(epoch)
            before = position.generator
            sums: list[Any] = []
            try:
                self._several(count, sums)
            except BaseException:
                done = len(sums)
                self._record(epoch, sums)
                self._go_back(before, epoch, done, count)
                raise
            logs = self._record(epoch, sums)
            epoch += count
            position.epoch = epoch - 1
            position.end()
        return epoch, logs

    def _several(self, count: int, sums: list[Any]) -> None:
        data, keys = self.source.take_passes(count)
        data.check_held()
        with self.engine.means_of(self.run):
            self.engine.train_epochs(data, keys, count, self.source.batch_size, sums, self.tick)
        if self.tick is not None:  # short runs do not call it
            self.tick(count * len(data))

    def _record(self, epoch: int, sums: list[Any]) -> dict[str, float]:
        """Tell callbacks and display about all finished epochs, even if Ctrl-C is pressed meanwhile."""
        try:
            return self._tell(epoch, sums)
        except BaseException:
            if sums:
                self._tell(epoch, sums)
            raise

    def _tell(self, epoch: int, sums: list[Any]) -> dict[str, float]:
        """Take the finished epochs out of `sums`, and tell of them. Returns the logs of the last one."""
        if not sums:
            return {}
        run, engine, count = self.run, self.engine, len(sums)
        columns = logs_of_epochs(run.model, engine, sums)
        with engine.means_of(run):
            engine.restore_epoch(sums[-1])
        logs = {name: values[-1] for name, values in columns.items()}
        try:
            for history in run.callbacks.callbacks:
                assert type(history) is History  # see `epochs_at_once`
                history._add_epochs(range(epoch, epoch + count), columns)
        finally:
            sums.clear()
        run.display.end_several(count, logs)
        run.watch.look_at_epochs(columns, epoch, CALLER)
        return logs

    def _go_back(self, before: dict[str, Any], epoch: int, done: int, count: int) -> None:
        """Set position and random numbers as if the interrupted epoch had been started by itself."""
        if done < count:
            self.source.go_back(before, done)
            self.run.position.begin(epoch + done)
            next(self.source.epoch())
