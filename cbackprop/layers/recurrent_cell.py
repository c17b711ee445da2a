"""The base of the cells of recurrent layers: what one does at a time step, and with which weights."""

from __future__ import annotations

import inspect
import math
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from cbackprop import activations, constraints, initializers, random, regularizers
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.layer import Layer
from cbackprop.layers.parts import parts_of
from cbackprop.layers.recurrence_step import RecurrenceStep, drop_inputs
from cbackprop.tensor import Shape
from cbackprop.validation import ArgumentTypeError, check_boolean, check_integer, check_number, named
from cbackprop.variable import Variable

__all__ = [
    "RecurrentCell",
    "cell_output_size",
    "check_cell",
    "check_states",
    "flat_sizes",
    "initial_states",
    "state_shapes_of",
]


def _call(inputs: Any, states: Any, training: Any = None) -> None:
    """The arguments of a call of a cell."""


class RecurrentCell(Layer):
    """Base of the cells with weights for the input (`kernel`) and for the state (`recurrent_kernel`).

    Parameters: see `LSTMCell`.
    """

    call_signature: ClassVar[inspect.Signature] = inspect.signature(_call)
    # How many gates there are, each with its columns of the kernels, and how many states.
    gates: ClassVar[int] = 1
    n_states: ClassVar[int] = 1
    # The operation that runs the cell over time steps.
    step_class: ClassVar[type[RecurrenceStep]]
    # Whether the bias has a second row, for the product with the state.
    has_recurrent_bias: bool = False

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        # Of Keras: in which way the same numbers are computed. Only in the first, gates drop different numbers.
        implementation = check_integer("implementation", kwargs.pop("implementation", 2), minimum=0, maximum=2)
        super().__init__(**kwargs)
        self.units = check_integer("units", units, minimum=1)
        self.activation = self._checked_function("activation", activation)
        self.use_bias = check_boolean("use_bias", use_bias)
        self.kernel_initializer = named("kernel_initializer", initializers.get, kernel_initializer)
        self.recurrent_initializer = named("recurrent_initializer", initializers.get, recurrent_initializer)
        self.bias_initializer = named("bias_initializer", initializers.get, bias_initializer)
        self.kernel_regularizer = named("kernel_regularizer", regularizers.get, kernel_regularizer)
        self.recurrent_regularizer = named("recurrent_regularizer", regularizers.get, recurrent_regularizer)
        self.bias_regularizer = named("bias_regularizer", regularizers.get, bias_regularizer)
        self.kernel_constraint = named("kernel_constraint", constraints.get, kernel_constraint)
        self.recurrent_constraint = named("recurrent_constraint", constraints.get, recurrent_constraint)
        self.bias_constraint = named("bias_constraint", constraints.get, bias_constraint)
        self.dropout = check_number("dropout", dropout, 0, 1)
        self.recurrent_dropout = check_number("recurrent_dropout", recurrent_dropout, 0, 1)
        self.gates_differ = implementation == 1 or self.recurrent_dropout > 0
        self.seed = None if seed is None else check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
        self.stream = random.draw_seed() if self.seed is None else self.seed
        self.kernel: Variable | None = None
        self.recurrent_kernel: Variable | None = None
        self.bias: Variable | None = None

    def _checked_function(self, name: str, value: Any) -> Any:
        """A function of gates: one of this library that leaves the units as they are.

        Raises
        ------
        TypeError
            If it is a function in Python.
        ValueError
            If it halves its input.
        """
        found = named(name, activations.get, value)
        function = found.as_activation() if isinstance(found, Layer) else found
        if function is not None and not isinstance(function, activations.ActivationFunction):
            raise TypeError(
                f"{name} of {type(self).__name__} must be an activation of this library, which computes in C, but got "
                f"{value!r}. A cell in Python may use any function: see layers.RNN."
            )
        if function is not None and function.kernel().halves:
            raise ValueError(f"{name} of {type(self).__name__} must return as many numbers as it gets: no {value!r}.")
        return found

    def _kernel_of(self, value: Any) -> activations.Kernel:
        """The kernel that engines run for a function of gates."""
        if isinstance(value, Layer):
            value = value.as_activation()
        kernel: activations.Kernel = (activations.linear if value is None else value).kernel()
        return kernel

    @property
    def outer_function(self) -> activations.Kernel:
        """The function of the candidate for the new state."""
        return self._kernel_of(self.activation)

    @property
    def recurrent_function(self) -> activations.Kernel:
        """The function of the gates; unused in a cell without gates."""
        return self._kernel_of(getattr(self, "recurrent_activation", activations.sigmoid))

    def _rate(self, dropout: float) -> float:
        """The share of inputs that is dropped. As in Keras, it is 0 instead of 1 if there are several gates."""
        return 0.0 if dropout == 1 and self.gates > 1 else dropout

    @property
    def input_rate(self) -> float:
        """The share of inputs that are dropped."""
        return self._rate(self.dropout)

    @property
    def recurrent_rate(self) -> float:
        """The share of the state that is dropped before it is multiplied."""
        return self._rate(self.recurrent_dropout)

    @property
    def input_masks(self) -> int:
        """How many different inputs the gates have: 1, or if each drops others, one for each."""
        return self.gates if self.input_rate and self.gates_differ else 1

    @property
    def recurrent_masks(self) -> int:
        """How many different states the gates multiply: 1, or if each drops others, one for each."""
        return self.gates if self.recurrent_rate else 1

    @property
    def function(self) -> None:
        """``None``: nothing follows the cell."""
        return

    @property
    def state_size(self) -> Any:
        """The size of the state, or a list with the size of each state."""
        return self.units if self.n_states == 1 else [self.units] * self.n_states

    @property
    def output_size(self) -> int:
        """Numbers of the output."""
        return self.units

    def state_shapes(self, sample_shape: tuple[Any, ...]) -> list[tuple[int, ...]]:
        """The shape of each state of a sample, for an input of this shape at a time step."""
        return [(self.units,)] * self.n_states

    def make_step(self, name: str, sample_shape: tuple[int, ...], **options: Any) -> RecurrenceStep:
        """The operation that runs the cell over time steps; `sample_shape` is that of an input at one of them."""
        return self.step_class(self, name, **options)

    def get_initial_state(self, batch_size: int | None = None) -> list[NDArray[Any]]:
        """Zeros for each state, of shape (batch_size, units)."""
        rows = check_integer("batch_size", batch_size, minimum=1)
        return [np.zeros((rows, self.units), self.dtype) for _ in range(self.n_states)]

    def build(self, input_shape: Shape) -> None:
        """Create the kernels and the bias for inputs (batch, features)."""
        width = self.gates * self.units
        bias = (2, width) if self.has_recurrent_bias else (width,)
        self.add_cell_weights((*input_shape[-1:], width), (self.units, width), bias)

    def add_cell_weights(self, kernel: Shape, recurrent_kernel: Shape, bias: Shape) -> None:
        """Create the kernels and the bias, of these shapes."""
        self.kernel = self.add_weight(
            kernel,
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            recurrent_kernel,
            self.recurrent_initializer,
            name="recurrent_kernel",
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                bias,
                self.first_bias,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    @property
    def first_bias(self) -> Any:
        """The initial values of the bias."""
        return self.bias_initializer

    def compute_output_shape(self, input_shape: Shape, states_shape: Any = None) -> Any:
        """The shape of the output, and a list with the shape of each state."""
        if len(input_shape) != 2 or input_shape[-1] == 0:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs inputs (batch, features), but got shape {input_shape}."
            )
        shape = (input_shape[0], self.units)
        return shape, [shape] * self.n_states

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse inputs with another number of features than the kernel has rows."""
        if self.kernel is not None and self.kernel.shape[0] != input_shape[-1]:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} was built for {self.kernel.shape[0]} features, but got shape "
                f"{input_shape}."
            )

    def check_more_inputs(self, tensors: list[Any], more: list[Any]) -> None:
        """Refuse another number of states, or states of another size."""
        check_states(self, "states", more, self.state_shapes(tensors[0].shape[1:]))

    def expand(self, steps: Steps, inputs: list[Value], shape: Any, mask: Mask | None) -> Any:
        """One step over a sequence of length 1; the output, and each state."""
        sample = inputs[0].shape
        x = drop_inputs(steps, self, self.name, inputs[0]._replace(shape=(1, *sample), mask=None))
        step = self.make_step(self.name, sample, return_state=True, takes_states=True)
        shapes = self.state_shapes(sample)
        whole = steps.add(step, [x, *inputs[1:]], (sum(map(math.prod, [shapes[0], *shapes])),))
        return parts_of(steps, step, whole, [shapes[0], *shapes])


def check_cell(name: str, cell: Any, owner: Layer) -> Any:
    """A cell of a recurrent layer.

    Raises
    ------
    TypeError, ValueError
        If it is no layer with a `state_size`, or computes in another float type than its owner.
    """
    if not isinstance(cell, Layer) or getattr(cell, "state_size", None) is None:
        raise ArgumentTypeError(
            f"{name} must be a recurrent cell, such as layers.LSTMCell, or a layer in Python with call(inputs, states) "
            f"and state_size, but got {cell!r}."
        )
    flat_sizes(cast(Any, cell).state_size)
    if cell.dtype != owner.dtype:
        what = f"{name}, {cell.name!r}, computes in {cell.dtype}"
        raise ValueError(f"{what}, but {type(owner).__name__} in {owner.dtype}.")
    return cell


def flat_sizes(state_size: Any) -> list[int]:
    """The sizes of all states, in order.

    Raises
    ------
    TypeError, ValueError
        If one is no positive whole number.
    """
    if isinstance(state_size, (list, tuple)):
        return [size for each in state_size for size in flat_sizes(each)]
    return [check_integer("state_size of a cell", state_size, minimum=1)]


def cell_output_size(cell: Any) -> int:
    """The size of a cell's output: its `output_size`, or the size of its first state."""
    size = getattr(cell, "output_size", None)
    return flat_sizes(cell.state_size)[0] if size is None else int(size)


