"""A cell in Python over the time steps of a sequence, as a step of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.call_arguments import takes
from cbackprop.layers.call_context import calling
from cbackprop.layers.python_step import PythonStep, checked_array
from cbackprop.layers.recurrent_cell import cell_output_size, flat_sizes
from cbackprop.tensor import flatten
from cbackprop.variable import Variable

__all__ = ["PythonRecurrence"]

Array = NDArray[Any]


class PythonRecurrence(PythonStep):
    """As `RecurrenceStep`, for a cell that has ``call(inputs, states)``, and ``backward(inputs, outputs, delta)``.

    Parameters: see `RecurrenceStep`.
    """

    def __init__(self, cell: Any, name: str, **options: Any) -> None:
        super().__init__(name, cell.dtype)
        self.cell = cell
        self.sizes = flat_sizes(cell.state_size)
        self.units, self.n_states = cell_output_size(cell), len(self.sizes)
        self.return_sequences = options.get("return_sequences", False)
        self.return_state = options.get("return_state", False)
        self.go_backwards = options.get("go_backwards", False)
        self.zero_output_for_mask = options.get("zero_output_for_mask", False)
        self.keeps_order = options.get("keeps_order", False)
        self.takes_states, self.takes_mask = options.get("takes_states", False), options.get("takes_mask", False)
        self.lasting = list(options.get("lasting", ()))
        # The states at the beginning of a batch, if states last. Those at its end take their place.
        self._begun: list[Array] | None = None

    @property
    def variables(self) -> list[Variable]:
        """The weights of the cell."""
        variables: list[Variable] = self.cell.variables
        return variables

    @property
    def backward(self) -> Any:
        """The cell's `backward`; ``None`` if it has none."""
        return getattr(self.cell, "backward", None)

    @property
    def without_backward(self) -> str:
        """The message of the error that is raised if a gradient must pass and the cell has no `backward`."""
        return (
            f"Cell {self.cell.name!r} of class {type(self.cell).__name__} is written in Python, and gradients must "
            "pass through it: define backward(inputs, outputs, delta), see layers.RNN. There is no automatic "
            "differentiation."
        )

    def _run(self, inputs: list[Array], first: list[Array], training: bool) -> tuple[list[Any], list[Array], Array]:
        """Call the cell at each time step: what each call got and returned, the last states, and which steps count."""
        x, cell = inputs[0], self.cell
        rows, length = x.shape[:2]
        mask = inputs[-1] != 0 if self.takes_mask else np.ones((rows, length), bool)
        states, calls = first, []
        more = {"training": training} if takes(cell.call, "training") else {}
        with calling(cell, training):
            for k in range(length):
                t = length - 1 - k if self.go_backwards else k
                output, new = cell.call(x[:, t], list(states), **more)
                new = flatten(new)
                output = checked_array(cell, "The output", output, (rows, self.units))
                if len(new) != self.n_states:
                    raise ValueError(f"Cell {cell.name!r} must return {self.n_states} states, but returned {len(new)}.")
                new = [
                    checked_array(cell, f"State {i}", state, (rows, size))
                    for i, (state, size) in enumerate(zip(new, self.sizes, strict=True))
                ]
                calls.append((t, x[:, t], states, output, new))
                there = mask[:, t, None]
                states = [np.where(there, after, before) for after, before in zip(new, states, strict=True)]
        return calls, states, mask

    def evaluate(self, inputs: list[Array], output_shape: tuple[int, ...], training: bool) -> Array:
        """The outputs of all time steps or the last, and the final states if wanted."""
        rows, length = inputs[0].shape[:2]
        first = [np.zeros((rows, size), self.dtype) for size in self.sizes]
        if self.takes_states:
            first = list(inputs[1 : 1 + self.n_states])
        elif self.lasting:
            first = [array.copy() for array in self.lasting]
        self._begun = first
        calls, states, mask = self._run(inputs, first, training)
        outputs = np.zeros((rows, length, self.units), self.dtype)
        last = np.zeros((rows, self.units), self.dtype)
        for k, (t, _, _, output, _) in enumerate(calls):
            last = np.where(mask[:, t, None], output, 0 if self.zero_output_for_mask else last)
            outputs[:, t if self.keeps_order else k] = last
        for array, state in zip(self.lasting, states, strict=False):
            array[...] = state
        shown = outputs.reshape(rows, -1) if self.return_sequences else last
        if self.return_state:
            shown = np.concatenate([shown, *states], axis=1)
        return checked_array(self.cell, "The output", shown.reshape(rows, *output_shape), (rows, *output_shape))

    def differentiate(self, inputs: list[Array], outputs: Array, delta: Array) -> tuple[list[Array], list[Array]]:
        """Run back through the time steps. The cell is called again, and must return the same results."""
        x, cell, wanted = inputs[0], self.cell, self.cell.trainable_variables
        rows, length = x.shape[:2]
        first = list(inputs[1 : 1 + self.n_states]) if self.takes_states else self._begun
        assert first is not None
        calls, states, mask = self._run(inputs, first, True)
        flat = delta.reshape(rows, -1)
        reached = [np.zeros_like(state) for state in states]
        if self.return_state:
            cuts = np.cumsum(self.sizes)[:-1]
            reached = [np.array(part) for part in np.split(flat[:, -sum(self.sizes) :], cuts, axis=1)]
            flat = flat[:, : -sum(self.sizes)]
        repeated = np.zeros((rows, self.units), self.dtype) if self.return_sequences else flat
        dx, totals = np.zeros_like(x), {variable: np.zeros(variable.shape, self.dtype) for variable in wanted}
        for k in reversed(range(length)):
            t, given, before, output, new = calls[k]
            there = mask[:, t, None]
            if self.return_sequences:
                repeated = repeated + flat.reshape(rows, length, -1)[:, t if self.keeps_order else k]
            arrived = [np.where(there, state, 0) for state in reached]
            d_output = np.where(there, repeated, 0)
            repeated = np.where(there, 0, 0 if self.zero_output_for_mask else repeated)
            found = self.backward({"inputs": given, "states": before}, (output, new), (d_output, arrived))
            deltas, gradients = found if wanted else (found, [])
            if wanted and len(gradients) != len(wanted):
                raise ValueError(f"backward of cell {cell.name!r} must return {len(wanted)} gradients.")
            dx[:, t] = checked_array(cell, "The input delta", deltas["inputs"], given.shape)
            passed = [
                checked_array(cell, f"Delta of state {i}", value, state.shape)
                for i, (value, state) in enumerate(zip(flatten(deltas["states"]), before, strict=True))
            ]
            reached = [np.where(there, a, b) for a, b in zip(passed, reached, strict=True)]
            for variable, gradient in zip(wanted, gradients, strict=True):
                totals[variable] += checked_array(cell, f"The gradient of {variable.name!r}", gradient, variable.shape)
        zeros = [np.zeros_like(inputs[-1])] if self.takes_mask else []
        everything = [totals.get(variable, np.zeros(variable.shape, self.dtype)) for variable in self.variables]
        return [dx, *(reached if self.takes_states else []), *zeros], everything
