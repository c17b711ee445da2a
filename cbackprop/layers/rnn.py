"""RNN: the base of recurrent layers, which run a cell over the time steps of sequences."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from typing import Any, ClassVar

import numpy as np

from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.parts import parts_of
from cbackprop.layers.python_recurrence import PythonRecurrence
from cbackprop.layers.recurrence_step import drop_inputs
from cbackprop.layers.recurrent_cell import (
    RecurrentCell,
    cell_output_size,
    check_cell,
    check_states,
    flat_sizes,
    initial_states,
    state_shapes_of,
)
from cbackprop.layers.stacked_rnn_cells import StackedRNNCells
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean, check_integer, check_memory
from cbackprop.variable import Variable

__all__ = ["RNN", "CellLayer", "of_cell"]


def _call(inputs: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> None:
    """The arguments of a call of a recurrent layer."""


class LastingStates:
    """States that last from batch to batch. They are no weights: nothing saves or trains them.

    Parameters
    ----------
    shapes : list of tuple of int
    dtype : str
    """

    def __init__(self, shapes: list[tuple[int, ...]], dtype: str) -> None:
        for shape in shapes:
            check_memory("the states of a recurrent layer", shape)
        self.states = [Variable("zeros", shape, dtype, False, name="rnn_state") for shape in shapes]
        self.rows = shapes[0][0]

    @property
    def arrays(self) -> list[Any]:
        """The numbers of the states, as a view."""
        return [state.array for state in self.states]


@registry.register()
class RNN(Layer):
    """Run a cell over the time steps of sequences.

    Parameters
    ----------
    cell : Layer, or list of Layer
        A recurrent cell of this library, `StackedRNNCells`, a list of cells, which are stacked, or a cell in Python:
        see the notes.
    return_sequences : bool, default False
        Whether the outputs of all time steps are returned, in the order in which they are made, instead of the last.
    return_state : bool, default False
        Whether the final states are returned as well.
    go_backwards : bool, default False
        Whether the time steps are gone through from the last to the first.
    stateful : bool, default False
        Whether each batch begins with the states that the one before has left, sample by sample. The batch size must
        then be known, ``Input(..., batch_size=n)``. `reset_state` begins again.
    unroll : bool, default False
        Accepted so that scripts for Keras run; it has no effect.
    zero_output_for_mask : bool, default False
        Whether the output at a hidden time step is 0, not that of the step before.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    states : list of Variable or None
        With `stateful` the states, of shape (batch, size).

    Notes
    -----
    Input (batch, steps, features), output (batch, size), or with `return_sequences` (batch, steps, size). With
    `return_state` the states follow.

    A call takes ``initial_state``, a list of the states to begin with instead of zeros, and ``mask``, which hides time
    steps of single samples: there, states stay as they are. By default that is the mask that the input has; as in
    Keras, a call with `initial_state` reads only a mask that it is given.

    A cell in Python is a `Layer` with ``call(inputs, states)``, which returns the output and a list of the new states,
    and a ``state_size``, a number or a list of them; if the output has another size than the first state, also an
    ``output_size``. To be trained it needs ``backward(inputs, outputs, delta)``: `inputs` is a dict ``{"inputs": x,
    "states": [...]}``, `outputs` and `delta` are ``(output, [state, ...])``. It returns the deltas in a dict like
    `inputs`, with trainable weights a tuple of that and of the list of their gradients. It is called for each time step
    by one thread, and once more in the backward pass.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, the input has another number of axes, or states, masks or batch sizes do
        not fit.

    References
    ----------
    Werbos, "Backpropagation through time: what it does and how to do it", Proceedings of the IEEE 78, 1990. Arguments
    and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.RNN(cb.layers.GRUCell(4), return_sequences=True, return_state=True)
    >>> outputs, state = layer(np.ones((2, 5, 3)))
    >>> outputs.shape, state.shape, bool((outputs[:, -1] == state).all())
    ((2, 5, 4), (2, 4), True)
    >>> class Sum(cb.layers.Layer):
    ...     '''The state is the sum of all inputs so far.'''
    ...
    ...     state_size = 3
    ...
    ...     def call(self, inputs, states):
    ...         total = inputs + states[0]
    ...         return total, [total]
    ...
    ...     def backward(self, inputs, outputs, delta):
    ...         through = delta[0] + delta[1][0]
    ...         return {"inputs": through, "states": [through]}
    >>> cb.layers.RNN(Sum())(np.ones((1, 5, 3)))
    array([[5., 5., 5.]], dtype=float32)
    """

    call_signature: ClassVar[inspect.Signature] = inspect.signature(_call)
    holds_layers = True
    supports_masking = True
    reads_output = False

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell, dtype=self.dtype)
        self.cell = check_cell("cell", cell, self)
        self.return_sequences = check_boolean("return_sequences", return_sequences)
        self.return_state = check_boolean("return_state", return_state)
        self.go_backwards = check_boolean("go_backwards", go_backwards)
        self.stateful = check_boolean("stateful", stateful)
        self.unroll = check_boolean("unroll", unroll)
        self.zero_output_for_mask = check_boolean("zero_output_for_mask", zero_output_for_mask)
        self._lasting: LastingStates | None = None

    @property
    def fixes_batch_size(self) -> bool:  # type: ignore[override]
        """Whether states last from batch to batch, each sample's by its place in the batch."""
        return self.stateful

    @property
    def states(self) -> list[Variable] | None:
        """The states that last from batch to batch, each (batch, units); ``None`` without `stateful` or a shape."""
        return None if self._lasting is None else list(self._lasting.states)

    def reset_state(self) -> None:
        """Begin with zeros again, where states last from batch to batch."""
        for state in self.states or []:
            state.assign(np.zeros(state.shape))

    def reset_states(self) -> None:
        """`reset_state`, under its older name."""
        self.reset_state()

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The initial states of `batch_size` sequences, from the cell, or zeros of shape (batch_size, units)."""
        of_cell = getattr(self.cell, "get_initial_state", None)
        if of_cell is not None:
            found = of_cell(batch_size=batch_size)
        else:
            rows = check_integer("batch_size", batch_size, minimum=1)
            found = [np.zeros((rows, size), self.dtype) for size in flat_sizes(self.cell.state_size)]
        return list(found) if isinstance(found, (list, tuple)) else [found]

    @property
    def function(self) -> None:
        """``None``: nothing follows the cell."""
        return

    @property
    def state_size(self) -> list[Any]:
        """Numbers of each state."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    @property
    def cells(self) -> list[Any]:
        """The cell, or the stacked cells."""
        return self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]

    @property
    def n_states(self) -> int:
        """How many states there are."""
        return len(flat_sizes(self.state_size))

    def state_shapes(self, input_shape: Shape) -> list[tuple[int, ...]]:
        """The shape of each state of a sample, for sequences of this shape."""
        return [shape for cell in self.cells for shape in state_shapes_of(cell, input_shape[2:])]

    def lasting_shapes(self, input_shape: Shape) -> list[tuple[int, ...]]:
        """The same for states that last from batch to batch."""
        return self.state_shapes(input_shape)

    def build(self, input_shape: Shape) -> None:
        """Create the weights of the cell, for sequences (batch, steps, features)."""
        if not self.cell.built:
            self.cell.build((input_shape[0], *input_shape[2:]))
        if self.stateful:
            rows = input_shape[0]
            if rows is None:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r} is stateful, so its batch size must be known, but got "
                    f"inputs of shape {input_shape}. Give Input a batch_size, or batch_shape."
                )
            self._lasting = LastingStates([(rows, *shape) for shape in self.lasting_shapes(input_shape)], self.dtype)

    def compute_output_shape(self, input_shape: Shape, initial_state_shape: Any = None) -> Any:
        """(batch, units), or (batch, steps, units) for sequences; with states a tuple of this and of their shapes."""
        if len(input_shape) != 3 or 0 in input_shape[1:]:
            hint = " If the layer before is recurrent, give it return_sequences=True. Word numbers need an Embedding."
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs inputs (batch, steps, features), at least one of each, but "
                f"got shape {input_shape}.{hint if len(input_shape) == 2 else ''}"
            )
        rows, steps = input_shape[:2]
        units = cell_output_size(self.cell)
        shape = (rows, steps, units) if self.return_sequences else (rows, units)
        if not self.return_state:
            return shape
        return shape, *initial_states(self.state_size, lambda size: (rows, size))

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse sequences of another number of features, or batches of another size than that of lasting states."""
        self.cell.check_built_for((input_shape[0], *input_shape[2:]))
        if self._lasting is not None and input_shape[0] != self._lasting.rows:
            raise ValueError(
                f"If an RNN is stateful, the batch size of the input sequences must be that of its states: "
                f"{type(self).__name__} {self.name!r} has states for {self._lasting.rows} samples, but got inputs of "
                f"shape {input_shape}."
            )

    def check_more_inputs(self, tensors: list[Any], more: list[Any]) -> None:
        """Refuse another number of initial states, or states of another size."""
        if more:
            check_states(self, "initial_state", more, self.state_shapes(tensors[0].shape))

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """The mask of the input, if the output is a sequence."""
        if masks[0] is not None and masks[0] != shapes[0][:1]:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs a mask of {shapes[0][0]} steps for a sample, but got one "
                f"of shape {masks[0]}."
            )
        return 0 if masks[0] is not None and self.return_sequences else None

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the input, if the output is a sequence; none for states."""
        sequence = mask[0] if isinstance(mask, (list, tuple)) else mask
        sequence = sequence if self.return_sequences else None
        return [sequence, *[None] * self.n_states] if self.return_state else sequence

    def expand(self, steps: Steps, inputs: list[Value], shape: Any, mask: Mask | None) -> Any:
        """The steps of a call: the output, with states a list of it and of them."""
        return self.expand_cell(steps, inputs)

    def expand_cell(
        self, steps: Steps, inputs: list[Value], keeps_order: bool = False, zero_output: bool = False
    ) -> Any:
        """The steps of a call, with outputs in the order of the inputs if it `keeps_order`.

        With `zero_output`, outputs are 0 where a mask hides them.
        """
        x, given = inputs[0], iter(inputs[1:])
        hidden = [] if x.mask is None else [x.mask]
        lasting = iter([] if self._lasting is None else self._lasting.arrays)
        states: list[Value] = []
        for number, cell in enumerate(self.cells):
            is_last = number == len(self.cells) - 1
            count = len(state_shapes_of(cell, x.shape[1:]))
            own = list(itertools.islice(given, count))
            options = {
                "return_sequences": self.return_sequences or not is_last,
                "return_state": self.return_state,
                "go_backwards": self.go_backwards,
                "zero_output_for_mask": self.zero_output_for_mask or zero_output,
                "keeps_order": keeps_order or not is_last,
                "takes_states": bool(own),
                "takes_mask": bool(hidden),
                "lasting": list(itertools.islice(lasting, count)),
            }
            name = f"{self.name}/{number}" if number else self.name
            x, *new = _run_cell(steps, name, cell, [x, *own], hidden, options)
            states += new
        return [x, *states] if self.return_state else x


