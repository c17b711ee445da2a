"""The base of all callbacks."""

from __future__ import annotations

from typing import Any

__all__ = ["Callback", "Logs"]

Logs = dict[str, Any] | None

# Methods that take part in single batches, by what is run.
BATCH_METHODS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class Callback:
    """Base of all callbacks; override the moments of interest.

    An exception in a callback ends the run and is raised by `fit`, `evaluate` or `predict`. The model then is
    what it was after the last finished step, and can be used.

    Attributes
    ----------
    model : Model
        The model that is run. Setting its ``stop_training``, ``stop_evaluating`` or ``stop_predicting`` to ``True``
        ends the run.
    params : dict
        ``verbose``, ``epochs`` and ``steps`` of the run.

    Notes
    -----
    What a callback remembers goes into the files of `ModelCheckpoint`, `BackupAndRestore` and `Model.save`, and comes
    back when training goes on from there, if it has `get_state` and `set_state`.

    Where no callback asks for batches, an epoch, an evaluation, or a prediction is one call of compiled code.

    References
    ----------
    Methods are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> class StopEarly(cb.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.stop_training = logs["loss"] < 0.1
    """

    params: dict[str, Any] | None = None
    model: Any = None

    def set_model(self, model: Any) -> None:
        """Called with the model before a run begins."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called with the run's parameters before it begins."""
        self.params = params

    def watches_batches(self, run: str) -> bool:
        """Whether the callback asks for single batches of a "train", "test" or "predict" run.

        Only then are its methods for batches sure to be called. True for a callback that overrides one of them.
        """
        return any(
            name in self.__dict__ or getattr(type(self), name) is not getattr(Callback, name)
            for name in BATCH_METHODS[run]
        )

    def get_state(self) -> dict[str, Any] | None:
        """What must be known to go on after an interruption as if there had been none; ``None`` if nothing must.

        Called whenever the model is saved. A dict of plain values: None, bool, int, float, str, arrays of numbers, and
        lists and dicts of these.
        """
        return None

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` returned, after `on_train_begin` of the `fit` that goes on.

        A callback that comes after the one that saved the model, in the list, had not seen that epoch or batch yet: its
        `on_epoch_end` or `on_train_batch_end` is called right after this, with the logs of then.
        """

    def on_train_begin(self, logs: Logs = None) -> None:
        """When `fit` begins."""

    def on_train_end(self, logs: Logs = None) -> None:
        """When `fit` ends, with the last epoch's logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch and its validation."""

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Another name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of an epoch, counted from 0. Overriding this slows training down."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch, with the epoch's means so far. Overriding this slows training down."""
        self.on_batch_end(batch, logs=logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """Before an evaluation, also the validation within `fit`."""

    def on_test_end(self, logs: Logs = None) -> None:
        """After an evaluation, with its results."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of an evaluation, counted from 0. Overriding this slows evaluations down."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of an evaluation, with the means so far. Overriding this slows evaluations down."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of a prediction, counted from 0. Overriding this slows predictions down."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of a prediction, with its ``outputs``. Overriding this slows predictions down."""
