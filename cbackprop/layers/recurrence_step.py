"""One pass of a recurrent cell over the time steps of a sequence, as a step of a network."""

from __future__ import annotations

from typing import Any

from cbackprop.contract.expansion import Steps, Value
from cbackprop.layers.concatenate import Concatenate
from cbackprop.layers.operation import Operation
from cbackprop.variable import Variable

__all__ = ["InputDropout", "RecurrenceStep", "drop_inputs"]


class RecurrenceStep(Operation):
    """A cell, run over all time steps.

    The step's inputs are the sequence (time steps, features), then the states to begin with if it `takes_states`, then
    a mask (time steps) if it `takes_mask`. Where gates drop different inputs, the features of each stand side by side.
    Its output is the sequence of states h, or the last one; with `return_state`
    the final states follow in the same row, which then has one axis.

    There is a subclass for each compiled cell.

    Parameters
    ----------
    cell : RecurrentCell
    name : str
    return_sequences, return_state, go_backwards, zero_output_for_mask : bool, default False
        As `RNN` has them.
    keeps_order : bool, default False
        Whether outputs of a sequence that is gone through backwards stand in the order of the inputs.
    takes_states, takes_mask : bool, default False
    lasting : list of ndarray, default ()
        One array (batch, units) for each state that lasts from batch to batch. The step then sees a batch as a whole.
    """

    reads_output = False

    def __init__(
        self,
        cell: Any,
        name: str,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
        keeps_order: bool = False,
        takes_states: bool = False,
        takes_mask: bool = False,
        lasting: Any = (),
    ) -> None:
        super().__init__(name, cell.dtype)
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.zero_output_for_mask, self.keeps_order = go_backwards, zero_output_for_mask, keeps_order
        self.takes_states, self.takes_mask = takes_states, takes_mask
        self.lasting = list(lasting)
        self.couples_samples = "always" if self.lasting else "never"
        self.units, self.gates, self.n_states = cell.units, cell.gates, cell.n_states
        self.use_bias, self.has_recurrent_bias = cell.use_bias, cell.has_recurrent_bias
        self.input_masks, self.recurrent_masks = cell.input_masks, cell.recurrent_masks
        self.recurrent_rate, self.stream = cell.recurrent_rate, cell.stream

    @property
    def recurrent_function(self) -> Any:
        """The activation of the gates."""
        return self.cell.recurrent_function

    @property
    def outer_function(self) -> Any:
        """The function of the candidate for the new state, and of the cell state."""
        return self.cell.outer_function

    @property
    def kernel(self) -> Variable | None:
        """The kernel that multiplies the inputs: (features, gates * units)."""
        kernel: Variable | None = self.cell.kernel
        return kernel

    @property
    def recurrent_kernel(self) -> Variable | None:
        """The kernel that multiplies the state h: (units, gates * units)."""
        kernel: Variable | None = self.cell.recurrent_kernel
        return kernel

    @property
    def bias(self) -> Variable | None:
        """(gates * units,), or two rows of these: one for each of the products."""
        bias: Variable | None = self.cell.bias
        return bias

    @property
    def variables(self) -> list[Variable]:
        """The weights of the cell."""
        variables: list[Variable] = self.cell.variables
        return variables

    def _sizes(self, input_shapes: list[tuple[int, ...]]) -> tuple[int, int]:
        """Time steps, and the features that each gate reads."""
        length, across = input_shapes[0]
        return length, across // self.input_masks

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """Two products at each time step, and about 30 operations for each gate's function."""
        length, features = self._sizes(input_shapes)
        return length * self.gates * self.units * (2 * (features + self.units) + 30)

    def multiply_adds(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """The multiply-adds of both products."""
        length, features = self._sizes(input_shapes)
        return length * self.gates * self.units * (features + self.units)

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """Each is a sum over samples and time steps."""
        length, features = self._sizes(input_shapes)
        width = length * self.gates * self.units
        found: list[int | None] = [2 * features * width, 2 * self.units * width]
        return [*found, *([width] if self.use_bias else [])]


class InputDropout(Operation):
    """Drop features of a sequence: the same ones at all time steps of a sample.

    Parameters
    ----------
    cell : RecurrentCell
    name : str
    """

    implementation = "dropout.Dropout"
    reads_output = False
    overwrites_input = True
    shares_noise = False

    def __init__(self, cell: Any, name: str) -> None:
        super().__init__(name, cell.dtype)
        self.rate, self.stream = cell.input_rate, cell.stream

    def sample_noise_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """One random number for each feature."""
        return (1, *sample_shape[1:])


def drop_inputs(steps: Steps, cell: Any, name: str, x: Value) -> Value:
    """The inputs of a cell at each time step. If gates drop different inputs, these are side by side."""
    if cell.input_rate == 0:
        return x
    found = [
        steps.add(InputDropout(cell, f"{name}/dropout_{gate}" if gate else f"{name}/dropout"), [x], x.shape)
        for gate in range(cell.input_masks)
    ]
    if len(found) == 1:
        return found[0]
    together = Concatenate(len(x.shape), name=f"{name}/gates", dtype=cell.dtype)
    return steps.add(together, found, (*x.shape[:-1], len(found) * x.shape[-1]))
