"""What operators between symbolic tensors become, where no merge of Keras's computes it: quotients, powers, |x|."""

from __future__ import annotations

import math
import numbers
from typing import Any

from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.merging import Merge

__all__ = ["Absolute", "Power", "TrueDivide"]


@registry.register()
class Absolute(Layer):
    """``output = |input|``, element by element: what ``abs(tensor)`` becomes.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape. ``dL/dinput = delta sign(input)``, which is 0 at 0. Masks end here, as
    in Keras.

    References
    ----------
    Keras calls the operation so, too.

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
    """Quotient of two inputs, element by element: ``output = input_0 / input_1``, what ``a / b`` becomes.

    Parameters
    ----------
    **kwargs
        See `Layer`.

    Notes
    -----
    Inputs of one shape, or of shapes that broadcast, and an output of that shape. With delta = dL/doutput,
    ``dL/dinput_0 = delta / input_1`` and ``dL/dinput_1 = -delta input_0 / input_1^2``. A division by 0 gives infinity
    or NaN. Masks end here, as in Keras.

    Raises
    ------
    ValueError
        If there are not exactly two inputs, or their shapes do not fit each other.

    References
    ----------
    Keras calls the operation so, too.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.Input((3,)), cb.Input((3,))
    >>> (x / y).shape
    (None, 3)
    """

    implementation = "merging.TrueDivide"
    supports_masking = False
    n_inputs = 2

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """None: masks end here."""
        return None

    def mask_rule(self, shapes: Any, masks: Any, output: Any) -> Any:
        """None: masks end here."""
        return None


@registry.register()
class Power(Merge):
    """Power of an input, element by element: ``output = input ** exponent``, or ``input_0 ** input_1`` of two.

    Parameters
    ----------
    exponent : float, optional
        Of the only input. Without it the layer takes two inputs, of which the second holds the exponents.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; two inputs broadcast. With delta = dL/doutput,
    ``dL/dinput = delta exponent input^(exponent - 1)``, and 0 for an exponent of 0; the delta of exponents that are an
    input is ``delta output log(input_0)``, and 0 where input_0 is 0 and the exponent is not negative. Negative numbers
    to a power that is no whole number are NaN, and 0 to a negative power is infinite. Masks end here, as in Keras.

    Raises
    ------
    TypeError
        If `exponent` is no number.
    ValueError
        If it is not finite, or the number of inputs is another, or their shapes do not fit each other.

    References
    ----------
    Keras calls the operation so, too; it gives the exponent as an argument of the call.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x = cb.Input((3,))
    >>> (x**2).shape, (2**x).shape
    ((None, 3), (None, 3))
    >>> cb.layers.Power(2)([[3.0, -1.0]])
    array([[9., 1.]], dtype=float32)
    """

    implementation = "merging.Power"
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
        """That of the input, or what two of them broadcast to."""
        return super().compute_output_shape(input_shape) if self.exponent is None else input_shape

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """None: masks end here."""
        return None

    def mask_rule(self, shapes: Any, masks: Any, output: Any) -> Any:
        """None: masks end here."""
        return None
