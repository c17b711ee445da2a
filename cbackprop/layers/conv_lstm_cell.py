"""The cell of ConvLSTM layers, whose products are convolutions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.contract.convolution import Geometry
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.convolution import Conv1D, Conv2D, Conv3D
from cbackprop.layers.lstm import LSTMCell
from cbackprop.layers.recurrence_step import RecurrenceStep
from cbackprop.layers.recurrent_cell import check_states
from cbackprop.layers.spatial import Transposed
from cbackprop.layers.unknown_sizes import has_unknown
from cbackprop.tensor import Shape
from cbackprop.validation import check_choice, check_integer

__all__ = ["ConvLSTMCell", "ConvLSTMStep"]


class ConvLSTMStep(RecurrenceStep):
    """A cell of convolutions over time steps; everything has the channels as last axis.

    Parameters
    ----------
    cell : ConvLSTMCell
    name : str
    state_shape : tuple of int
        Of a state of a sample.
    **options
        See `RecurrenceStep`.
    """

    implementation = "conv_lstm.ConvLSTM"

    def __init__(self, cell: ConvLSTMCell, name: str, state_shape: tuple[int, ...], **options: Any) -> None:
        super().__init__(cell, name, **options)
        self.state_shape, self.units = state_shape, math.prod(state_shape)
        self.kernel_size = cell.kernel_size

    def input_geometry(self, image: tuple[int, ...]) -> Geometry:
        """The sizes of the convolution of the input at a time step; where gates drop different ones, of all of them."""
        geometry: Geometry = self.cell.of_inputs.geometry_with(image, 4 * self.cell.filters, self.input_masks)
        return geometry

    def state_geometry(self, image: tuple[int, ...]) -> Geometry:
        """The sizes of the convolution of the state; where gates drop different ones, of all of them."""
        states = (*self.state_shape[:-1], self.recurrent_masks * self.state_shape[-1])
        geometry: Geometry = self.cell.of_states.geometry_with(states, 4 * self.cell.filters, self.recurrent_masks)
        return geometry

    def _products(self, input_shapes: list[tuple[int, ...]]) -> tuple[int, int]:
        """Multiplications with the kernel, and with that of the state, at all time steps."""
        length, *_, channels = input_shapes[0]
        sums = length * 4 * self.units * math.prod(self.kernel_size)
        return sums * (channels // self.input_masks), sums * self.cell.filters

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """Two convolutions at each time step, and about 30 operations for each gate's function."""
        return 2 * sum(self._products(input_shapes)) + 30 * 4 * self.units * input_shapes[0][0]

    def multiply_adds(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """The multiply-adds of both convolutions."""
        return sum(self._products(input_shapes))

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """Each is a sum over samples, time steps and positions."""
        found: list[int | None] = [2 * count for count in self._products(input_shapes)]
        return [*found, *([4 * self.units * input_shapes[0][0]] if self.use_bias else [])]


class ConvLSTMCell(LSTMCell):
    """A long short-term memory at each position of an image, with convolutions of the input and of the state h.

    Parameters
    ----------
    rank : {1, 2, 3}
        Axes of an image, without that of the channels.
    filters, kernel_size, strides, padding, data_format, dilation_rate
        Of the convolution of the input; see `Conv2D`. That of the state keeps its size.
    *args, **kwargs
        As `LSTMCell` has them, from `activation` on.
    """

    step_class = ConvLSTMStep
    implementation = ConvLSTMStep.implementation

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        make: Any = {1: Conv1D, 2: Conv2D, 3: Conv3D}[rank]
        padding = check_choice("padding", str(padding).lower(), ("valid", "same"))
        # They have no weights, but their sizes are needed.
        self.of_inputs = make(filters, kernel_size, strides, padding, data_format, dilation_rate, name="of_inputs")
        self.of_states = make(self.of_inputs.filters, self.of_inputs.kernel_size, padding="same", name="of_states")
        super().__init__(self.of_inputs.filters, *args, **kwargs)
        self.rank, self.filters, self.kernel_size = rank, self.of_inputs.filters, self.of_inputs.kernel_size
        self.strides, self.padding = self.of_inputs.strides, self.of_inputs.padding
        self.data_format, self.dilation_rate = self.of_inputs.data_format, self.of_inputs.dilation_rate
        self.gates_differ = True

    def channels_last(self, shape: Shape) -> Shape:
        """The shape of a batch of images, with the channels as last axis."""
        last: Shape = self.of_inputs.channels_last(shape)
        return last

    def channels_in_place(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The shape of a sample with the channels last, with the channels where the cell has them."""
        return (shape[-1], *shape[:-1]) if self.data_format == "channels_first" else shape

    def image_shape(self, input_shape: Shape) -> Shape:
        """The shape (batch, ..., filters) of a state, with the channels last, for a batch of images.

        Raises
        ------
        ValueError
            If it is no batch of images whose sizes are known, or they are too small.
        """
        if len(input_shape) != self.rank + 2 or has_unknown(input_shape) or 0 in input_shape[1:]:
            raise ValueError(
                f"A cell of ConvLSTM{self.rank}D needs inputs of {self.rank + 2} axes, with sizes that are known and "
                f"not 0, but got shape {input_shape}."
            )
        return self.channels_last(self.of_inputs.compute_output_shape(tuple(input_shape)))

    def state_shapes(self, sample_shape: tuple[Any, ...]) -> list[tuple[int, ...]]:
        """The shape of each state of a sample, the channels last, for an input with the channels last."""
        shape = self.image_shape((None, *self.channels_in_place(sample_shape)))
        return [tuple(int(size or 0) for size in shape[1:])] * self.n_states

    def make_step(self, name: str, sample_shape: tuple[int, ...], **options: Any) -> RecurrenceStep:
        """The operation that runs the cell over time steps; `sample_shape` is that of an input at one of them."""
        return ConvLSTMStep(self, name, self.state_shapes(sample_shape)[0], **options)

    def get_initial_state(self, batch_size: int | None = None) -> list[NDArray[Any]]:
        """Zeros for each state; the cell must be built."""
        rows = check_integer("batch_size", batch_size, minimum=1)
        if not self.built:
            raise ValueError(f"Cell {self.name!r} is not built, so the shape of its states is unknown.")
        return [np.zeros((rows, *self.built_state_shape), self.dtype) for _ in range(self.n_states)]

    def build(self, input_shape: Shape) -> None:
        """Create the kernels and the bias for a batch of images."""
        shape = self.image_shape(input_shape)
        self.built_state_shape = self.channels_in_place(tuple(shape[1:]))
        taps, width = self.kernel_size, 4 * self.filters
        channels = self.channels_last(input_shape)[-1]
        self.add_cell_weights((*taps, channels, width), (*taps, self.filters, width), (width,))

    def to_last(self, steps: Steps, value: Value, leading: int = 0) -> Value:
        """An image, or with a `leading` axis several, with the channels as last axis."""
        if self.data_format == "channels_last":
            return value
        axes, front = range(leading + 2, leading + 2 + self.rank), value.shape[:leading]
        channels, *sizes = value.shape[leading:]
        return self._moved(steps, value, (*axes, leading + 1), leading, (*front, *sizes, channels))

    def to_place(self, steps: Steps, value: Value, leading: int = 0) -> Value:
        """The way back from `to_last`."""
        if self.data_format == "channels_last":
            return value
        axes, front = range(leading + 1, leading + 1 + self.rank), value.shape[:leading]
        *sizes, channels = value.shape[leading:]
        return self._moved(steps, value, (leading + 1 + self.rank, *axes), leading, (*front, channels, *sizes))

    def _moved(self, steps: Steps, value: Value, axes: tuple[int, ...], leading: int, shape: tuple[int, ...]) -> Value:
        turn = Transposed(f"{self.name}/channels", self.dtype, (*range(1, leading + 1), *axes))
        return steps.add(turn, [value._replace(mask=None)], shape)._replace(mask=value.mask)

    def expand(self, steps: Steps, inputs: list[Value], shape: Any, mask: Mask | None) -> Any:
        """One step over a sequence of length 1; the output, and each state."""
        moved = [self.to_last(steps, value) for value in inputs]
        return [self.to_place(steps, value) for value in super().expand(steps, moved, shape, mask)]

    def check_more_inputs(self, tensors: list[Any], more: list[Any]) -> None:
        """Refuse another number of states, or states of another shape."""
        (_, *shape), _ = self.compute_output_shape(tensors[0].shape)
        check_states(self, "states", more, [tuple(shape)] * self.n_states)

    def compute_output_shape(self, input_shape: Shape, states_shape: Any = None) -> Any:
        """The shape of the output, and a list with the shape of each state."""
        shape = self.image_shape(input_shape)
        shape = (input_shape[0], *self.channels_in_place(tuple(shape[1:])))
        return shape, [shape] * self.n_states

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse images of another number of channels than the kernel was made for."""
        channels = self.channels_last(input_shape)[-1]
        if self.kernel is not None and self.kernel.shape[-2] != channels:
            raise ValueError(
                f"ConvLSTM{self.rank}D was built for {self.kernel.shape[-2]} channels, but got images of shape "
                f"{input_shape}."
            )