def _run_cell(
    steps: Steps, name: str, cell: Any, inputs: list[Value], hidden: list[Mask], options: dict[str, Any]
) -> list[Value]:
    """The steps of a cell over a sequence: its output, and its states if they are returned."""
    x, sample = inputs[0], inputs[0].shape[1:]
    states = state_shapes_of(cell, sample)
    step: Any
    if isinstance(cell, RecurrentCell):
        step, one = cell.make_step(name, sample, **options), states[0]
        x = drop_inputs(steps, cell, name, x)
    else:
        step, one = PythonRecurrence(cell, name, **options), (cell_output_size(cell),)
    shape = (x.shape[0], *one) if options["return_sequences"] else one
    read: list[Value | Mask] = [x, *inputs[1:], *hidden]
    if not options["return_state"]:
        return [steps.add(step, read, shape)]
    whole = steps.add(step, read, (sum(map(math.prod, [shape, *states])),))
    return parts_of(steps, step, whole, [shape, *states])


def of_cell(name: str) -> Any:
    """An argument that the layer has given to its cell."""

    def read(layer: Any) -> Any:
        return getattr(layer.cell, name)

    return property(read, doc=f"The cell's `{name}`.")


class CellLayer(RNN):
    """Base of the recurrent layers that make their cell themselves, from their first arguments."""

    units = of_cell("units")
    activation = of_cell("activation")
    recurrent_activation = of_cell("recurrent_activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    unit_forget_bias = of_cell("unit_forget_bias")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")
    reset_after = of_cell("reset_after")
    seed = of_cell("seed")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, including the cell's arguments."""
        config = super().get_config()
        config.pop("cell", None)
        return config

    @classmethod
    @functools.cache
    def argument_names(cls) -> tuple[str, ...]:
        """The names of the constructor's arguments: there is no `cell`."""
        return tuple(name for name in super().argument_names() if name != "cell")
