"""ModelCheckpoint: save the model during training."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from cbackprop.callbacks.batch_count import BatchCount
from cbackprop.callbacks.callback import Logs
from cbackprop.callbacks.file_pattern import check_pattern, names_in, names_of_logs
from cbackprop.callbacks.monitor_callback import MonitorCallback, describe
from cbackprop.callbacks.say import say
from cbackprop.saving.kinds import refuse_other_kinds
from cbackprop.validation import check_boolean, check_number, check_path, check_verbose

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(MonitorCallback):
    """Save the model or its weights after every epoch, or every so many batches.

    Parameters
    ----------
    filepath : str or path
        May contain placeholders for the epoch (counted from 1), for the batch (counted from 1, if `save_freq` is a
        number) and for names in the logs, with formats: ``"{epoch:02d}-{val_loss:.2f}.safetensors"``. For the suffix
        see `Model.save` and `Model.save_weights`.
    monitor : str, default "val_loss"
    verbose : {0, 1}, default 0
    save_best_only : bool, default False
        Save only when the monitored number is better than all before.
    save_weights_only : bool, default False
        Use `Model.save_weights` instead of `Model.save`.
    mode : {"auto", "min", "max"}, default "auto"
    save_freq : "epoch" or int, default "epoch"
        When to save: at the end of each epoch, or every so many batches. A number is slower, because training must
        then return to Python after each batch.
    initial_value_threshold : float, optional
        With `save_best_only`, the first value must be better than this.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or the suffix of `filepath` means another kind of file, such as ``.keras`` with
        `save_weights_only`. In `fit`, before training, if `save_best_only` is set and it is unknown whether `monitor`
        should be minimized or maximized.
    KeyError
        In `fit`, if `filepath` contains a name that is not in the logs. This is checked before training, unless a
        callback or metric of your own could still add it.
    OSError
        In `fit`, if the file cannot be written.

    Notes
    -----
    A file is replaced atomically, after the new one is completely on disk.

    References
    ----------
    Arguments and decisions are those of Keras 3.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save = cb.callbacks.ModelCheckpoint(os.path.join(folder, "{epoch:02d}.safetensors"))
    ...     _ = model.fit([[0.0]], [[1.0]], epochs=2, callbacks=[save], verbose=0)
    ...     print(sorted(os.listdir(folder)))
    ['01.safetensors', '02.safetensors']
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        if initial_value_threshold is not None:
            initial_value_threshold = check_number("initial_value_threshold", initial_value_threshold)
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = check_path("filepath", filepath)
        self.verbose = check_verbose(verbose)
        self.save_best_only = check_boolean("save_best_only", save_best_only)
        self.save_weights_only = check_boolean("save_weights_only", save_weights_only)
        self.save_freq = save_freq
        self._count = BatchCount(save_freq)
        self._epoch = 0
        check_pattern(self.filepath)
        refuse_other_kinds(self.filepath, "weights" if self.save_weights_only else "model")

    def watches_batches(self, run: str) -> bool:
        """True if `save_freq` is a number, or if a subclass overrides more methods for batches."""
        own = type(self).on_train_batch_end is ModelCheckpoint.on_train_batch_end and run == "train"
        return self._count.every is not None if own else super().watches_batches(run)

    def get_state(self) -> dict[str, Any] | None:
        """The best value so far, and the number of batches since the last save."""
        return (super().get_state() or {}) | {"count": self._count.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore these."""
        super().set_state(state)
        if self._count.every is not None and state["count"] is not None:
            self._count.set_state(state["count"])

    def on_train_begin(self, logs: Logs = None) -> None:
        """Check now for errors that would otherwise appear when the model is first saved."""
        if self.save_best_only:
            self.find_direction()
        known = names_of_logs(self, self._count.every is not None)
        if known is not None:
            for name in names_in(self.filepath):
                if name not in known:
                    raise self._unknown(name, known)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Remember the epoch for file names."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save if it is due."""
        if self._count.add(batch):
            self._save(self._epoch, logs or {}, {"batch": batch + 1})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save if it is due."""
        if self._count.every is None:
            self._save(epoch, logs or {}, {})

    def _save(self, epoch: int, logs: dict[str, Any], names: dict[str, int]) -> None:
        path = self._path({"epoch": epoch + 1} | names | logs)
        if self.save_best_only and not self._is_best(epoch, logs):
            return
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        if self.verbose:
            say(f"\nEpoch {epoch + 1}: saved to {path}")

    def _is_best(self, epoch: int, logs: dict[str, Any]) -> bool:
        """Whether the monitored number is better than all before. If it is missing, the model is saved anyway."""
        self.find_direction()
        if np.size(logs.get(self.monitor, 0)) != 1:
            warnings.warn(
                f"ModelCheckpoint with save_best_only monitors {self.monitor!r}, which must be one number, but has "
                f"shape {np.shape(logs[self.monitor])}: the model is saved each time.",
                stacklevel=2,
            )
            return True
        current = self.monitored(logs, "ModelCheckpoint with save_best_only")
        if current is None:
            return True
        better = self.is_improvement(current, self.best)
        if self.verbose:
            change = (
                f"improved from {describe(self.best)} to" if better else f"is not better than {describe(self.best)}:"
            )
            say(f"\nEpoch {epoch + 1}: {self.monitor} {change} {describe(current)}")
        if better:
            self.best = current
        return better

    def _path(self, names: dict[str, Any]) -> str:
        try:
            return self.filepath.format(**names)
        except KeyError as error:
            raise self._unknown(error.args[0], names) from None

    def _unknown(self, name: str, known: Iterable[str]) -> KeyError:
        return KeyError(f"filepath {self.filepath!r} contains {name!r}, but the logs have only {', '.join(known)}.")
