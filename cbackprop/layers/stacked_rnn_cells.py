"""StackedRNNCells: several cells as one. The input of each cell is the output of the one before."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.recurrent_cell import cell_output_size, check_cell, check_states, flat_sizes, initial_states
from cbackprop.tensor import Shape
from cbackprop.validation import ArgumentTypeError, type_name

__all__ = ["StackedRNNCells"]


def _call(inputs: Any, states: Any, training: Any = None) -> None:
    """The arguments of a call."""


@registry.register()
class StackedRNNCells(Layer):
    """Several cells as one. The input of each cell is the output of the one before.

    Parameters
    ----------
    cells : list of Layer
        Recurrent cells, see `RNN`.
    **kwargs
        See `Layer`.

    Notes
    -----
    In `RNN`, that gives the same numbers as one `RNN` layer for each cell, one behind the other. Its states are those
    of all cells: a list with the state, or the list of states, of each.

    Raises
    ------
    TypeError, ValueError
        If `cells` is no list of cells, or is empty.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cells = cb.layers.StackedRNNCells([cb.layers.LSTMCell(16), cb.layers.GRUCell(8)])
    >>> cells.state_size, cells.output_size
    ([[16, 16], 8], 8)
    >>> cb.layers.RNN(cells)(cb.Input((10, 3))).shape
    (None, 8)
    """

    call_signature: ClassVar[inspect.Signature] = inspect.signature(_call)
    holds_layers = True

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)):
            raise ArgumentTypeError(f"cells must be a list of recurrent cells, but got {type_name(cells)}.")
        if not cells:
            raise ValueError("cells must hold at least one recurrent cell, but is empty.")
        self.cells = [check_cell(f"cells[{k}]", cell, self) for k, cell in enumerate(cells)]

    @property
    def state_size(self) -> list[Any]:
        """The state size of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The output size of the last cell."""
        return cell_output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros for the states of each cell."""
        return [cell.get_initial_state(batch_size=batch_size) for cell in self.cells]

    def build(self, input_shape: Shape) -> None:
        """Create the weights of the cells, for inputs (batch, features)."""
        for cell in self.cells:
            if not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], cell_output_size(cell))

    def compute_output_shape(self, input_shape: Shape, states_shape: Any = None) -> Any:
        """The shape of the output, and a list with the shapes of the states of each cell."""
        if len(input_shape) != 2:
            raise ValueError(
                f"StackedRNNCells {self.name!r} needs inputs (batch, features), but got shape {input_shape}."
            )
        return (input_shape[0], self.output_size), initial_states(self.state_size, lambda size: (input_shape[0], size))

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse inputs with another number of features."""
        self.cells[0].check_built_for(input_shape)

    def check_more_inputs(self, tensors: list[Any], more: list[Any]) -> None:
        """Refuse another number of states, or states of another size."""
        check_states(self, "states", more, [(size,) for size in flat_sizes(self.state_size)])

    def expand(self, steps: Steps, inputs: list[Value], shape: Any, mask: Mask | None) -> Any:
        """A call of each cell; the output, and all states."""
        x, given = inputs[0], iter(inputs[1:])
        states: list[Value] = []
        for cell in self.cells:
            own = [next(given) for _ in flat_sizes(cell.state_size)]
            x, *new = cell.expand(steps, [x, *own], None, None)
            states += new
        return [x, *states]
