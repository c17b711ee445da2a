"""TensorBoard: write logs for TensorBoard."""

from __future__ import annotations

import os
import time
from typing import Any

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.callbacks.event_file import EventFile
from cbackprop.validation import check_boolean, check_integer, check_path

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Write logs and histograms of the weights for TensorBoard.

    Parameters
    ----------
    log_dir : str or path, default "logs"
        The folder in which the folders ``train`` and ``validation`` are made.
    histogram_freq : int, default 0
        Write histograms of all weights every so many epochs; 0 for none.
    write_graph : bool, default True
        Has no effect; accepted because Keras has it.
    write_images : bool, default False
        Not supported.
    write_steps_per_second : bool, default False
        Write the number of training steps per second in each epoch.
    update_freq : "epoch", "batch" or int, default "epoch"
        Write the means so far every so many batches as well. This is slower, because training must return to Python
        after each batch.
    profile_batch, embeddings_freq : int, default 0
        Not supported.
    embeddings_metadata : optional
        Not supported.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong or not supported.
    OSError
        In a run, if a file cannot be written.

    References
    ----------
    Arguments and names of the curves are those of Keras 3.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = model.fit([[0.0]], [[1.0]], callbacks=[cb.callbacks.TensorBoard(folder)], verbose=0)
    ...     print(os.listdir(folder))
    ['train']
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        self.log_dir = check_path("log_dir", log_dir)
        self.histogram_freq = check_integer("histogram_freq", histogram_freq, 0)
        self.write_graph = check_boolean("write_graph", write_graph)
        self.write_steps_per_second = check_boolean("write_steps_per_second", write_steps_per_second)
        for name, value in (
            ("write_images", write_images),
            ("profile_batch", profile_batch),
            ("embeddings_freq", embeddings_freq),
            ("embeddings_metadata", embeddings_metadata),
        ):
            if value is not None and (not isinstance(value, (bool, int)) or value):
                raise ValueError(f"{name} is not supported, but got {value!r}.")
        if isinstance(update_freq, str) and update_freq not in ("epoch", "batch"):
            raise ValueError(f"update_freq must be 'epoch', 'batch' or a number of batches, but got {update_freq!r}.")
        self.update_freq = update_freq
        self._every = {"epoch": 0, "batch": 1}.get(update_freq) if isinstance(update_freq, str) else None
        if self._every is None:
            self._every = check_integer("update_freq", update_freq, 1)
        self._files: dict[str, EventFile] = {}
        self._batch = self._iterations = 0
        self._started = 0.0

    def watches_batches(self, run: str) -> bool:
        """True if `update_freq` is in batches, or if a subclass overrides more methods for batches."""
        own = type(self).on_train_batch_end is TensorBoard.on_train_batch_end and run == "train"
        return bool(self._every) if own else super().watches_batches(run)

    def _into(self, folder: str) -> EventFile:
        if folder not in self._files:
            self._files[folder] = EventFile(os.path.join(self.log_dir, folder))
        return self._files[folder]

    def _updates(self) -> int:
        """The number of training steps of the model so far."""
        optimizer = self.model.optimizer
        return optimizer.iterations_of(optimizer.state_for(self.model))

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start new files."""
        self._close()
        self._batch = 0

    def get_state(self) -> dict[str, Any] | None:
        """The number of batches so far."""
        return {"batch": self._batch}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the number of batches."""
        self._batch = check_integer("batch", state["batch"], 0)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the time and the number of steps."""
        self._iterations = self._updates()
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Write the means so far if it is due."""
        if self._every and self._batch % self._every == 0:
            for name, value in (logs or {}).items():
                self._into("train").scalar(f"batch_{name}", value, self._batch)
        self._batch += 1

    def on_test_end(self, logs: Logs = None) -> None:
        """Write the results of the evaluation against the number of training steps."""
        for name, value in (logs or {}).items():
            self._into("validation").scalar(f"evaluation_{name}_vs_iterations", value, self._updates())
        for file in self._files.values():
            file.flush()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the epoch's logs, and histograms if they are due."""
        train = {name: value for name, value in (logs or {}).items() if not name.startswith("val_")}
        train["learning_rate"] = self.model.optimizer.rate_for(self.model)
        if self.write_steps_per_second:
            steps = self._updates() - self._iterations
            train["steps_per_second"] = steps / max(time.perf_counter() - self._started, 1e-9)
        for name, value in train.items():
            self._into("train").scalar(f"epoch_{name}", value, epoch)
        for name, value in (logs or {}).items():
            if name.startswith("val_"):
                self._into("validation").scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for variable in self.model.variables:
                self._into("train").histogram(f"{variable.path}/histogram", variable.array, epoch)
        for file in self._files.values():
            file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the files."""
        self._close()

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}
