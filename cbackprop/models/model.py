"""Functional models: any graph of layers between inputs and outputs."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from cbackprop import saving, shared_objects
from cbackprop.config import FLOAT_TYPES, floatx
from cbackprop.config_reading import reading
from cbackprop.engine.sizes import sizes_of
from cbackprop.layers import Layer
from cbackprop.layers.adjusting import note_plan
from cbackprop.layers.call_arguments import check_training, is_samples
from cbackprop.layers.call_context import current_call
from cbackprop.layers.layer import registry
from cbackprop.layers.unknown_sizes import has_unknown
from cbackprop.models import configs
from cbackprop.models.calls import call_on_arrays, connect, graph_for, reports, run_shown
from cbackprop.models.completion import HIDDEN
from cbackprop.models.file_methods import FileMethods
from cbackprop.models.input_structure import assign_inputs
from cbackprop.models.model_tensors import begun_at, check_nesting, check_tensors
from cbackprop.models.stepper import Stepper
from cbackprop.models.summary import summary_text
from cbackprop.models.trainer import Trainer
from cbackprop.plan.graph import Graph, check_names
from cbackprop.plan.plan import Plan
from cbackprop.plan.sizes import PlansOfSizes
from cbackprop.tensor import KerasTensor, is_optional, is_symbolic, map_structure
from cbackprop.validation import ArgumentTypeError
from cbackprop.variable import Variable

__all__ = ["Model", "NoShapeError"]


class NoShapeError(AttributeError, ValueError):
    """A model without a shape was asked for something that depends on the shape. Keras raises ``AttributeError``."""


# Methods that Keras calls in training, evaluating or predicting.
NEVER_CALLED = (
    *("call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "get_metrics_result"),
    *("make_train_function", "make_test_function", "make_predict_function", "metrics", "reset_metrics"),
)


def checked_class_names(names: Any) -> list[str | int]:
    """A checked list of the labels of classes.

    Raises
    ------
    TypeError
        If it is not a list of strings or of integers.
    """
    given = names.tolist() if isinstance(names, np.ndarray) and names.ndim == 1 else names
    labels: list[Any] = list(given) if isinstance(given, (list, tuple)) else [None]
    labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if not all(isinstance(label, (str, int)) and not isinstance(label, bool) for label in labels):
        raise ArgumentTypeError(f"class_names must be a list of strings or of integers, but got {names!r}.")
    return labels


@registry.register("Functional")
class Model(Trainer, FileMethods, Layer):
    """A network: all layers from input tensors to output tensors.

    A model is a layer too: called on symbolic tensors, it becomes part of a larger model.

    Parameters
    ----------
    inputs : KerasTensor, or list or dict of them
        Made by `Input` (or the middle of another model).
    outputs : KerasTensor, or list or dict of them
    name : str, optional
    trainable : bool, default True

    Attributes
    ----------
    layers : list of Layer
    inputs, outputs : list of KerasTensor
    input_names, output_names : list of str
        Keys for dicts of arrays.
    class_names : list of str or int, optional
        The labels of classes, in the order of the predicted probabilities. It can be set, and is saved with the model.

    Raises
    ------
    TypeError
        If `inputs` or `outputs` are not symbolic tensors.
    ValueError
        If an output does not depend on the inputs, or two layers have the same name.

    References
    ----------
    Arguments and methods are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x = cb.Input((3,))
    >>> y = cb.layers.Dense(2)(x)
    >>> model = cb.Model(x, y)
    >>> model.predict([[1.0, 2.0, 3.0]], verbose=0).shape
    (1, 2)
    """

    n_inputs = None
    is_model = True
    _graph: Graph | None = None
    input_structure: Any = None
    output_structure: Any = None
    _class_names: list[str | int] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._refuse_what_is_never_called()

    @classmethod
    def _refuse_what_is_never_called(cls) -> None:
        """Refuse user methods that training would never call. They may have been added after the class was made."""
        for owner in (owner for owner in cls.__mro__ if owner.__module__.partition(".")[0] != "cbackprop"):
            own = [name for name in NEVER_CALLED if name in owner.__dict__]
            if own:
                raise TypeError(
                    f"{owner.__name__} defines {own[0]}, which would never be called: a model is a graph that runs in "
                    "compiled code. Build it from Input and layers; Python code goes into a Layer, a Loss or a "
                    "Callback."
                )

    # The arguments that the constructor gets from a config with the whole graph.
    graph_arguments: ClassVar[frozenset[str]] = frozenset({"inputs", "outputs"})

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True) -> None:
        self._refuse_what_is_never_called()
        Layer.__init__(self, name=name)
        Trainer.__init__(self)
        self._set_graph(*begun_at(inputs, outputs))
        if not trainable:
            self.trainable = False

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        """Take over the graph between these tensors."""
        graph = Graph(check_tensors("inputs", inputs), check_tensors("outputs", outputs))
        check_nesting(self, graph.layers)
        self.__dict__.update(_graph=graph, input_structure=inputs, output_structure=outputs)
        self.__dict__["dtype"] = self._find_float_type()  # others cannot set it
        self.built = True
        self._forget_engine()

    def _find_float_type(self) -> str:
        """The float type of the layers, which all agree, or of an input."""
        layers = [layer.dtype for layer in self.layers if layer.n_inputs != 0]
        found = [dtype for dtype in [*layers, *(tensor.dtype for tensor in self.inputs)] if dtype in FLOAT_TYPES]
        return found[0] if found else floatx()

    @property
    def class_names(self) -> list[str | int] | None:
        """The labels of classes, in the order of the predicted probabilities; ``None`` if unknown.

        Raises
        ------
        TypeError
            If it is set to anything but a list of strings or of integers.
        """
        return self._class_names

    @class_names.setter
    def class_names(self, names: Any) -> None:
        self._class_names = None if names is None else checked_class_names(names)

    @property
    def graph(self) -> Graph:
        """The graph between inputs and outputs.

        Raises
        ------
        ValueError
            If the model has no shape yet.
        """
        if self._graph is None:
            raise ValueError(f"Model {self.name!r} has no shape yet: start it with an Input, build it, or fit it.")
        return self._graph

    def _known(self, what: str) -> Graph:
        """The graph, for the attribute `what`.

        Raises
        ------
        NoShapeError
            If the model has no shape yet. `hasattr` then returns False.
        """
        if self._graph is None:
            raise NoShapeError(
                f"Model {self.name!r} has no {what} yet, because it has no shape yet: start it with an Input, build "
                "it, or fit it."
            )
        return self._graph

    @property
    def inputs(self) -> list[KerasTensor]:
        """Symbolic inputs, flat."""
        return list(self._known("inputs").inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        """Symbolic outputs, flat."""
        return list(self._known("outputs").outputs)

    @property
    def input(self) -> Any:
        """Symbolic inputs, in the structure that the model was made with."""
        return self.input_structure

    @property
    def output(self) -> Any:
        """Symbolic outputs, in the structure that the model was made with."""
        return self.output_structure

    @property
    def input_shape(self) -> Any:
        """Shape of the input, the batch axis (``None``) included, or a list of shapes."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """Shape of the output, the batch axis (``None``) included, or a list of shapes."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def layers(self) -> list[Layer]:
        """All layers, each one once. A nested model counts as one layer."""
        return self.graph.layers

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs."""
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The keys of a dict of outputs, or the unique names of the layers that make the outputs."""
        if isinstance(self.output_structure, dict) and len(self.output_structure) == len(self.outputs):
            return sorted(self.output_structure)
        names: list[str] = []
        for tensor in self.outputs:
            name = tensor.node.layer.name if tensor.node else tensor.name
            names.append(name if name not in names else f"{name}_{len(names)}")
        return names

    @property
    def has_open_inputs(self) -> bool:
        """Whether the plan depends on the data, because inputs have open sizes or may be left out."""
        return any(has_unknown(tensor.shape) or is_optional(tensor) for tensor in self.inputs)

    @property
    def taken(self) -> list[KerasTensor]:
        """The inputs, with the shapes that data must have."""
        return self.inputs

    def takes_only(self, tensors: list[KerasTensor]) -> bool:
        """Whether data must have these shapes."""
        return self.taken is tensors or [t.shape for t in self.taken] == [t.shape for t in tensors]

    @property
    def plans(self) -> Plan | PlansOfSizes:
        """The plan that engines execute. If it depends on the data, an object that makes plans for given sizes."""
        plans = self._plan
        if plans is None:
            with Layer._making:  # another thread may change the layers
                graph = self.graph
                is_open = self.has_open_inputs
                note_plan(self, graph)
                if is_open:
                    plans = self._plan = PlansOfSizes(graph, keeps_sizes=self.takes_only(self.inputs))
                else:
                    plans = self._plan = Plan(graph.inputs, graph.outputs)
        return plans

    @property
    def plan(self) -> Plan:
        """The plan that engines execute, with all inputs.

        Raises
        ------
        ValueError
            If inputs leave sizes open.
        """
        plans, shapes = self.plans, [tensor.shape for tensor in self.inputs]
        if isinstance(plans, Plan):
            return plans
        if not any(map(has_unknown, shapes)):
            return plans.of(sizes_of(self.inputs))
        raise ValueError(f"All sizes of the inputs must be known for this, but model {self.name!r} has {shapes}.")

    def plan_for(self, inputs: list[Any]) -> Plan:
        """The plan for arrays of these shapes."""
        plans = self.plans
        return plans if isinstance(plans, Plan) else plans.of(sizes_of(inputs))

    def tensors_for(self, inputs: list[Any]) -> tuple[list[KerasTensor], list[KerasTensor]]:
        """Symbolic inputs and outputs for arrays of these shapes, without inputs that are left out."""
        plans = self.plans
        return (self.inputs, self.outputs) if isinstance(plans, Plan) else plans.tensors(sizes_of(inputs))

    @property
    def variables(self) -> list[Variable]:
        """All weights, in the order of `get_weights`."""
        return list(dict.fromkeys(variable for layer in self.layers for variable in layer.variables))

    @property
    def trainable_variables(self) -> list[Variable]:
        """The weights that training changes."""
        if not self.trainable:
            return []
        return list(dict.fromkeys(variable for layer in self.layers for variable in layer.trainable_variables))

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The weights that training does not change."""
        trainable = set(self.trainable_variables)
        return [variable for variable in self.variables if variable not in trainable]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Setting it sets it for every layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        Layer.trainable.__set__(self, value)  # type: ignore[attr-defined]
        for layer in self.layers:
            layer.trainable = value

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or by position.

        Raises
        ------
        ValueError
            If there is no such layer, or not exactly one of `name` and `index` is given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer takes either a name or an index.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"The model has {len(self.layers)} layers, but index {index} was asked for.")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No layer is called {name!r}. Layers: {[layer.name for layer in self.layers]}.")

    # As a layer

    def stepper(self, batch_size: int = 1, length: int = 1024) -> Stepper:
        """An object that takes one time step after the other, and keeps the states of recurrent layers.

        Use it to generate text, or for measurements that arrive one by one: each call costs one time step, however long
        the sequence has become.

        Parameters
        ----------
        batch_size : int, default 1
            The number of sequences that are processed in parallel.
        length : int, default 1024
            The number of time steps that attention remembers. Recurrent layers need no limit.

        Returns
        -------
        Stepper
            Called with the inputs of a time step, of shape (batch_size, ...), it returns the outputs. ``reset()``
            starts again, ``states`` are the states. It uses the weights of the model, even when these change.

        Raises
        ------
        TypeError, ValueError
            If `batch_size` is not a positive integer, the model has no shape yet, or a layer needs several time steps
            at once: `Bidirectional`, ``go_backwards=True``, pooling or convolution over time, layers in Python,
            attention without ``use_causal_mask=True`` or with a mask that its call is given.

        Notes
        -----
        Self-attention keeps the keys and values of earlier time steps, and a call compares one query with them. All
        inputs must be sequences. If a mask hides a time step, states do not change, outputs of recurrent layers are 0,
        and attention at later steps does not see it. What attention returns at the hidden step itself means nothing:
        `predict` computes it from later steps, too.

        Examples
        --------
        >>> import numpy as np
        >>> import cbackprop as cb
        >>> layers = [cb.Input((None, 3)), cb.layers.LSTM(8, return_sequences=True), cb.layers.Dense(3)]
        >>> model = cb.Sequential(layers)
        >>> step, x = model.stepper(), np.ones((1, 5, 3), "float32")
        >>> outputs = [step(x[:, t]) for t in range(5)]
        >>> bool(np.allclose(np.stack(outputs, axis=1), model.predict(x, verbose=0), atol=1e-6))
        True
        >>> step.reset()
        """
        return Stepper(self, batch_size, length, Model)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes of the outputs for inputs of this shape, or list of shapes."""
        several = isinstance(input_shape, list) and all(isinstance(shape, (list, tuple)) for shape in input_shape)
        graph = graph_for(self, list(map(tuple, input_shape)) if several else [tuple(input_shape)])
        remaining = iter(graph.outputs)
        return map_structure(lambda _: next(remaining).shape, self.output_structure)

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The outputs for arrays, or, for symbolic tensors, the model as a layer of another model.

        Parameters
        ----------
        inputs : array_like or KerasTensor, or a list or dict of them
        training : bool, optional
            Whether dropout and the like are active. For arrays the default is that they are not.
        mask : array_like, or a list of them, optional
            Which rows of the inputs count; by default the inputs' own masks decide. With symbolic tensors the mask is
            symbolic too, and an `Identity` layer with that mask is put before the model.
        """
        if training is not None and is_samples(training):
            raise ArgumentTypeError(
                f"Model {self.name!r} takes its inputs as one argument, but was called with several: give a list, "
                "model([a, b])."
            )
        context = current_call()
        plain = type(inputs) is np.ndarray and context is None and mask is None and self._graph is not None
        if plain and not reports(self, [inputs]):
            return self.run(inputs, bool(check_training(training)))
        if context is not None:
            context.used[self] = None
            training = context.training if training is None else training
        if plain or not is_symbolic(inputs):
            return call_on_arrays(self, inputs, mask, bool(check_training(training)))
        return connect(self, inputs, check_training(training), mask)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The same as calling the model."""
        return Model.__call__(self, inputs, training, mask)

    def run_shown(self, given: list[Any], masks: list[Any], training: bool, layer: Any = None) -> Any:
        """The outputs for arrays, some of them with masks. Sets `losses` to the penalties of layers' outputs."""
        return run_shown(self, given, masks, training, layer)

    def _in_order(self, inputs: Any, warns: bool = False) -> list[Any]:
        """The arguments of a call, in any nesting that fits, as a list in the order of `inputs`."""
        return assign_inputs(inputs, self.input_names, self.input_structure, warns)

    def get_build_config(self) -> None:
        """``None``: each layer of a model has its own build config."""

    # Descriptions

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
        show_costs: bool = False,
    ) -> None:
        """Print a table of the layers, their output shapes and their numbers of weights, and the cost of a sample.

        Parameters
        ----------
        line_length : int, optional
            Width of the table; by default that of its contents, or of the terminal if that is narrower.
        positions : optional
            Has no effect; accepted because Keras has it.
        print_fn : callable, optional
            Called with the text, instead of printing it.
        expand_nested : bool, default False
            Whether to list the layers of nested models, too.
        show_trainable : bool, default False
            Whether to show which layers training changes.
        layer_range : list of two str, optional
            Names of the first and the last layer to list.
        show_costs : bool, default False
            Whether to show the multiply-adds of each layer.

        Notes
        -----
        Multiply-adds are the multiplications of a prediction for one sample whose results are summed: those of
        convolutions, dense layers, products, scalings and interpolations. Activations and pooling do not count. A
        training step takes about three times as many.

        The memory of a training step is that of the compiled engine for each sample: values, deltas and what layers
        keep from the forward pass, where steps may reuse each other's memory. It does not include the data, the weights
        and the optimizer's slots. Before the first training step, every output is assumed to have a loss.

        Both lines are missing if sizes depend on the data.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong.

        Examples
        --------
        >>> import cbackprop as cb
        >>> cb.Sequential([cb.Input((4,)), cb.layers.Dense(3, name="hidden")], name="small").summary()
        Model: 'small'
        =====================================
        Layer (type)    Output shape  Param #
        -------------------------------------
        hidden (Dense)  (None, 3)          15
        =====================================
        Total params: 15 (60 B)
        Trainable params: 15 (60 B)
        Non-trainable params: 0 (0 B)
        Multiply-adds per sample: 12
        Memory per sample in training: 24 B
        """
        text = summary_text(self, line_length, expand_nested, show_trainable, layer_range, show_costs)
        (print if print_fn is None else print_fn)(text)

    def get_config(self) -> dict[str, Any]:
        """The whole graph as plain values. For your own class with its own arguments: these arguments.

        Raises
        ------
        TypeError
            If a part cannot be written, or a class of yours does not keep its arguments as attributes of the same
            names.
        ValueError
            If two layers have been given the same name.
        """
        if not self._takes_a_graph():
            return super().get_config()
        check_names(self.layers)
        return configs.functional_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """A new model with new weights, from a config of this library or of Keras."""
        with saving.CustomObjectScope(custom_objects), shared_objects.reading(), reading(f"a {cls.__name__}", config):
            config = saving.own_config(cls.__name__, config)
            if configs.is_functional_config(config) or cls._takes_a_graph():
                return configs.functional_from_config(cls, config)
            return super().from_config(config)

    @classmethod
    def _takes_a_graph(cls) -> bool:
        """Whether the constructor takes the arguments of `Model` or `Sequential`, and not arguments of its own."""
        return configs.takes_a_graph(cls)

    def __dir__(self) -> list[str]:
        """The names for tab completion."""
        return [name for name in super().__dir__() if name not in HIDDEN]

    def _repr_html_(self) -> str:
        """`summary` as a table, for notebooks."""
        from cbackprop.models.notebook import summary_html  # imports `html`, which takes time

        return summary_html(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
