"""BackupAndRestore: continue training after an interruption."""

from __future__ import annotations

import os
from typing import Any

from cbackprop.callbacks.batch_count import BatchCount
from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.distribution.setting import writes_files
from cbackprop.validation import check_boolean, check_path

__all__ = ["BackupAndRestore"]


class BackupAndRestore(Callback):
    """Back up the state of training, and continue from there when `fit` is called again after an interruption.

    Parameters
    ----------
    backup_dir : str or path
        A folder for the backups. Use a separate folder for each training.
    save_freq : "epoch" or int, default "epoch"
        When to save: at the end of each epoch, or every so many batches. A number is slower, because training must
        then return to Python after each batch.
    double_checkpoint : bool, default False
        Keep the backup before the last one as well, in case the last one is damaged.
    delete_checkpoint : bool, default True
        Delete the backups when training has ended.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; in `fit`, if the model is not built, or a backup is damaged or of another model.
    OSError
        In `fit`, if a backup cannot be written.

    Notes
    -----
    A backup contains the weights, the optimizer with its learning rate, the epoch, the batch, the means of the epoch so
    far, and the random state of shuffling and dropout. With the same data, training therefore gives the same bits as
    without an interruption. The state of other callbacks is restored as well: the best value so far, the patience, the
    best weights, the position in the file of a `CSVLogger`. A callback of your own takes part if it defines
    `Callback.get_state` and `set_state`. Callbacks are matched by class and order. The `History` has only the epochs
    that this `fit` has run.

    References
    ----------
    Arguments are those of Keras 3. Keras repeats an interrupted epoch from its beginning.

    Examples
    --------
    >>> import tempfile
    >>> import cbackprop as cb
    >>> def interrupt(epoch, logs):
    ...     if epoch == 3:
    ...         raise KeyboardInterrupt
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     backup = cb.callbacks.BackupAndRestore(folder + "/backup")
    ...     try:
    ...         model.fit([[0.0]], [[1.0]], epochs=5, verbose=0,
    ...             callbacks=[backup, cb.callbacks.LambdaCallback(on_epoch_begin=interrupt)])
    ...     except KeyboardInterrupt:
    ...         model.fit([[0.0]], [[1.0]], epochs=5, callbacks=[backup], verbose=0).epoch
    [3, 4]
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        self.backup_dir = check_path("backup_dir", backup_dir)
        if not self.backup_dir:
            raise ValueError("backup_dir must not be empty.")
        self.save_freq = save_freq
        self.double_checkpoint = check_boolean("double_checkpoint", double_checkpoint)
        self.delete_checkpoint = check_boolean("delete_checkpoint", delete_checkpoint)
        self._count = BatchCount(save_freq)
        self._path = os.path.join(self.backup_dir, "latest.weights.h5")
        self._earlier = self._path + ".bkp"

    def watches_batches(self, run: str) -> bool:
        """True if `save_freq` is a number, or if a subclass overrides more methods for batches."""
        own = type(self).on_train_batch_end is BackupAndRestore.on_train_batch_end and run == "train"
        return self._count.every is not None if own else super().watches_batches(run)

    def get_state(self) -> dict[str, Any] | None:
        """The number of batches since the last backup."""
        return self._count.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the count."""
        self._count.set_state(state)

    def on_train_begin(self, logs: Logs = None) -> None:
        """Restore the last backup, if there is one."""
        found = [path for path in (self._path, self._earlier) if os.path.exists(path)]
        for path in found:
            try:
                self.model.restore_training(path)
            except (OSError, ValueError):
                if path == found[-1]:
                    raise
            else:
                return

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Back up if it is due."""
        if self._count.add(batch):
            self._save()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Back up if it is due."""
        if self._count.every is None:
            self._save()

    def on_train_end(self, logs: Logs = None) -> None:
        """Delete the backups, and the folder if it is then empty."""
        if not self.delete_checkpoint or not writes_files():
            return
        for path in (self._path, self._earlier):
            if os.path.exists(path):
                os.remove(path)
        if os.path.isdir(self.backup_dir) and not os.listdir(self.backup_dir):
            os.rmdir(self.backup_dir)

    def _save(self) -> None:
        if writes_files():
            os.makedirs(self.backup_dir, exist_ok=True)
            if self.double_checkpoint and os.path.exists(self._path):
                os.replace(self._path, self._earlier)
        self.model.save_training(self._path)
