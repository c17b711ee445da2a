"""LSTM: the long short-term memory, and its cell."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cbackprop import initializers
from cbackprop.layers.layer import registry
from cbackprop.layers.recurrence_step import RecurrenceStep
from cbackprop.layers.recurrent_cell import RecurrentCell
from cbackprop.layers.rnn import CellLayer
from cbackprop.validation import check_boolean

__all__ = ["LSTM", "LSTMCell"]


class LSTMStep(RecurrenceStep):
    """An LSTM's cell over time steps."""

    implementation = "recurrent_cells.LSTM"


@registry.register()
class LSTMCell(RecurrentCell):
    """Long short-term memory at one time step.

    With the input x, the state h and the cell state c, for gates i, f and o and the candidate g:
    ``i, f, o = recurrent_activation(x kernel + h recurrent_kernel + bias)``, each with its columns,
    ``g = activation(x kernel + h recurrent_kernel + bias)`` with its own, and then
    ``c = f c + i g``, ``h = o activation(c)``. The output is the new h.

    Parameters
    ----------
    units : int
        Numbers of the state h, and of the output.
    activation : str, default "tanh"
        Of the candidate and of the cell state. One of this library.
    recurrent_activation : str, default "sigmoid"
        Of the gates.
    use_bias : bool, default True
        Whether a bias is added.
    kernel_initializer : str or Initializer, default "glorot_uniform"
    recurrent_initializer : str or Initializer, default "orthogonal"
    bias_initializer : str or Initializer, default "zeros"
    unit_forget_bias : bool, default True
        Whether the bias of the gate f begins with ones, whatever `bias_initializer` says.
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
        Penalty on the weights that is added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    dropout : float, default 0
        The share of inputs that are dropped in training, the same ones at all time steps; for all gates, too, unless
        `recurrent_dropout` is above 0. 1 drops nothing.
    recurrent_dropout : float, default 0
        The share of the state h that is dropped in training where it is multiplied: for each gate others, the same ones
        at all time steps. 1 drops nothing.
    seed : int, optional
        For dropout, from 0 to 2**32 - 1.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape (features, 4 units): the columns of i, f, g and o, in this order.
    recurrent_kernel : Variable
        Shape (units, 4 units).
    bias : Variable or None
        Shape (4 units,).

    Notes
    -----
    Called with the input (batch, features) and a list of the states [h, c], each (batch, units). It returns the output
    and a list of the new states.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the states do not fit.

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997. Gers, Schmidhuber and Cummins,
    "Learning to forget: continual prediction with LSTM", Neural Computation 12, 2000. Arguments and defaults are those
    of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cell = cb.layers.LSTMCell(4)
    >>> output, [h, c] = cell(np.ones((2, 3)), [np.zeros((2, 4)), np.zeros((2, 4))])
    >>> output.shape, bool((output == h).all())
    ((2, 4), True)
    """

    gates = 4
    n_states = 2
    step_class: ClassVar[type[RecurrenceStep]] = LSTMStep
    implementation = LSTMStep.implementation

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
            bias_constraint, dropout, recurrent_dropout, seed, **kwargs,
        )  # fmt: skip
        self.recurrent_activation = self._checked_function("recurrent_activation", recurrent_activation)
        self.unit_forget_bias = check_boolean("unit_forget_bias", unit_forget_bias)

    @property
    def first_bias(self) -> Any:
        """The initial values of the bias; with `unit_forget_bias`, ones for the gate f."""
        if not self.unit_forget_bias:
            return self.bias_initializer

        def with_ones(shape: Any, dtype: Any = None) -> Any:
            ones = initializers.get("ones")((self.units,), dtype)
            return np.concatenate(
                [self.bias_initializer((self.units,), dtype), ones, self.bias_initializer((2 * self.units,), dtype)]
            )

        return with_ones


@registry.register()
class LSTM(CellLayer):
    """Long short-term memory: an `LSTMCell` over the time steps of sequences.

    Parameters
    ----------
    units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer
    unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer
        See `LSTMCell`.
    activity_regularizer : str or Regularizer, optional
        Penalty on the outputs that is divided by the batch size and added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed
        See `LSTMCell`.
    return_sequences, return_state, go_backwards, stateful, unroll
        See `RNN`.
    use_cudnn : bool or "auto", default "auto"
        Accepted so that scripts for Keras run; it has no effect.
    **kwargs
        ``zero_output_for_mask`` of `RNN`, and see `Layer`.

    Notes
    -----
    Input (batch, steps, features), output (batch, units), or with `return_sequences` (batch, steps, units). With
    `return_state` the states h and c follow. A call takes ``initial_state=[h, c]``, ``mask`` and ``training``; see
    `RNN`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has another number of axes.

    References
    ----------
    See `LSTMCell`. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.LSTM(32, return_sequences=True)
    >>> layer(cb.Input((None, 8))).shape
    (None, None, 32)
    >>> [weight.shape for weight in layer.weights]
    [(8, 128), (32, 128), (128,)]
    """

    implementation = LSTMStep.implementation

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer,
            kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed,
            name="lstm_cell", dtype=kwargs.get("dtype"), trainable=kwargs.get("trainable", True),
            implementation=kwargs.pop("implementation", 2),
        )  # fmt: skip
        super().__init__(
            cell, return_sequences, return_state, go_backwards, stateful, unroll,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.use_cudnn = check_use_cudnn(use_cudnn)


def check_use_cudnn(value: Any) -> bool | str:
    """The values that Keras takes for `use_cudnn`.

    Raises
    ------
    ValueError
        If it is neither a boolean nor "auto".
    """
    return value if isinstance(value, str) and value == "auto" else check_boolean("use_cudnn", value)