def initial_states(state_size: Any, make: Any) -> list[Any]:
    """The result of `make` for each size, in lists that are nested like those of the sizes."""
    sizes = state_size if isinstance(state_size, (list, tuple)) else [state_size]
    return [initial_states(size, make) if isinstance(size, (list, tuple)) else make(size) for size in sizes]


def state_shapes_of(cell: Any, sample_shape: tuple[Any, ...]) -> list[tuple[int, ...]]:
    """The shape of each state of a sample, for an input of this shape at a time step."""
    if isinstance(cell, RecurrentCell):
        return cell.state_shapes(sample_shape)
    return [(size,) for size in flat_sizes(cell.state_size)]


def check_states(layer: Any, name: str, states: list[Any], shapes: list[tuple[int, ...]]) -> None:
    """Refuse states if their number or the shape of a sample is not that of the layer.

    Raises
    ------
    TypeError
        If one is no tensor.
    ValueError
        If number or shape is wrong.
    """
    strangers = [state for state in states if not hasattr(state, "shape")]
    if strangers:
        what = f"{name} of layer {layer.name!r} must hold tensors or arrays"
        raise ArgumentTypeError(f"{what}, but got {strangers[0]!r}.")
    wanted = [(None, *shape) for shape in shapes]
    found = [tuple(state.shape) for state in states]
    if [shape[1:] for shape in found] != [shape[1:] for shape in wanted]:
        raise ValueError(
            f"{name} of {type(layer).__name__} {layer.name!r} must be {len(shapes)} tensor(s), of shapes {wanted}, but "
            f"got {len(found)}, of shapes {found}."
        )
