"""Save the state of the callbacks during a run, and restore it in the run that continues it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop.callbacks.callback import Callback

__all__ = ["check_states", "give_states", "take_states"]

# The events during which a callback may save the model. Then some callbacks have handled the event, others have not.
MOMENTS = ("on_epoch_end", "on_train_batch_end")


def take_states(callbacks: Sequence[Callback], moment: tuple[str, int, Any] | None, at: int) -> dict[str, Any]:
    """The states of all callbacks that have one.

    Parameters
    ----------
    callbacks : sequence of Callback
    moment : tuple, optional
        Name, number and logs of the event that is being handled, if any.
    at : int
        The index of the callback that is being called.
    """
    found = []
    for index, callback in enumerate(callbacks):
        if not _takes_part(callback):
            continue
        state = callback.get_state()
        if not isinstance(state, (dict, type(None))):
            raise TypeError(f"get_state of {type(callback).__name__} must return a dict or None, but got {state!r}.")
        waits = moment is not None and index > at
        found.append({"callback": _identity(callback), "state": state, "waits": waits})
    stopped = moment is not None and callbacks[at].model.stop_training is True
    return {"callbacks": found, "moment": None if moment is None else list(moment), "stopped": stopped}


def give_states(callbacks: Sequence[Callback], saved: dict[str, Any]) -> None:
    """Restore the states of the callbacks of an earlier run.

    Callbacks are matched by class and order. One that now monitors something else starts without a state. Callbacks
    that had not yet been called for the event in which the states were saved are called for it now.

    Raises
    ------
    ValueError
        If a callback cannot take its state.
    """
    left = list(saved["callbacks"])
    moment, number, logs = saved["moment"] or ("", 0, {})
    logs = dict(logs)  # a copy, because a callback may add entries for the next one
    for callback in filter(_takes_part, callbacks):
        entry = next((entry for entry in left if entry["callback"] == _identity(callback)), None)
        if entry is None:
            continue
        left = [other for other in left if other is not entry]  # `remove` would compare arrays
        if entry["state"] is not None:
            try:
                callback.set_state(entry["state"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                name = type(callback).__name__
                raise ValueError(f"{name} cannot continue from the saved state: {error}") from error
        if entry["waits"]:
            getattr(callback, moment)(number, logs)


def _takes_part(callback: Callback) -> bool:
    """Whether a callback defines `get_state`."""
    return type(callback).get_state is not Callback.get_state


def _identity(callback: Callback) -> list[str | None]:
    """The key by which callbacks are matched: the class, and the name that is monitored."""
    monitor = getattr(callback, "monitor", None)
    return [type(callback).__name__, monitor if isinstance(monitor, str) else None]


def check_states(saved: Any) -> dict[str, Any]:
    """Check states that were read from a file, which may be damaged or forged.

    Raises
    ------
    TypeError, ValueError, KeyError
        If anything is wrong.
    """
    moment = saved["moment"]
    if moment is not None:
        name, number, logs = moment
        if name not in MOMENTS or type(number) is not int or not isinstance(logs, dict):
            raise ValueError("it is unknown in which event the callbacks were saved")
    for entry in saved["callbacks"]:
        if not isinstance(entry["callback"], list) or not isinstance(entry["state"], (dict, type(None))):
            raise ValueError("the state of a callback is incomplete")
        if entry["waits"] and moment is None:
            raise ValueError("a callback is marked as waiting, but no event is saved")
    if not isinstance(saved["stopped"], bool):
        raise ValueError("it is not saved whether training was stopped")
    return dict(saved)
