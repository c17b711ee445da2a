"""SwapEMAWeights: evaluate with the moving averages of the weights."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.parameter_store import AtRest
from cbackprop.validation import check_boolean

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Replace the weights by their moving averages during evaluations and predictions.

    The optimizer must keep moving averages: ``use_ema=True``.

    Parameters
    ----------
    swap_on_epoch : bool, default False
        Replace them also from the end of each epoch to the beginning of the next, so that callbacks later in the list,
        such as `ModelCheckpoint`, see the averages.

    Raises
    ------
    TypeError
        If `swap_on_epoch` is not a bool.
    ValueError
        In a run, if the optimizer keeps no moving averages.

    References
    ----------
    Arguments are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.SGD(0.1, use_ema=True), "mse")
    >>> x, y = [[0.0], [1.0]], [[1.0], [3.0]]
    >>> history = model.fit(x, y, validation_data=(x, y), callbacks=[cb.callbacks.SwapEMAWeights()], verbose=0)
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = check_boolean("swap_on_epoch", swap_on_epoch)
        self._own: dict[Any, NDArray[Any]] | None = None

    def _put_averages(self) -> None:
        """Copy the averages to the weights. The optimizer keeps its copy, which `fit` needs at the end."""
        optimizer = self.model.optimizer
        if optimizer is None or not optimizer.use_ema:
            raise ValueError("SwapEMAWeights needs an optimizer with use_ema=True.")
        if self._own is None:
            averages = optimizer.state_for(self.model).averages(optimizer)
            with AtRest(averages):
                self._own = {variable: variable.value for variable in averages}
                for variable, average in averages.items():
                    variable.array[...] = average

    def _put_own(self) -> None:
        own = self._own or {}
        with AtRest(own):
            for variable, value in own.items():
                variable.array[...] = value
        self._own = None

    def get_state(self) -> dict[str, Any] | None:
        """The trained weights, while the averages replace them."""
        own = self._own
        found = None if own is None else [own.get(variable) for variable in self.model.variables]
        return {"own": found}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the trained weights."""
        own = state["own"]
        pairs = () if own is None else zip(self.model.variables, own, strict=True)
        found = {variable: variable.check(value) for variable, value in pairs if value is not None}
        self._own = None if own is None else found

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Put the trained weights back for the next epoch."""
        self._put_own()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Use the averages for later callbacks if `swap_on_epoch` is set."""
        if self.swap_on_epoch:
            self._put_averages()

    def on_train_end(self, logs: Logs = None) -> None:
        """Forget the trained weights: the averages have become the weights."""
        self._own = None

    def on_test_begin(self, logs: Logs = None) -> None:
        """Evaluate with the averages."""
        self._put_averages()

    def on_test_end(self, logs: Logs = None) -> None:
        """Put the trained weights back."""
        self._put_own()

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Predict with the averages."""
        self._put_averages()

    def on_predict_end(self, logs: Logs = None) -> None:
        """Put the trained weights back."""
        self._put_own()
