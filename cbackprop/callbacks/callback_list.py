"""CallbackList: several callbacks called as one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.callbacks.history import History
from cbackprop.callbacks.progbar_logger import ProgbarLogger
from cbackprop.callbacks.run_state import MOMENTS, give_states, take_states
from cbackprop.foreign_objects import instead_of_foreign
from cbackprop.validation import check_boolean, type_name

__all__ = ["CallbackList", "callbacks_in"]


class CallbackList(Callback):
    """Call several callbacks in turn.

    Parameters
    ----------
    callbacks : Callback, or nested lists of them, optional
    add_history, add_progbar : bool, default False
        Add a `History` or a `ProgbarLogger` if there is none.
    model : Model, optional
    **params
        Passed to every callback's `set_params`.

    Attributes
    ----------
    callbacks : list of Callback

    Raises
    ------
    TypeError
        If `callbacks` holds anything but callbacks.

    References
    ----------
    Arguments are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> run = cb.callbacks.CallbackList([cb.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))])
    >>> run.on_epoch_end(0, {"loss": 0.5})
    {'loss': 0.5}
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks = list(callbacks_in(callbacks))
        for name, wanted, kind in (("add_history", add_history, History), ("add_progbar", add_progbar, ProgbarLogger)):
            if check_boolean(name, wanted) and not any(isinstance(callback, kind) for callback in self.callbacks):
                self.callbacks.append(kind())
        self._moment: tuple[str, int, Any] | None = None  # the method that is being called, with its number and logs
        self._at = 0  # the index of the callback that is being called
        self._watched: dict[str, bool] = {}
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def _call(self, name: str, number: int, logs: Logs) -> None:
        """Call a method of every callback. Note which one runs: if it saves the model, the later ones are pending."""
        logs = {} if logs is None else logs
        self._moment = (name, number, logs) if name in MOMENTS else None
        try:
            for index, callback in enumerate(self.callbacks):
                self._at = index
                getattr(callback, name)(number, logs)
        finally:
            self._moment = None

    def watches_batches(self, run: str) -> bool:
        """Whether any callback needs single batches."""
        if run not in self._watched:
            self._watched[run] = any(callback.watches_batches(run) for callback in self.callbacks)
        return self._watched[run]

    def states(self) -> dict[str, Any]:
        """The state of all callbacks, and which of them have not yet been called for the current event."""
        return take_states(self.callbacks, self._moment, self._at)

    def restore(self, states: dict[str, Any]) -> None:
        """Restore the state of the callbacks, after `on_train_begin`."""
        give_states(self.callbacks, states)

    def set_model(self, model: Any) -> None:
        """Pass the model to every callback."""
        super().set_model(model)
        for callback in self.callbacks:
            if isinstance(callback, History):
                try:
                    model.history = callback
                except AttributeError:
                    raise TypeError(f"model must be a Model, but got {type_name(model)}.") from None
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        """Pass the run's parameters to every callback."""
        super().set_params(params)
        if params:
            for callback in self.callbacks:
                callback.set_params(params)


def callbacks_in(callbacks: Any) -> Iterator[Callback]:
    """The callbacks in lists of any depth.

    Raises
    ------
    TypeError
        If there is something else.
    """
    if callbacks is None:
        return
    if isinstance(callbacks, (list, tuple)):
        for item in callbacks:
            yield from callbacks_in(item)
        return
    if not isinstance(callbacks, Callback):
        got = f"the class {type_name(callbacks)}" if isinstance(callbacks, type) else type_name(callbacks)
        ours = sys.modules[__package__].__all__  # read at run time: the package imports this file
        instead = instead_of_foreign(callbacks, "callbacks", ours)
        raise TypeError(f"callbacks must hold Callback objects, but got {got}{instead}.")
    yield callbacks


def _moment(name: str) -> Any:
    def call(self: CallbackList, logs: Logs = None) -> None:
        for callback in self.callbacks:
            getattr(callback, name)({} if logs is None else logs)

    return call


def _epoch_moment(name: str) -> Any:
    def call(self: CallbackList, epoch: int, logs: Logs = None) -> None:
        self._call(name, epoch, logs)

    return call


def _batch_moment(name: str) -> Any:
    def call(self: CallbackList, batch: int, logs: Logs = None) -> None:
        self._call(name, batch, logs)

    return call


for _name in [name for name in vars(Callback) if name.startswith("on_")]:
    _make = _batch_moment if "batch" in _name else _epoch_moment if "epoch" in _name else _moment
    setattr(CallbackList, _name, _make(_name))
