"""Callbacks: a user's own code at certain moments of training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["Callback", "CallbackList", "History", "LambdaCallback"]

Logs = dict[str, float] | None

# Methods of Keras's callbacks for moments that do not exist here: evaluation and prediction do not stop at batches.
UNCALLED = (
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_predict_batch_begin",
    "on_predict_batch_end",
    "on_batch_begin",
    "on_batch_end",
)


class Callback:
    """Base of all callbacks; override the moments of interest.

    Attributes
    ----------
    model : Model
        The model that is being trained. Setting ``model.stop_training = True`` ends training.
    params : dict
        ``verbose``, ``epochs`` and ``steps`` of the run.

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

    model: Any = None
    params: dict[str, Any] | None = None

    def set_model(self, model: Any) -> None:
        """Called with the model before training begins."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called with the run's parameters before training begins."""
        self.params = params

    def on_train_begin(self, logs: Logs = None) -> None:
        """When `fit` begins."""

    def on_train_end(self, logs: Logs = None) -> None:
        """When `fit` ends, with the last epoch's logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of an epoch, counted from 0. Overriding this slows training down."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch, with the epoch's means so far. Overriding this slows training down."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Before an evaluation, also the validation within `fit`."""

    def on_test_end(self, logs: Logs = None) -> None:
        """After an evaluation."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """After a prediction."""


class History(Callback):
    """Records the logs of every epoch; `fit` returns one.

    Attributes
    ----------
    history : dict of str to list of float
        A value for each epoch, by name.
    epoch : list of int
        The epochs, counted from 0.

    References
    ----------
    As Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> sorted(model.fit([[0.0], [1.0]], [[1.0], [3.0]], epochs=3, verbose=0).history)
    ['loss']
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start with no epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Append the epoch's logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        return f"<History of {len(self.epoch)} epochs: {', '.join(self.history)}>"


class LambdaCallback(Callback):
    """A callback made of functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable (epoch, logs), optional
    on_train_begin, on_train_end : callable (logs), optional
    on_train_batch_begin, on_train_batch_end : callable (batch, logs), optional
    **kwargs : callable
        Any other method of `Callback`.

    Raises
    ------
    TypeError
        For the name of no method, or something that cannot be called.

    References
    ----------
    Arguments are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> callback = cb.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch))
    """

    def __init__(
        self,
        on_epoch_begin: Any = None,
        on_epoch_end: Any = None,
        on_train_begin: Any = None,
        on_train_end: Any = None,
        on_train_batch_begin: Any = None,
        on_train_batch_end: Any = None,
        **kwargs: Any,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in given.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise TypeError(f"Callback has no method {name!r}.")
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be callable, but got {function!r}.")
            if function is not None:
                setattr(self, name, function)


class CallbackList:
    """Calls every callback in turn.

    Parameters
    ----------
    callbacks : iterable of Callback
    model : Model
    params : dict

    Attributes
    ----------
    watches_batches : bool
        Whether any callback asks for batches; otherwise the engine runs whole epochs.
    """

    def __init__(self, callbacks: Iterable[Callback], model: Any, params: dict[str, Any]) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            for name in UNCALLED:
                if hasattr(callback, name):
                    raise ValueError(
                        f"{type(callback).__name__} has {name}, which is never called: there are no such moments."
                    )
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)
        self.watches_batches = any(_overrides(callback, "on_train_batch_begin") for callback in self.callbacks) or any(
            _overrides(callback, "on_train_batch_end") for callback in self.callbacks
        )

    def __getattr__(self, name: str) -> Any:
        if not hasattr(Callback, name):
            raise AttributeError(name)

        moment_only = name.endswith(("train_begin", "test_begin", "predict_begin", "predict_end"))

        def call(*args: Any) -> None:
            for callback in self.callbacks:
                getattr(callback, name)(*args, **({} if args or not moment_only else {"logs": {}}))

        return call


def _overrides(callback: Callback, name: str) -> bool:
    return getattr(callback, name) is not None and (
        name in callback.__dict__ or getattr(type(callback), name) is not getattr(Callback, name)
    )
