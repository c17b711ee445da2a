"""ActivityRegularization: a layer that adds a penalty on its input to the loss."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import Layer, registry
from cbackprop.regularizers import L1L2

__all__ = ["ActivityRegularization"]


@registry.register()
class ActivityRegularization(Layer):
    """Pass the input on, and add ``(l1 * sum(|x|) + l2 * sum(x^2)) / batch_size`` to the loss.

    Parameters
    ----------
    l1, l2 : float, default 0.0
        Factors of the penalty, at least 0.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. With delta = dL/doutput:
    ``dL/dinput = delta + (l1 * sign(x) + 2 * l2 * x) / batch_size``.

    Raises
    ------
    TypeError, ValueError
        If a factor is not a number, negative or not finite.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.ActivityRegularization(l1=1.0)])
    >>> model.compile(loss="mse")
    >>> model.evaluate([[1.0, -2.0]], [[1.0, -2.0]], verbose=0)
    3.0
    """

    supports_masking = True
    is_view = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        regularizer = L1L2(l1=l1, l2=l2)
        super().__init__(activity_regularizer=regularizer, **kwargs)
        self.l1, self.l2 = regularizer.l1, regularizer.l2

    def _arguments_of(self, base: type[Layer]) -> dict[str, Any]:
        given = super()._arguments_of(base)
        del given["activity_regularizer"]  # made of l1 and l2
        return given

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values."""
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return config
