"""The logs of every epoch in a table on disk."""

from __future__ import annotations

import csv
import os
from typing import IO, Any

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.validation import check_boolean, check_path

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Write the logs of every epoch to a file of comma-separated values.

    Parameters
    ----------
    filename : str or path
    separator : str, default ","
        One character.
    append : bool, default False
        Go on with an existing file instead of replacing it.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    OSError
        In `fit`, if the file cannot be written.

    Notes
    -----
    Columns are ``epoch`` and the first epoch's logs, sorted; what a later epoch lacks is written as ``NA``.

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

    def on_train_begin(self, logs: Logs = None) -> None:
        """Open the file."""
        self._close()
        filled = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        self._with_header = not filled
        self.keys = self._writer = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the epoch's line."""
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                # Validation may come only later, with a validation_freq above 1.
                self.keys += [f"val_{key}" for key in self.keys]
        assert self._file is not None
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, ["epoch", *self.keys], delimiter=self.sep)
            if self._with_header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch} | {key: logs.get(key, "NA") for key in self.keys})
        self._file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the file."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None
