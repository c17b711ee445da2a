"""The base of all layers: what a user describes, without the arithmetic."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from cbackprop import config, regularizers
from cbackprop.absent import attribute_missing
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers import layer_config
from cbackprop.layers.activated_operation import ActivatedOperation
from cbackprop.layers.adjusting import adjust, check_fixed, check_set, note_set
from cbackprop.layers.building import check_begun, checked_build
from cbackprop.layers.call_arguments import CallArguments
from cbackprop.layers.call_context import current_call, works
from cbackprop.layers.connecting import connect_python, observed_shape
from cbackprop.layers.connection_methods import ConnectionMethods
from cbackprop.layers.loss_methods import LossMethods
from cbackprop.layers.mask_methods import MaskMethods
from cbackprop.layers.names import unique_name
from cbackprop.layers.shapes import check_sizes
from cbackprop.layers.subclassing import prepare_subclass
from cbackprop.layers.tracking import holds, sublayers
from cbackprop.layers.weight_methods import WeightMethods
from cbackprop.number_types import check_float_type
from cbackprop.registry import Registry
from cbackprop.spec import Adjustable, Spec
from cbackprop.tensor import Node, Shape
from cbackprop.validation import check_boolean, check_integer, check_name, named
from cbackprop.variable import Variable

__all__ = ["Layer", "NothingComputedError", "registry"]

registry = Registry("layer", "layers")


class NothingComputedError(NotImplementedError, TypeError):
    """A class of layers has no computation."""


class Layer(ConnectionMethods, WeightMethods, LossMethods, MaskMethods, ActivatedOperation, Spec):
    """Base of all layers.

    A subclass may define its computation in Python, on NumPy arrays, with these methods; see the example.

    ``build(input_shape)``
        Creates weights by `add_weight`; shapes begin with the batch axis, ``None``.
    ``compute_output_shape(input_shape)``
        Returns the output's shape, or a structure of shapes for several outputs. By default the layer is called on
        zeros to find it; an exception of that call is raised.
    ``call(inputs, training=False, mask=None)``
        Returns the outputs (batch, ...): one array, or a tuple, list or dict of arrays. `inputs` is an array, or a list
        or dict of arrays if the layer is called on several tensors. `training` and `mask` are passed if there are such
        arguments. There may be further arguments: tensors and arrays by position or by name, anything else by name. If
        several arguments are tensors, the mask of ``x`` is passed as ``x_mask``.
    ``backward(inputs, outputs, delta)``
        Returns dL/dinputs, in the structure of the inputs. If the layer has trainable weights, it returns a tuple: that
        and the list of their gradients, in the order of `trainable_weights`. `inputs` and `outputs` are what `call` got
        and returned, and ``delta = dL/doutputs`` has the structure of the outputs. If several arguments of `call` are
        tensors, inputs and their deltas are dicts by the names of these arguments. Other arguments of `call` are passed
        if `backward` has arguments of the same names. There is no automatic differentiation, so a layer without this
        method can be used only where no gradient is needed.
    ``compute_mask(inputs, previous_mask)``
        Returns the mask of the output; see `compute_mask`. With ``supports_masking = True`` instead of this method, the
        output has the mask of the first input. With neither, it has no mask.

    Layers in attributes, also within lists, tuples and dicts, belong to the layer. Their weights are among its
    `weights`, and are saved and frozen with it. When `call` calls them on arrays, they get its `training`.

    A layer that only combines others defines `expand` instead of `call` and `backward`. Then the others are computed
    and trained in C. If a layer has a `call`, its `backward` returns the gradients of their weights after those of its
    own. Without `backward` it works on arrays, but if one of the others has trainable weights, it is refused when it is
    connected to symbolic tensors.

    Parameters
    ----------
    name : str, optional
        Unique in a model; made from the class by default.
    trainable : bool, default True
        Whether training changes the layer's weights. A model looks at this when it is compiled.
    dtype : {"float32", "float64"}, optional
        Of weights and computations, `config.floatx` by default. All layers of a model must agree.
    input_shape : tuple of int, optional
        Shape of one sample, for the first layer of a `Sequential`; ``input_dim=n`` stands for ``(n,)``.
    activity_regularizer : str or Regularizer, optional
        Its value for the layer's output, divided by the batch size, is added to the loss.

    Attributes
    ----------
    built : bool
        Whether the weights exist. They are made when the input shape is known.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> class Power(cb.layers.Layer):
    ...     '''output = |input| ** exponent, with a trainable exponent for each feature.'''
    ...
    ...     def build(self, input_shape):
    ...         self.exponent = self.add_weight((input_shape[-1],), "ones", name="exponent")
    ...
    ...     def call(self, inputs, training=False):
    ...         return np.abs(inputs) ** self.exponent
    ...
    ...     def backward(self, inputs, outputs, delta):
    ...         exponent = np.asarray(self.exponent)
    ...         size = np.maximum(np.abs(inputs), 1e-12)
    ...         d_inputs = delta * exponent * outputs / size * np.sign(inputs)
    ...         return d_inputs, [(delta * outputs * np.log(size)).sum(axis=0)]
    >>> model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(4), Power(), cb.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> model.check_gradients(np.ones((2, 3)), np.zeros((2, 1))).max_relative_error < 1e-6
    True
    """

    # The layer only gives its input another shape: it costs nothing and has no implementation.
    is_view: bool = False
    # The layer is a model: its calls are replaced by the calls of its own layers.
    is_model: ClassVar[bool] = False
    # Attributes of the layer may hold layers and weights anywhere, as in classes of users. Classes of this library
    # set this if they hold layers. The others need not be searched, which would double the time of a first fit.
    holds_layers: ClassVar[bool] = False
    # Held while weights and engines are made: several threads may use a new layer at the same time.
    _making: ClassVar[Any] = threading.RLock()
    # `tracking` looks for objects of this class in attributes. It is set below, once the class exists.
    kind_of_layers: ClassVar[type]

    # A network with the layer takes batches of one size only.
    fixes_batch_size: bool = False

    # Arguments that can change when the layer is built, as in Keras: weights and shapes do not depend on them.
    adjustable: ClassVar[tuple[str, ...]] = ()

    # The input shape that the weights were made for.
    _build_shape: Any = None

    # Set by the constructor: the weights that `add_weight` made, and those of them that classes of this library made;
    # what `add_loss` has added, by step; whether no more weights can be added; calls on symbolic tensors.
    _variables: list[Variable]
    _base_variables: list[Variable]
    _added_losses: dict[Any, list[Any]]
    _locked: bool
    nodes: list[Node]
    built: bool
    activity_regularizer: Any
    batch_input_shape: Shape | None

    # The type of results for users, if it is not a float type. Between layers, numbers have the model's float type.
    output_dtype: str | None = None

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        input_shape: Sequence[int] | None = None,
        activity_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        input_dim = kwargs.pop("input_dim", None)
        self.refuse_unknown(kwargs)
        activity_regularizer = named("activity_regularizer", regularizers.get, activity_regularizer)
        name = check_name(name) or unique_name(type(self).__name__)
        trainable = check_boolean("trainable", trainable)
        dtype = config.floatx() if dtype is None else check_float_type(dtype)
        if input_dim is not None:
            if input_shape is not None:
                raise ValueError("Only one of input_shape and input_dim can be given.")
            input_shape = (check_integer("input_dim", input_dim, 1),)
        # `__setattr__` need not check arguments that are checked already. It takes most of the time to make a layer.
        self.__dict__.update(
            activity_regularizer=activity_regularizer,
            name=name,
            _trainable=trainable,
            dtype=dtype,
            batch_input_shape=None if input_shape is None else (None, *check_sizes("input_shape", input_shape)),
            _variables=[],
            _base_variables=[],
            _added_losses={},
            _locked=False,
            nodes=[],
            built=False,
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_missing(self, "Model" if self.is_model else "Layer", name)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        prepare_subclass(cls)

    def __copy__(self) -> Self:
        """Another layer, or model, with the same weights, whose calls and lists are its own."""
        twin = object.__new__(type(self))
        state = {
            name: value.copy() if type(value) in (list, dict, set) else value
            for name, value in cast("dict[str, Any]", self.__getstate__()).items()
        }
        if hasattr(twin, "__setstate__"):
            twin.__setstate__(state)
        else:
            twin.__dict__.update(state)
        return twin

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "name" and not check_name(value):
            raise TypeError(f"name must be a string with something in it, but got {value!r}.")
        state = self.__dict__
        if state.get("built"):
            if name in self.adjustable and not self.is_python:
                with Layer._making:
                    adjust(self, name, value)
                return
            check_fixed(self, name, value)
        elif name in state:
            note_set(self, name)
        locked = state.get("_locked")
        adds = isinstance(value, MAY_HOLD_LAYERS) and self._adds_layers(value)
        if adds and locked:
            raise ValueError(
                f"{self._title()} is built: it can take no other layers, but got one as {name}. Make layers in "
                "__init__ or build."
            )
        super().__setattr__(name, value)
        if not self.holds_layers and isinstance(value, MAY_HOLD_METRICS):
            state["_may_hold_metrics"] = True
        given = state.get("_arguments")
        if given is not None and (name in given or name in self.argument_names()) and not works(self):
            given[name] = value
        if adds:
            sublayers(self)  # notes their order

    def _adds_layers(self, value: Any) -> bool:
        """Whether an attribute of this value adds layers to this one, which is told of them."""
        watched = (self.holds_layers or self.__dict__.get("_locked")) and not self.is_model
        return bool(watched and value and holds(value, Layer))

    def _title(self) -> str:
        """The layer's name in messages."""
        return f"{type(self).__name__} {self.__dict__.get('name')!r}"

    # Subclasses define these

    @checked_build
    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of this shape (a list of shapes for several inputs)."""

    def get_build_config(self) -> dict[str, Any] | None:
        """The input shape that the layer was built for, for `build_from_config`; ``None`` if it is not known."""
        if self._build_shape is None:
            return None
        several = isinstance(self._build_shape, dict) and len(inspect.signature(self.build).parameters) > 1
        return {"shapes_dict" if several else "input_shape": self._build_shape}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Create the weights for the input shape that `get_build_config` told."""
        shapes = config.get("shapes_dict")
        if shapes is None:
            self.build(config["input_shape"])
        elif self.is_python or len(self.input_arguments) > 1:
            self.build(**shapes)
        else:  # Keras passes the shapes of initial states too, after the shape of the input
            self.build(next(iter(shapes.values()), None))

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """Add the steps of a call of the layer to a network, and return its output.

        A layer that only combines others defines this, with ``steps.call(layer, [input, ...])`` for each of them, which
        returns that layer's output. It builds them in its `build`. If the output's shape is not that of the input, it
        defines `compute_output_shape`. By default a call is one step that computes the layer, and one for its
        activation.

        Parameters
        ----------
        steps : Steps
            What to add steps to.
        inputs : list of Value
            The inputs of the call, with their masks.
        shape : tuple of int
            The shape of a sample of the output.
        mask : Mask or None
            The mask of the output.

        Returns
        -------
        Value

        Raises
        ------
        TypeError, ValueError
            By ``steps.call``, before any weight changes: if that is no layer, is not built, has several outputs, or
            does not take such inputs.

        Examples
        --------
        >>> import numpy as np
        >>> import cbackprop as cb
        >>> class Residual(cb.layers.Layer):
        ...     def __init__(self, units, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.units = units
        ...         self.dense, self.add = cb.layers.Dense(units, "tanh"), cb.layers.Add()
        ...
        ...     def build(self, input_shape):
        ...         self.dense.build(input_shape)
        ...
        ...     def expand(self, steps, inputs, shape, mask):
        ...         return steps.call(self.add, [inputs[0], steps.call(self.dense, inputs)])
        >>> model = cb.Sequential([cb.Input((4,)), Residual(4), Residual(4), cb.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> model.check_gradients(np.ones((2, 4)), np.zeros((2, 1))).max_relative_error < 1e-6
        True
        """
        function = self.function
        output = steps.add(self, inputs, shape if function is None else function.input_shape(shape))
        return self.expand_activation(steps, output, shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for this input shape; ``ValueError`` if the layer cannot take it.

        Of a layer in Python what a call with zeros shows: a structure of shapes for several outputs.
        """
        if self.is_python:
            return observed_shape(self, input_shape)
        if type(self) is Layer:
            raise NothingComputedError("Layer computes nothing: define call(self, inputs), and compute_output_shape.")
        if isinstance(input_shape, list):
            raise ValueError(f"{type(self).__name__} {self.name!r} has several inputs: define compute_output_shape.")
        return input_shape

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's computation, without what a call of the layer itself does beyond that.

        A subclass that computes in Python defines it. For other layers it runs their compiled code, so that a subclass
        can say ``super().call(inputs)``.

        Raises
        ------
        NotImplementedError
            If the class computes nothing.
        """
        return _on_arrays().run_built_in(self, args, kwargs)

    # For layers in Python that are connected to symbolic tensors

    @property
    def _states_output_shape(self) -> bool:
        """Whether it says its output's shape itself."""
        return type(self).compute_output_shape is not Layer.compute_output_shape

    @property
    def _without_backward(self) -> str | None:
        """The message if a gradient must pass but there is no `backward`; ``None`` for the usual message."""
        return None

    def _failed_on_zeros(self, error: Exception, count: int) -> Exception:
        """The exception to raise if a call on `count` samples of zeros has raised `error`."""
        error.add_note(
            f"This happened when {type(self).__name__} {self.name!r} was called on zeros of {count} samples, to find "
            "the shape of its output. A method compute_output_shape(input_shape) makes that call unnecessary."
        )
        return error

    # Users call these

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Connect the layer to symbolic tensors, or run it on arrays.

        Parameters
        ----------
        *args
            The input: KerasTensor or array_like, or a list of them. Layers in Python may take more.
        **kwargs
            ``training`` fixes how dropout and the like behave in this call; by default it is what the layer is within,
            or the run, that decides. ``mask`` says which rows of the input count, in place of the mask that the input
            has. Layers in Python may take more.

        Raises
        ------
        TypeError
            If the arguments are not those of the layer's `call`.
        ValueError
            If the layer cannot take inputs of this number or shape.
        """
        check_begun(self)
        check_set(self)
        call = CallArguments(self, args, kwargs)
        if (context := current_call()) is not None:
            context.used[self] = None
        if not call.is_symbolic:
            return _on_arrays().run_layer(self, call)
        return connect_python(self, call) if self.is_python else self.connect(call)

    @property
    def largest_id_range(self) -> int:
        """Whole numbers up to this are exact in the layer's float type."""
        return 2**53 if self.dtype == "float64" else 2**24

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values; those of a user's class as they were given.

        Raises
        ------
        UnwritableArgumentError
            If one of them cannot be written as plain values: the class then needs a `get_config` of its own.
        """
        given = self.__dict__.get("_arguments")
        own = super().get_config() if given is None else None
        return layer_config.written(self, own, type(self).get_config is not Layer.get_config)

    def _arguments_of(self, base: type[Layer]) -> dict[str, Any]:
        """The arguments that make an object of this class, one of the layer's bases, like the layer."""
        given = {}
        for name in base.argument_names():
            with suppress(AttributeError):  # of a setting that not every layer keeps
                given[name] = self.argument(name)
        given.pop("input_shape", None)
        return given

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer that ``get_config`` described; layers among its arguments are made again, or are those shared."""
        return layer_config.made_from(cls, config)


Layer.kind_of_layers = Layer
# What must be searched for layers when it is set as an attribute.
MAY_HOLD_LAYERS = (Layer, list, tuple, dict)
# What makes it necessary to search a layer of this library for metrics, which are adjustable.
MAY_HOLD_METRICS = (Adjustable, list, tuple, set, frozenset, dict)


def _forget_makers() -> None:
    """Replace the lock in a child process, which does not have the thread that may have held it."""
    Layer._making = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_makers)


@functools.cache
def _on_arrays() -> Any:
    """The module that runs a layer on arrays. It makes a model of the layer, so it is on a floor above."""
    from cbackprop.models import on_arrays

    return on_arrays
