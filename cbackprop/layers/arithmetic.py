"""Layers behind operators of symbolic tensors that no Keras merge layer computes: ``a / b``, ``a ** b``, ``abs``."""

from __future__ import annotations

import math
import numbers
from typing import Any

from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.merging import Merge

__all__ = ["Absolute", "Power", "TrueDivide"]


@registry.register()
class Absolute(Layer):
    """Absolute value of each element: ``output = |input|``. ``abs(tensor)`` makes this layer.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. ``dL/dinput = delta sign(input)``, which is 0 at 0. The output has no
    mask, as in Keras.

    References
    ----------
    Keras has the same operation under this name.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Absolute()([[-2.0, 3.0]])
    array([[2., 3.]], dtype=float32)
    """

    implementation = "elementwise.Absolute"
    reads_output = False


@registry.register()
class TrueDivide(Merge):
    """Quotient of two inputs, element by element: ``output = input_0 / input_1``. ``a / b`` makes this layer.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    The inputs have the same shape, or shapes that broadcast to the output's. With delta = dL/doutput,
    ``dL/dinput_0 = delta / input_1`` and ``dL/dinput_1 = -delta input_0 / input_1^2``. A division by 0 gives infinity
    or NaN. The output has no mask, as in Keras.

    Raises
    ------
    ValueError
        If there are not exactly two inputs, or their shapes cannot be broadcast together.

    References
    ----------
    Keras has the same operation under this name.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> (x / y).shape
    (None, 3)
    """

    supports_masking = False
    n_inputs = 2

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: the output has no mask."""
        return None

    def mask_rule(self, shapes: Any, masks: Any, output: Any) -> Any:
        """None: the output has no mask."""
        return None


@registry.register()
class Power(Merge):
    """Power of an input, element by element: ``output = input ** exponent``, or ``input_0 ** input_1`` of two.

    Parameters
    ----------
    exponent : float, optional
        The exponent of a layer with one input. Without it the layer takes two inputs; the second holds the exponents.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; two inputs broadcast. With delta = dL/doutput,
    ``dL/dinput = delta exponent input^(exponent - 1)``, and 0 if the exponent is 0. If the exponents are an input,
    their gradient is ``delta output log(input_0)``, and 0 where input_0 is 0 and the exponent is not negative. A
    negative number to a fractional power is NaN, and 0 to a negative power is infinite. The output has no mask, as in
    Keras.

    Raises
    ------
    TypeError
        If `exponent` is not a number.
    ValueError
        If `exponent` is not finite, the number of inputs is wrong, or their shapes cannot be broadcast together.

    References
    ----------
    Keras has the same operation under this name; it gives the exponent as an argument of the call.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x = cb.Input((3,))
    >>> (x**2).shape, (2**x).shape
    ((None, 3), (None, 3))
    >>> cb.layers.Power(2)([[3.0, -1.0]])
    array([[9., 1.]], dtype=float32)
    """

    supports_masking = False

    def __init__(self, exponent: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if exponent is not None:
            if isinstance(exponent, bool) or not isinstance(exponent, numbers.Real):
                raise TypeError(f"exponent must be a number, but got {exponent!r}.")
            if not math.isfinite(exponent):
                raise ValueError(f"exponent must be finite, but got {exponent!r}.")
            exponent = float(exponent)
        self.exponent = exponent
        self.n_inputs = 2 if exponent is None else 1  # type: ignore[misc]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape, or the shape that two inputs broadcast to."""
        return super().compute_output_shape(input_shape) if self.exponent is None else input_shape

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: the output has no mask."""
        return None

    def mask_rule(self, shapes: Any, masks: Any, output: Any) -> Any:
        """None: the output has no mask."""
        return None
