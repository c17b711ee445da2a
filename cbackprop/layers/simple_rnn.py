"""SimpleRNN: the fully connected recurrent layer, and its cell."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.layers.recurrence_step import RecurrenceStep
from cbackprop.layers.recurrent_cell import RecurrentCell
from cbackprop.layers.rnn import CellLayer

__all__ = ["SimpleRNN", "SimpleRNNCell"]


class SimpleRNNStep(RecurrenceStep):
    """A simple cell over time steps."""

    implementation = "recurrent_cells.SimpleRNN"


@registry.register()
class SimpleRNNCell(RecurrentCell):
    """Simple recurrent cell at one time step: ``h = activation(x kernel + h recurrent_kernel + bias)``.

    x is the input and h the state. The output is the new h.

    Parameters
    ----------
    units : int
        Numbers of the state h, and of the output.
    activation : str, default "tanh"
        Of the new state. One of this library.
    use_bias : bool, default True
        Whether a bias is added.
    kernel_initializer : str or Initializer, default "glorot_uniform"
    recurrent_initializer : str or Initializer, default "orthogonal"
    bias_initializer : str or Initializer, default "zeros"
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
        Penalty on the weights that is added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    dropout : float, default 0
        The share of inputs that are dropped in training, the same ones for all time steps.
    recurrent_dropout : float, default 0
        The share of the state that is dropped in training where it is multiplied, the same one for all time steps.
    seed : int, optional
        For dropout, from 0 to 2**32 - 1.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape (features, units).
    recurrent_kernel : Variable
        Shape (units, units).
    bias : Variable or None
        Shape (units,).

    Notes
    -----
    Called with the input (batch, features) and a list of the state [h], of shape (batch, units). It returns the output
    and a list of the new state.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the state does not fit.

    References
    ----------
    Elman, "Finding structure in time", Cognitive Science 14, 1990. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cell = cb.layers.SimpleRNNCell(2, kernel_initializer="ones", recurrent_initializer="ones")
    >>> output, [h] = cell(np.ones((1, 3)), [np.array([[-1.0, -2.0]])])
    >>> output
    array([[0., 0.]], dtype=float32)
    """

    step_class = SimpleRNNStep
    implementation = SimpleRNNStep.implementation

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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


@registry.register()
class SimpleRNN(CellLayer):
    """Fully connected recurrent layer: a `SimpleRNNCell` over the time steps of sequences.

    Parameters
    ----------
    units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer
    kernel_regularizer, recurrent_regularizer, bias_regularizer
        See `SimpleRNNCell`.
    activity_regularizer : str or Regularizer, optional
        Penalty on the outputs that is divided by the batch size and added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed
        See `SimpleRNNCell`.
    return_sequences, return_state, go_backwards, stateful, unroll
        See `RNN`.
    **kwargs
        ``zero_output_for_mask`` of `RNN`, and see `Layer`.

    Notes
    -----
    Input (batch, steps, features), output (batch, units), or with `return_sequences` (batch, steps, units). With
    `return_state` the state follows. A call takes ``initial_state``, ``mask`` and ``training``; see `RNN`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has another number of axes.

    References
    ----------
    See `SimpleRNNCell`. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.SimpleRNN(32, return_sequences=True)
    >>> layer(cb.Input((None, 8))).shape
    (None, None, 32)
    >>> [weight.shape for weight in layer.weights]
    [(8, 32), (32, 32), (32,)]
    """

    implementation = SimpleRNNStep.implementation

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
            bias_constraint, dropout, recurrent_dropout, seed, name="simple_rnn_cell", dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
        )  # fmt: skip
        super().__init__(
            cell, return_sequences, return_state, go_backwards, stateful, unroll,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
