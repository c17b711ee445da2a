"""LambdaCallback: a callback made from functions."""

from __future__ import annotations

from typing import Any

from cbackprop.callbacks.callback import Callback
from cbackprop.suggestions import nearest

__all__ = ["LambdaCallback"]


class LambdaCallback(Callback):
    """A callback made from functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable (epoch, logs), optional
    on_train_begin, on_train_end : callable (logs), optional
    on_train_batch_begin, on_train_batch_end : callable (batch, logs), optional
    **kwargs
        Any other method of `Callback`, or attributes and methods of your own.

    Raises
    ------
    TypeError
        For a name that begins with ``on_`` but is not a method of `Callback`, or a value that cannot be called.

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
        moments = [name for name in vars(Callback) if name.startswith("on_")]
        for name, function in given.items():
            # A misspelled method would never be called.
            if name.startswith("on_") and name not in moments:
                raise TypeError(f"Callback has no method {name!r}. {nearest(name, moments)}")
            if name in moments and function is not None and not callable(function):
                raise TypeError(f"{name} must be callable, but got {function!r}.")
            if function is not None:
                setattr(self, name, function)
