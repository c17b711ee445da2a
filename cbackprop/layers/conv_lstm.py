"""ConvLSTM: recurrent layers over sequences of signals, images and volumes."""

from __future__ import annotations

from typing import Any, ClassVar

from cbackprop.contract.expansion import Steps, Value
from cbackprop.layers.conv_lstm_cell import ConvLSTMCell, ConvLSTMStep
from cbackprop.layers.layer import registry
from cbackprop.layers.rnn import CellLayer, of_cell
from cbackprop.layers.spatial import SIZES, in_tuples
from cbackprop.tensor import Shape

__all__ = ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"]


class ConvLSTM(CellLayer):
    """Base of ConvLSTM1D, ConvLSTM2D and ConvLSTM3D.

    Parameters: see `ConvLSTM2D`.
    """

    rank: ClassVar[int]
    implementation = ConvLSTMStep.implementation
    filters = of_cell("filters")
    kernel_size = of_cell("kernel_size")
    strides = of_cell("strides")
    padding = of_cell("padding")
    data_format = of_cell("data_format")
    dilation_rate = of_cell("dilation_rate")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        **kwargs: Any,
    ) -> None:
        cell = ConvLSTMCell(
            self.rank, filters, kernel_size, strides, padding, data_format, dilation_rate, activation,
            recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
            recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed,
            name="conv_lstm_cell", dtype=kwargs.get("dtype"), trainable=kwargs.get("trainable", True),
        )  # fmt: skip
        super().__init__(
            cell, return_sequences, return_state, go_backwards, stateful,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor. Those with a number for each axis are tuples, as in Keras."""
        config = super().get_config()
        return config | {name: in_tuples(config[name]) for name in SIZES if isinstance(config.get(name), list)}

    @property
    def state_size(self) -> list[Any]:
        """-1 for each state, as in Keras: how large states are depends on the images."""
        return [-1] * self.cell.n_states

    @property
    def n_states(self) -> int:
        """How many states there are."""
        count: int = self.cell.n_states
        return count

    def _image(self, input_shape: Shape) -> Shape:
        """The shape of a batch of a time step's inputs."""
        if len(input_shape) != self.rank + 3 or input_shape[1] == 0:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs inputs of {self.rank + 3} axes, the batch and at least one "
                f"time step included, but got shape {input_shape}."
            )
        return (input_shape[0], *input_shape[2:])

    def state_shapes(self, input_shape: Shape) -> list[tuple[int, ...]]:
        """The shape of each state of a sample, for sequences of this shape."""
        (_, *shape), states = self.cell.compute_output_shape(self._image(input_shape))
        return [tuple(shape)] * len(states)

    def lasting_shapes(self, input_shape: Shape) -> list[tuple[int, ...]]:
        """The same for states that last from batch to batch, which always have the channels as last axis."""
        return [tuple(self.cell.image_shape(self._image(input_shape))[1:])] * self.n_states  # type: ignore[arg-type]

    def compute_output_shape(self, input_shape: Shape, initial_state_shape: Any = None) -> Any:
        """(batch, ..., filters), or (batch, steps, ..., filters) for sequences; with states a tuple of shapes."""
        one, states = self.cell.compute_output_shape(self._image(input_shape))
        shape = (one[0], input_shape[1], *one[1:]) if self.return_sequences else one
        return (shape, *states) if self.return_state else shape

    def _mask_shape(self, input_shape: Shape) -> Shape:
        """(batch, steps)."""
        return input_shape[:2]

    def expand_cell(
        self, steps: Steps, inputs: list[Value], keeps_order: bool = False, zero_output: bool = False
    ) -> Any:
        """The steps of a call. If channels come first, further steps move them."""
        moved = [self.cell.to_last(steps, value, int(k == 0)) for k, value in enumerate(inputs)]
        found = super().expand_cell(steps, moved, keeps_order, zero_output)
        output, *states = found if self.return_state else [found]
        output = self.cell.to_place(steps, output, int(self.return_sequences))
        return [output, *(self.cell.to_place(steps, state) for state in states)] if self.return_state else output


