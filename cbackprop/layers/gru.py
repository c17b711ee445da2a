"""GRU: the gated recurrent unit, and its cell."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.layers.lstm import check_use_cudnn
from cbackprop.layers.recurrence_step import RecurrenceStep
from cbackprop.layers.recurrent_cell import RecurrentCell
from cbackprop.layers.rnn import CellLayer
from cbackprop.validation import check_boolean

__all__ = ["GRU", "GRUCell"]


class GRUStep(RecurrenceStep):
    """A GRU's cell over time steps."""

    implementation = "recurrent_cells.GRU"


class GRUResetBeforeStep(RecurrenceStep):
    """The cell of the first publications: the state is reset before it is multiplied."""

    implementation = "recurrent_cells.GRUResetBefore"


@registry.register()
class GRUCell(RecurrentCell):
    """Gated recurrent unit at one time step.

    With the input x and the state h, for gates z and r: ``z, r = recurrent_activation(x kernel + h recurrent_kernel +
    bias)``, each with its columns; then ``g = activation(x kernel + bias[0] + r (h recurrent_kernel + bias[1]))`` with
    its own, or with ``reset_after=False`` ``g = activation(x kernel + (r h) recurrent_kernel + bias)``; and
    ``h = z h + (1 - z) g``. The output is the new h.

    Parameters
    ----------
    units : int
        Numbers of the state h, and of the output.
    activation : str, default "tanh"
        Of the candidate g. One of this library.
    recurrent_activation : str, default "sigmoid"
        Of the gates z and r.
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
        The share of inputs that are dropped in training, the same ones at all time steps; for all gates, too, unless
        `recurrent_dropout` is above 0. 1 drops nothing.
    recurrent_dropout : float, default 0
        The share of the state that is dropped in training where it is multiplied: for each gate others, the same ones
        at all time steps. 1 drops nothing.
    reset_after : bool, default True
        Whether r multiplies what the state adds to the candidate; else the state in front of that product.
    seed : int, optional
        For dropout, from 0 to 2**32 - 1.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape (features, 3 units): the columns of z, r and g, in this order.
    recurrent_kernel : Variable
        Shape (units, 3 units).
    bias : Variable or None
        Shape (2, 3 units): of the input's product and of the state's; with ``reset_after=False`` (3 units,).

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
    Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation", EMNLP
    2014, arXiv:1406.1078; its third version has ``reset_after=False``, its first ``True``. Arguments and defaults are
    those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cell = cb.layers.GRUCell(4)
    >>> output, [h] = cell(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape, bool((output == h).all())
    ((2, 4), True)
    """

    gates = 3
    implementation = GRUStep.implementation

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
            bias_constraint, dropout, recurrent_dropout, seed, **kwargs,
        )  # fmt: skip
        self.recurrent_activation = self._checked_function("recurrent_activation", recurrent_activation)
        self.reset_after = check_boolean("reset_after", reset_after)

    @property
    def step_class(self) -> type[RecurrenceStep]:  # type: ignore[override]
        """The operation that runs the cell over time steps."""
        return GRUStep if self.reset_after else GRUResetBeforeStep

    @property
    def has_recurrent_bias(self) -> bool:  # type: ignore[override]
        """Whether the bias has a second row, for the product with the state."""
        return self.reset_after and self.use_bias


@registry.register()
class GRU(CellLayer):
    """Gated recurrent unit: a `GRUCell` over the time steps of sequences.

    Parameters
    ----------
    units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer
    kernel_regularizer, recurrent_regularizer, bias_regularizer
        See `GRUCell`.
    activity_regularizer : str or Regularizer, optional
        Penalty on the outputs that is divided by the batch size and added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed, reset_after
        See `GRUCell`.
    return_sequences, return_state, go_backwards, stateful, unroll
        See `RNN`.
    use_cudnn : bool or "auto", default "auto"
        Accepted so that scripts for Keras run; it has no effect.
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
    See `GRUCell`. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.GRU(32, return_sequences=True)
    >>> layer(cb.Input((None, 8))).shape
    (None, None, 32)
    >>> [weight.shape for weight in layer.weights]
    [(8, 96), (32, 96), (2, 96)]
    """

    implementation = GRUStep.implementation

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
            recurrent_constraint, bias_constraint, dropout, recurrent_dropout, reset_after, seed, name="gru_cell",
            dtype=kwargs.get("dtype"), trainable=kwargs.get("trainable", True),
            implementation=kwargs.pop("implementation", 2),
        )  # fmt: skip
        super().__init__(
            cell, return_sequences, return_state, go_backwards, stateful, unroll,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.use_cudnn = check_use_cudnn(use_cudnn)
