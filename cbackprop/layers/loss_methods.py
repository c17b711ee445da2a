"""The part of a layer that adds to the loss."""

from __future__ import annotations

from typing import Any

from cbackprop.layers import added_losses
from cbackprop.layers.call_context import current_call
from cbackprop.part_of import part_of

__all__ = ["LossMethods"]


@part_of("Layer")
class LossMethods:
    """The part of `Layer` that adds to the loss of the model."""

    def add_loss(self, loss: Any, gradient: Any = None) -> None:
        """Add to the loss of the model, from within `call`.

        Parameters
        ----------
        loss : float, or list of float
            For the whole batch, as it is added to the loss.
        gradient : ndarray, or a structure of them, optional
            Its derivative by the inputs of `call`, in their structure, which is added to the result of `backward`.
            Without it, the result of `backward` must include it. If another layer in Python calls this one, only that
            layer's `backward` counts, so its result must include the derivative.

        Raises
        ------
        TypeError
            If `loss` is no number.

        Warns
        -----
        UserWarning
            If no `call` runs: training never sees what is added then. `fit` warns, too, where no weight that is trained
            is behind the value.

        References
        ----------
        As Keras 3, where the gradient is found by automatic differentiation.

        Examples
        --------
        >>> import numpy as np
        >>> import cbackprop as cb
        >>> class Small(cb.layers.Layer):
        ...     def call(self, inputs):
        ...         self.add_loss(0.1 * np.sum(inputs**2), gradient=0.2 * inputs)
        ...         return inputs
        ...
        ...     def backward(self, inputs, outputs, delta):
        ...         return delta
        >>> layer = Small()
        >>> _ = layer(np.array([[1.0, 2.0]]))
        >>> layer.losses
        [0.5]
        """
        self.note_loss(loss, gradient)
        if current_call() is None:
            added_losses.warn_outside_call(self)

    def note_loss(self, loss: Any, gradient: Any = None) -> None:
        """Add to `losses` what need not come from a `call`, such as the penalty of an output."""
        added_losses.add(self, loss, gradient)

    @property
    def losses(self) -> list[float]:
        """What the layer adds to the loss, one number each.

        First the values of `add_loss` and of activity regularizers in the last call, then the penalties of the
        trainable weights.
        """
        return added_losses.values(self)
