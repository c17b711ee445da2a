"""Callback: the base of all callbacks."""

from __future__ import annotations

from typing import Any

__all__ = ["Callback", "Logs"]

Logs = dict[str, Any] | None

# The methods for single batches of each kind of run.
BATCH_METHODS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class Callback:
    """Base of all callbacks. Override the methods for the moments you need.

    An exception in a callback ends the run and is raised by `fit`, `evaluate` or `predict`. The model then has the
    state of the last finished step and can still be used.

    Attributes
    ----------
    model : Model
        The model that runs. Set its ``stop_training``, ``stop_evaluating`` or ``stop_predicting`` to ``True`` to end
        the run.
    params : dict
        ``verbose``, ``epochs`` and ``steps`` of the run.

    Notes
    -----
    If a callback defines `get_state` and `set_state`, its state is saved in the files of `ModelCheckpoint`,
    `BackupAndRestore` and `Model.save`, and restored when training continues from them.

    If no callback overrides a method for batches, an epoch, an evaluation or a prediction is one call of compiled code,
    which is faster.

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
        """Set `model`; called before a run begins."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Set `params`; called before a run begins."""
        self.params = params

    def watches_batches(self, run: str) -> bool:
        """Whether the callback's methods for batches must be called in a "train", "test" or "predict" run.

        True for a callback that overrides one of them. If no callback needs batches, these methods are not called.
        """
        return any(
            name in self.__dict__ or getattr(type(self), name) is not getattr(Callback, name)
            for name in BATCH_METHODS[run]
        )

    def get_state(self) -> dict[str, Any] | None:
        """The state to save, so that training can continue after an interruption; ``None`` if there is none.

        Called whenever the model is saved. It must be a dict of plain values: None, bool, int, float, str, arrays of
        numbers, and lists and dicts of these.
        """
        return None

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned. Called after `on_train_begin` of the `fit` that continues.

        A callback that is later in the list than the one that saved the model has not yet seen that epoch or batch. So
        its `on_epoch_end` or `on_train_batch_end` is called right after this, with the saved logs.
        """

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called when `fit` begins."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called when `fit` ends, with the last epoch's logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called after an epoch and its validation."""

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Another name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of an epoch, counted from 0. Overriding this slows training down."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch, with the epoch's means so far. Overriding this slows training down."""
        self.on_batch_end(batch, logs=logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called before an evaluation, including the validation within `fit`."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Called after an evaluation, with its results."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of an evaluation, counted from 0. Overriding this slows evaluations down."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of an evaluation, with the means so far. Overriding this slows evaluations down."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called before a prediction."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called after a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of a prediction, counted from 0. Overriding this slows predictions down."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of a prediction, with its ``outputs``. Overriding this slows predictions down."""
