"""CSVLogger: write the logs of every epoch to a CSV file."""

from __future__ import annotations

import csv
import os
from typing import IO, Any

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.distribution.setting import writes_files
from cbackprop.validation import check_boolean, check_integer, check_path

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Write the logs of every epoch to a file of comma-separated values.

    Parameters
    ----------
    filename : str or path
        The file to write.
    separator : str, default ","
        One character.
    append : bool, default False
        Continue an existing file instead of replacing it.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    OSError
        In `fit`, if the file cannot be written.

    Notes
    -----
    Columns are ``epoch`` and the first epoch's logs, sorted. A value that a later epoch lacks is written as ``NA``.

    References
    ----------
    Arguments and format are those of Keras 3.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile(cb.optimizers.SGD(0.0), "mse")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "log.csv")
    ...     _ = model.fit([[0.0]], [[1.0]], epochs=2, callbacks=[cb.callbacks.CSVLogger(path)], verbose=0)
    ...     print(open(path).read())
    epoch,loss,val_loss
    0,1.0,NA
    1,1.0,NA
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1 or separator in '\r\n"':
            raise ValueError(f"separator must be one character, no quote or end of line, but got {separator!r}.")
        self.filename = check_path("filename", filename)
        self.sep = separator
        self.append = check_boolean("append", append)
        self.keys: list[str] | None = None
        self._file: IO[str] | None = None
        self._writer: Any = None
        self._size = 0  # in bytes
        self._begun = self._with_header = False

    def get_state(self) -> dict[str, Any] | None:
        """The columns, and the length of the file."""
        return {"keys": self.keys, "size": self._size}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue after the last line that the saved state knows; later lines will be written again."""
        keys, size = state["keys"], check_integer("size", state["size"], 0)
        if keys is not None and not all(isinstance(key, str) for key in keys):
            raise TypeError("keys must be names")
        if self._file is not None and os.path.getsize(self.filename) >= size > 0:
            self._file.truncate(size)
            self.keys, self._size, self._begun, self._with_header = keys, size, True, False

    def on_train_begin(self, logs: Logs = None) -> None:
        """Open the file without emptying it: an interrupted run may continue in it. See `on_epoch_begin`."""
        self._close()
        if not writes_files():
            return
        self._file = open(self.filename, "a", newline="", encoding="utf-8")  # noqa: SIM115
        self._size = os.path.getsize(self.filename)
        self._begun = self.append
        self._with_header = not self.append or not self._size
        self.keys = self._writer = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Empty the file before the first epoch, unless lines are appended."""
        if not self._begun and self._file is not None:
            self._file.truncate(0)
            self._size, self._begun = 0, True

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the epoch's line."""
        if self._file is None:  # another rank writes it
            return
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                # With a validation_freq above 1, validation logs appear only in a later epoch.
                self.keys += [f"val_{key}" for key in self.keys]
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, ["epoch", *self.keys], delimiter=self.sep)
            if self._with_header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch} | {key: logs.get(key, "NA") for key in self.keys})
        self._file.flush()
        self._size = os.path.getsize(self.filename)

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the file."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None