@registry.register()
class ConvLSTM1D(ConvLSTM):
    """Long short-term memory of signals: an `LSTM` whose products are convolutions.

    With the input x, the state h and the cell state c, all of them signals, for gates i, f and o and the candidate g:
    ``i, f, o = recurrent_activation(x * kernel + h * recurrent_kernel + bias)``, each with its filters,
    ``g = activation(x * kernel + h * recurrent_kernel + bias)`` with its own, and then ``c = f c + i g``,
    ``h = o activation(c)``, where * is a convolution. That of h keeps its size: its padding is "same", and its strides
    and dilation are 1.

    Parameters
    ----------
    filters : int
        The channels of the states, and of the output.
    kernel_size, strides, dilation_rate : int or tuple of 1 int
        As for `Conv1D`; `strides` and `dilation_rate` are 1 by default.
    padding : {"valid", "same"}, default "valid"
        See `Conv2D`.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, steps, positions, channels) or (batch, steps, channels, positions). By
        default that of `config.image_data_format`.
    activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer
    unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer
        See `LSTMCell`.
    activity_regularizer : str or Regularizer, optional
        Penalty on the outputs that is divided by the batch size and added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    dropout : float, default 0
        The share of the input that is dropped in training: for each gate other numbers, the same ones at all time
        steps. 1 drops nothing.
    recurrent_dropout : float, default 0
        The same for the state h where it is convolved.
    seed : int, optional
        For dropout, from 0 to 2**32 - 1.
    return_sequences, return_state, go_backwards, stateful
        See `RNN`.
    **kwargs
        ``unroll`` and ``zero_output_for_mask`` of `RNN`, and see `Layer`.

    Attributes
    ----------
    kernel, recurrent_kernel : Variable
        Of `cell`. Shapes ``(*kernel_size, channels, 4 filters)`` and ``(*kernel_size, filters, 4 filters)``: the
        filters of i, f, g and o, in this order.
    bias : Variable or None
        Shape (4 filters,).

    Notes
    -----
    Input (batch, steps, positions, channels), output (batch, positions, filters), or with
    `return_sequences` (batch, steps, positions, filters). With `return_state` h and c follow. Sizes are those
    of `Conv1D`, and must be known; the steps may be unknown (`None`). A call takes ``initial_state=[h, c]``,
    ``training``, and a ``mask`` (batch, steps); see `RNN`. States that last have the channels as
    last axis.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, strides and dilation are both above 1, or the input has
        another number of axes, sizes that are unknown, or is smaller than the kernel with "valid" padding.

    References
    ----------
    Shi, Chen, Wang, Yeung, Wong and Woo, "Convolutional LSTM network: a machine learning approach for precipitation
    nowcasting", NeurIPS 2015, arXiv:1506.04214, without connections from c to the gates. Arguments and defaults are
    those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.ConvLSTM1D(8, 3, padding="same", return_sequences=True)
    >>> layer(cb.Input((10, 20, 2))).shape
    (None, 10, 20, 8)
    >>> [weight.shape for weight in layer.weights]
    [(3, 2, 32), (3, 8, 32), (32,)]
    """

    rank = 1


@registry.register()
class ConvLSTM2D(ConvLSTM):
    """Long short-term memory of images: an `LSTM` whose products are convolutions.

    With the input x, the state h and the cell state c, all of them images, for gates i, f and o and the candidate g:
    ``i, f, o = recurrent_activation(x * kernel + h * recurrent_kernel + bias)``, each with its filters,
    ``g = activation(x * kernel + h * recurrent_kernel + bias)`` with its own, and then ``c = f c + i g``,
    ``h = o activation(c)``, where * is a convolution. That of h keeps its size: its padding is "same", and its strides
    and dilation are 1.

    Parameters
    ----------
    filters : int
        The channels of the states, and of the output.
    kernel_size, strides, dilation_rate : int or tuple of 2 ints
        As for `Conv2D`; `strides` and `dilation_rate` are 1 by default.
    padding : {"valid", "same"}, default "valid"
        See `Conv2D`.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, steps, rows, columns, channels) or (batch, steps, channels, rows, columns). By
        default that of `config.image_data_format`.
    activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer
    unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer
        See `LSTMCell`.
    activity_regularizer : str or Regularizer, optional
        Penalty on the outputs that is divided by the batch size and added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    dropout : float, default 0
        The share of the input that is dropped in training: for each gate other numbers, the same ones at all time
        steps. 1 drops nothing.
    recurrent_dropout : float, default 0
        The same for the state h where it is convolved.
    seed : int, optional
        For dropout, from 0 to 2**32 - 1.
    return_sequences, return_state, go_backwards, stateful
        See `RNN`.
    **kwargs
        ``unroll`` and ``zero_output_for_mask`` of `RNN`, and see `Layer`.

    Attributes
    ----------
    kernel, recurrent_kernel : Variable
        Of `cell`. Shapes ``(*kernel_size, channels, 4 filters)`` and ``(*kernel_size, filters, 4 filters)``: the
        filters of i, f, g and o, in this order.
    bias : Variable or None
        Shape (4 filters,).

    Notes
    -----
    Input (batch, steps, rows, columns, channels), output (batch, rows, columns, filters), or with
    `return_sequences` (batch, steps, rows, columns, filters). With `return_state` h and c follow. Sizes are those
    of `Conv2D`, and must be known; the steps may be unknown (`None`). A call takes ``initial_state=[h, c]``,
    ``training``, and a ``mask`` (batch, steps); see `RNN`. States that last have the channels as
    last axis.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, strides and dilation are both above 1, or the input has
        another number of axes, sizes that are unknown, or is smaller than the kernel with "valid" padding.

    References
    ----------
    Shi, Chen, Wang, Yeung, Wong and Woo, "Convolutional LSTM network: a machine learning approach for precipitation
    nowcasting", NeurIPS 2015, arXiv:1506.04214, without connections from c to the gates. Arguments and defaults are
    those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.ConvLSTM2D(8, 3, padding="same", return_sequences=True)
    >>> layer(cb.Input((10, 28, 28, 2))).shape
    (None, 10, 28, 28, 8)
    >>> [weight.shape for weight in layer.weights]
    [(3, 3, 2, 32), (3, 3, 8, 32), (32,)]
    """

    rank = 2


