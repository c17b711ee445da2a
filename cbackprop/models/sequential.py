"""Models that are a stack of layers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Self

from cbackprop import layers as layers_here
from cbackprop import shared_objects
from cbackprop.config_reading import reading
from cbackprop.foreign_objects import instead_of_foreign
from cbackprop.layers import Input, InputLayer, Layer
from cbackprop.layers.building import check_begun
from cbackprop.layers.call_arguments import is_shape, map_shapes
from cbackprop.layers.layer import registry
from cbackprop.layers.shapes import check_input_shape
from cbackprop.layers.unknown_sizes import has_unknown
from cbackprop.models import configs
from cbackprop.models.configs import takes_a_graph
from cbackprop.models.model import Model
from cbackprop.models.model_tensors import check_nesting
from cbackprop.models.sources.batches import BatchSource
from cbackprop.models.sources.source import Source
from cbackprop.models.trainer import Trainer
from cbackprop.plan.graph import check_names
from cbackprop.saving import CustomObjectScope, own_config
from cbackprop.tensor import KerasTensor, map_structure
from cbackprop.validation import ArgumentTypeError, a_type, check_boolean, type_name
from cbackprop.variable import Variable

__all__ = ["Sequential"]


@registry.register()
class Sequential(Model):
    """A stack of layers, each with one input and one output.

    Without an `Input` (or an ``input_shape`` of the first layer), the model gets its shape and its weights from the
    first data.

    Parameters
    ----------
    layers : sequence of Layer, optional
        May begin with an `Input`.
    trainable : bool, default True
    name : str, optional

    Raises
    ------
    TypeError
        If something in `layers` is not a layer.

    References
    ----------
    Arguments and methods are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(4, activation="relu"), cb.layers.Dense(1)])
    >>> model.output_shape, model.count_params()
    ((None, 1), 21)
    """

    graph_arguments = frozenset({"layers"})

    _input: InputLayer | None = None
    # Whether the shape came from data, and the shape that further data may have.
    _shaped_by_data: bool = False
    _open_input: KerasTensor | None = None
    _nested: Any = None  # symbolic inputs, where the first layer takes several

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        Layer.__init__(self, name=name)
        self._refuse_what_is_never_called()
        Trainer.__init__(self)
        self._stack: list[Layer] = []
        if layers is not None and not isinstance(layers, (list, tuple)):
            raise TypeError(f"layers must be a list of layers, but got {type(layers).__name__}. Forgot the brackets?")
        for layer in layers or ():
            self._append(layer)
        self._connect()
        if not trainable:
            self.trainable = False

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Add a layer at the end.

        Parameters
        ----------
        layer : Layer
        rebuild : bool, default True
            Whether to connect the layers now, if the input shape is known. Otherwise `build`, another `add` or the
            first data connects them.

        Raises
        ------
        TypeError
            If `layer` is not a layer.
        ValueError
            If the layer cannot take the output of the one before it. The model is then unchanged.
        """
        self._check_alone()
        rebuild = check_boolean("rebuild", rebuild)
        before = list(self._stack), self._input
        self._append(layer)
        try:
            self._connect() if rebuild else self._disconnect()
        except BaseException:
            self._stack, self._input = before
            self._connect()
            raise

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer, and return it.

        Parameters
        ----------
        rebuild : bool, default True
            As in `add`.

        Raises
        ------
        ValueError
            If there is no layer.
        """
        self._check_alone()
        if not self._stack:
            raise ValueError("The model has no layers to remove.")
        rebuild = check_boolean("rebuild", rebuild)
        layer = self._stack.pop()
        self._connect() if rebuild else self._disconnect()
        return layer

    def _check_alone(self) -> None:
        if self._runs:
            raise RuntimeError(f"fit is running on model {self.name!r}: its layers cannot change before it ends.")
        if self.nodes:
            raise ValueError(f"Model {self.name!r} is part of another model: its layers cannot change. Clone it first.")

    def _append(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor) and layer.node is not None:
            layer = layer.node.layer
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise ArgumentTypeError(
                f"A Sequential is made of layers, but got the class {type_name(layer)}. Forgot the parentheses?"
            )
        if not isinstance(layer, Layer):
            instead = instead_of_foreign(layer, "layers", layers_here.__all__)
            raise ArgumentTypeError(
                f"Only instances of Layer can be added to a Sequential, but got {layer!r} of type {type_name(layer)}"
                f"{instead}."
            )
        check_begun(layer)
        if isinstance(layer, InputLayer):
            if self._input is not None or self._stack:
                raise ValueError("An Input can only be the first of a Sequential.")
            self._input = layer
            return
        check_nesting(self, [layer])
        if layer in self._stack or any(layer.name == other.name for other in self._stack):
            raise ValueError(f"Layers of a Sequential need different names, but {layer.name!r} is there already.")
        if layer.batch_input_shape is not None and not self._stack and self._input is None:
            self._input = InputLayer(batch_shape=layer.batch_input_shape, dtype=layer.dtype)
        self._stack.append(layer)

    def _connect(self) -> None:
        """Connect the layers if the input shape is known. If the first layer is a model, it may know the shape.

        Until that is done, other threads see the earlier graph.
        """
        with Layer._making:
            try:
                tensors = self._call_layers()
            except BaseException:
                self._disconnect()
                raise
            self._open_input = None
            if tensors is None:
                self._disconnect()
            else:
                self._set_graph(*tensors)

    @property
    def has_open_inputs(self) -> bool:
        """As of any model; also if batches have had different sizes."""
        return self._open_input is not None or super().has_open_inputs

    @property
    def taken(self) -> list[KerasTensor]:
        """The input, with the shape that data must have. If batches may differ in size, all sizes are open."""
        return self.inputs if self._open_input is None else [self._open_input]

    def _build_for(self, x: Any) -> None:
        """Build a model without a shape for this data. As in Keras, later data may have other sizes.

        Batches of a dataset may differ in size from the start. A new size of arrays is noticed between runs. Layers
        that cannot take a size refuse it then.
        """
        if not self.built:
            self._shaped_by_data = self._input is None
            super()._build_for(x)
            if self._shaped_by_data and isinstance(x, BatchSource):
                self._open_sizes()
        elif self._shaped_by_data and self._open_input is None and not self._runs and self._differs(x):
            self._open_sizes()

    def _differs(self, x: Any) -> bool:
        """Whether these samples have other sizes, with the same number of axes."""
        shape = getattr(x.example if isinstance(x, Source) else x, "shape", None)
        known = self.inputs[0].shape if len(self.inputs) == 1 else ()
        return isinstance(shape, tuple) and len(shape) == len(known) and tuple(shape[1:]) != known[1:]

    def _open_sizes(self) -> None:
        """Allow data of any size, if samples have more than one axis."""
        tensor = self.inputs[0]
        if len(self.inputs) == 1 and tensor.ndim > 2 and not has_unknown(tensor.shape):
            self._open_input = KerasTensor((None,) * tensor.ndim, tensor.dtype, tensor.name)
            self._forget_plans()

    def _disconnect(self) -> None:
        """Drop the graph: the model has no shape now."""
        self.built = False
        self._graph = self._open_input = None
        self._forget_engine()

    def _call_layers(self) -> tuple[Any, Any] | None:
        """Call the layers one after the other; returns inputs and outputs, or ``None`` if no input is known."""
        first = self._stack[0] if self._stack else None
        if self._input is None and self._nested is None and isinstance(first, Model) and first.built:
            self._input = InputLayer(batch_shape=first.inputs[0].shape, dtype=first.inputs[0].dtype)
        known = self._nested if self._input is None else self._input.output
        if known is None or first is None:
            return None
        tensors, below = known, first
        for layer in self._stack:
            _check_signature(layer)
            if layer is not below and not isinstance(tensors, KerasTensor) and not takes_several(layer):
                raise ValueError(
                    f"Layer {below.name!r} has several outputs, which a Sequential cannot pass on to {layer.name!r}."
                )
            tensors, below = layer(tensors), layer
        return known, tensors

    def build(self, input_shape: Any = None) -> None:
        """Create the weights for inputs of this shape, the batch axis included.

        Parameters
        ----------
        input_shape : tuple, or list or dict of them
            A list or dict if the first layer takes several inputs.

        Raises
        ------
        ValueError
            If a layer cannot take its input, or if the model was built for another shape.
        """
        if isinstance(input_shape, dict) and input_shape:
            shape: Any = {key: check_input_shape(each) for key, each in input_shape.items()}
        else:
            shape = None if input_shape is None else check_input_shape(input_shape)
            shape = tuple(shape) if isinstance(input_shape, tuple) else shape  # a list stands for several shapes
        with Layer._making:
            self._build(shape)

    def _build(self, shape: Any) -> None:
        """Build the model while no other thread builds one, see `build`."""
        several = shape is not None and not is_shape(shape)
        if self.built:
            if shape is not None and _sizes(shape) != [tensor.shape[1:] for tensor in self.inputs]:
                raise ValueError(f"Model {self.name!r} is built for {self.input_shape}, but got {shape}.")
            return
        if self._input is not None and self._stack:
            known = self._input.output.shape
            if shape is not None and _sizes(shape) != [known[1:]]:
                raise ValueError(f"Model {self.name!r} has an Input of shape {known}, but got {shape}.")
            self._connect()
            return
        if shape is None:
            raise ValueError("A Sequential without an Input needs an input_shape to be built.")
        if not self._stack:
            raise ValueError("The model has no layers.")
        dtype = self._stack[0].dtype
        if several:
            if not takes_several(self._stack[0]):
                raise ValueError(
                    f"Layer {self._stack[0].name!r}, the first of Sequential {self.name!r}, takes one input, but got "
                    f"{len(_sizes(shape))}, of shapes {shape}."
                )
            self._nested = map_shapes(lambda each: Input(batch_shape=each, dtype=dtype), shape)
        else:
            self._input = InputLayer(batch_shape=shape, dtype=dtype)
        try:
            self._connect()
        except ValueError:
            self._input = self._nested = None
            raise

    def _takes_several(self) -> bool:
        return self._input is None and bool(self._stack) and takes_several(self._stack[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for this input shape, including the batch axis. The model need not be built."""
        shape = input_shape
        for layer in self._stack:
            shape = layer.compute_output_shape(shape)
        return shape

    @property
    def layers(self) -> list[Layer]:
        """All layers, without the input."""
        return list(self._stack)

    @property
    def variables(self) -> list[Variable]:
        """All weights, in the order of `get_weights`."""
        return list(dict.fromkeys(variable for layer in self._stack for variable in layer.variables))

    def get_config(self) -> dict[str, Any]:
        """Name and layers as plain values. For your own class with its own arguments: these arguments.

        Raises
        ------
        ValueError
            If two layers have been given the same name.
        """
        if not takes_a_graph(type(self)):
            return super().get_config()
        check_names(self._stack)
        first = [] if self._input is None else [self._input]
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        config["layers"] = configs.layer_configs([*first, *self._stack])
        if self.built:
            config["build_input_shape"] = map_structure(lambda tensor: list(tensor.shape), self.input_structure)
        if self.class_names is not None:
            config["class_names"] = self.class_names
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """A new model with new weights, from a config of this library or of Keras."""
        if not takes_a_graph(cls):
            return super().from_config(config, custom_objects)
        with CustomObjectScope(custom_objects), shared_objects.reading(), reading(a_type(cls), config):
            config = own_config("Sequential", config)
            missing = [name for name in ("name", "layers") if name not in config]
            if missing:
                raise ValueError(
                    "The config is incomplete or damaged. A Sequential model configuration must be a dictionary "
                    f"containing the 'name' and 'layers' keys, but it lacks {missing}."
                )
            for entry in config["layers"]:
                if not isinstance(entry, dict) or "config" not in entry:
                    raise ValueError(f"A layer is described by a dict with a 'config' key, but got {entry!r}.")
            layers = [registry.deserialize(layer) for layer in config["layers"]]
            model = cls(layers, name=config.get("name"))
            if config.get("build_input_shape") is not None and not model.built and layers:
                model.build(config["build_input_shape"])
            model.class_names = config.get("class_names")
            if config.get("trainable") is False:
                model._trainable = False  # each layer has its own flag
            return model


def takes_several(layer: Layer) -> bool:
    """Whether a layer may be called on lists or dicts."""
    return layer.is_python or layer.n_inputs != 1


def _sizes(shapes: Any) -> list[Any]:
    """The shapes without their batch axes."""
    found: list[Any] = []
    map_shapes(lambda shape: found.append(shape[1:]), shapes)
    return found


def _check_signature(layer: Layer) -> None:
    """Raise a ``ValueError`` if a layer's `call` needs more than the output of the layer before."""
    if not layer.is_python:
        return
    parameters = inspect.signature(layer.call).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p.name for p in parameters if p.kind in positional and p.default is p.empty]
    if len(needed) > 1:
        raise ValueError(
            f"Layers of a Sequential can only have a single required positional argument of call, the input, but "
            f"{type(layer).__name__} {layer.name!r} needs {needed}. Give the others default values, or use a Model."
        )
