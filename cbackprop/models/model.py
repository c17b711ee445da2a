"""Functional models: any graph of layers between inputs and outputs."""

from __future__ import annotations

import functools
from typing import Any, ClassVar, Self

import numpy as np

from cbackprop import saving, shared_objects
from cbackprop.config_reading import reading
from cbackprop.layers import Layer
from cbackprop.layers.call_arguments import check_training, is_samples
from cbackprop.layers.call_context import current_call
from cbackprop.layers.layer import registry
from cbackprop.models import configs
from cbackprop.models.calls import call_on_arrays, connect, graph_for, reports, run_shown
from cbackprop.models.class_names import checked_class_names
from cbackprop.models.completion import HIDDEN
from cbackprop.models.file_methods import FileMethods
from cbackprop.models.graph_layer import GraphLayer, NoShapeError
from cbackprop.models.input_structure import assign_inputs
from cbackprop.models.model_tensors import begun_at, check_nesting, check_tensors
from cbackprop.models.stepper import Stepper
from cbackprop.models.summary import summary_text
from cbackprop.models.trainer import Trainer
from cbackprop.plan.graph import Graph, check_names
from cbackprop.tensor import is_symbolic, map_structure
from cbackprop.validation import ArgumentTypeError, a_type

__all__ = ["Model", "NoShapeError"]


# Methods that Keras calls in training, evaluating or predicting.
NEVER_CALLED = (
    *("call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "get_metrics_result"),
    *("make_train_function", "make_test_function", "make_predict_function", "metrics", "reset_metrics"),
)


@functools.lru_cache(maxsize=1024)
def _classes_of_users(cls: type) -> tuple[type, ...]:
    """A class and its bases, without those of this library."""
    return tuple(owner for owner in cls.__mro__ if owner.__module__.partition(".")[0] != "cbackprop")


@registry.register("Functional")
class Model(Trainer, FileMethods, GraphLayer):
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

    _class_names: list[str | int] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._refuse_what_is_never_called()

    @classmethod
    def _refuse_what_is_never_called(cls) -> None:
        """Refuse user methods that training would never call. They may have been added after the class was made."""
        hashable: Any = cls  # which mypy does not take for such
        for owner in _classes_of_users(hashable):
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
        with saving.CustomObjectScope(custom_objects), shared_objects.reading(), reading(a_type(cls), config):
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