@registry.register()
class ConvLSTM3D(ConvLSTM):
    """Long short-term memory of volumes: an `LSTM` whose products are convolutions.

    With the input x, the state h and the cell state c, all of them volumes, for gates i, f and o and the candidate g:
    ``i, f, o = recurrent_activation(x * kernel + h * recurrent_kernel + bias)``, each with its filters,
    ``g = activation(x * kernel + h * recurrent_kernel + bias)`` with its own, and then ``c = f c + i g``,
    ``h = o activation(c)``, where * is a convolution. That of h keeps its size: its padding is "same", and its strides
    and dilation are 1.

    Parameters
    ----------
    filters : int
        The channels of the states, and of the output.
    kernel_size, strides, dilation_rate : int or tuple of 3 ints
        As for `Conv3D`; `strides` and `dilation_rate` are 1 by default.
    padding : {"valid", "same"}, default "valid"
        See `Conv2D`.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, steps, depth, rows, columns, channels) or (batch, steps, channels, depth, rows,
        columns). By default that of `config.image_data_format`.
    activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer
    unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer
        See `LSTMCell`.
    activity_regularizer : str or Regularizer, optional
        Penalty on the outputs that is divided by the batch size and added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    dropout : float, default 0
        The share of the input that is dropped in training: for each gate other numbers, the same ones at all time
        steps. 1 drops nothing.
    recurrent_dropout : float, default 0
        The same for the state h where it is convolved.
    seed : int, optional
        For dropout, from 0 to 2**32 - 1.
    return_sequences, return_state, go_backwards, stateful
        See `RNN`.
    **kwargs
        ``unroll`` and ``zero_output_for_mask`` of `RNN`, and see `Layer`.

    Attributes
    ----------
    kernel, recurrent_kernel : Variable
        Of `cell`. Shapes ``(*kernel_size, channels, 4 filters)`` and ``(*kernel_size, filters, 4 filters)``: the
        filters of i, f, g and o, in this order.
    bias : Variable or None
        Shape (4 filters,).

    Notes
    -----
    Input (batch, steps, depth, rows, columns, channels), output (batch, depth, rows, columns, filters), or with
    `return_sequences` (batch, steps, depth, rows, columns, filters). With `return_state` h and c follow. Sizes are
    those of `Conv3D`, and must be known; the steps may be unknown (`None`). A call takes ``initial_state=[h, c]``,
    ``training``, and a ``mask`` (batch, steps); see `RNN`. States that last have the channels as
    last axis.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, strides and dilation are both above 1, or the input has
        another number of axes, sizes that are unknown, or is smaller than the kernel with "valid" padding.

    References
    ----------
    Shi, Chen, Wang, Yeung, Wong and Woo, "Convolutional LSTM network: a machine learning approach for precipitation
    nowcasting", NeurIPS 2015, arXiv:1506.04214, without connections from c to the gates. Arguments and defaults are
    those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.ConvLSTM3D(8, 3, padding="same", return_sequences=True)
    >>> layer(cb.Input((4, 6, 8, 8, 2))).shape
    (None, 4, 6, 8, 8, 8)
    >>> [weight.shape for weight in layer.weights]
    [(3, 3, 3, 2, 32), (3, 3, 3, 8, 32), (32,)]
    """

    rank = 3
