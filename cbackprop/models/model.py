"""Functional models: any graph of layers between inputs and outputs."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
from cbackprop.models.input_structure import assign_inputs
from cbackprop.models.model_tensors import begun_at, check_nesting, check_tensors
from cbackprop.models.summary import summary_text
from cbackprop.models.trainer import Trainer
from cbackprop.plan.graph import Graph, check_names
from cbackprop.plan.plan import Plan
from cbackprop.plan.sizes import PlansOfSizes
from cbackprop.saving.weights_file import restore_training, save_training
from cbackprop.tensor import KerasTensor, is_optional, is_symbolic, map_structure
from cbackprop.validation import ArgumentTypeError, check_boolean
from cbackprop.variable import Variable

__all__ = ["Model", "NoShapeError"]


class ExportFormatError(NotImplementedError, ValueError):
    """A model is to be written in a format that Keras knows and this library does not."""


class NoShapeError(AttributeError, ValueError):
    """A model without a shape was asked for what follows from it. Keras raises an ``AttributeError``."""


# Methods that Keras calls in training, evaluating or predicting.
NEVER_CALLED = (
    *("call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "get_metrics_result"),
    *("make_train_function", "make_test_function", "make_predict_function", "metrics", "reset_metrics"),
)

FORMATS_OF_KERAS = ("tf_saved_model", "openvino", "litert", "torch")


@registry.register("Functional")
class Model(Trainer, Layer):
    """A network: everything that leads from input tensors to output tensors.

    A model is a layer too: called on symbolic tensors it becomes part of a larger model.

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

    Raises
    ------
    TypeError
        If `inputs` or `outputs` are not symbolic tensors.
    ValueError
        If an output does not follow from the inputs, or names of layers repeat.

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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._refuse_what_is_never_called()

    @classmethod
    def _refuse_what_is_never_called(cls) -> None:
        """Refuse methods of users that training would pass over; they may be set after a class was made, too."""
        for owner in (owner for owner in cls.__mro__ if owner.__module__.partition(".")[0] != "cbackprop"):
            own = [name for name in NEVER_CALLED if name in owner.__dict__]
            if own:
                raise TypeError(
                    f"{owner.__name__} defines {own[0]}, which would never be called: a model here is a graph that "
                    "runs in compiled code. Make it of Input and layers; what is computed in Python goes into a Layer, "
                    "a Loss or a Callback."
                )

    # What a config with the whole graph gives the constructor.
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
        self._graph = graph
        self.input_structure = inputs
        self.output_structure = outputs
        self.dtype = self._find_float_type()
        self.built = True
        self._forget_engine()

    def _find_float_type(self) -> str:
        """The float type of the layers, which all agree, or of an input."""
        layers = [layer.dtype for layer in self.layers if layer.n_inputs != 0]
        found = [dtype for dtype in [*layers, *(tensor.dtype for tensor in self.inputs)] if dtype in FLOAT_TYPES]
        return found[0] if found else floatx()

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
        """The graph, for what is asked of it by an attribute.

        Raises
        ------
        NoShapeError
            If the model has no shape yet: to `hasattr` it then has no such attribute.
        """
        if self._graph is None:
            raise NoShapeError(
                f"Model {self.name!r} has no {what} yet, as it has no shape yet: start it with an Input, build it, or "
                "fit it."
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
        """All layers, each once; nested models count as one."""
        return self.graph.layers

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs."""
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The keys of a dict of outputs, or the names of the layers that make them, made unique."""
        if isinstance(self.output_structure, dict) and len(self.output_structure) == len(self.outputs):
            return sorted(self.output_structure)
        names: list[str] = []
        for tensor in self.outputs:
            name = tensor.node.layer.name if tensor.node else tensor.name
            names.append(name if name not in names else f"{name}_{len(names)}")
        return names

    @property
    def has_open_inputs(self) -> bool:
        """Whether the steps depend on the data: inputs leave sizes open, or may be left out."""
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
        """The steps that the engines execute; where they depend on the data, those for each form that it has."""
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
        """The steps that the engines execute, for all inputs.

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
        """The steps for arrays of these shapes."""
        plans = self.plans
        return plans if isinstance(plans, Plan) else plans.of(sizes_of(inputs))

    def tensors_for(self, inputs: list[Any]) -> tuple[list[KerasTensor], list[KerasTensor]]:
        """Symbolic inputs and outputs for arrays of these shapes; without inputs that are left out."""
        plans = self.plans
        return (self.inputs, self.outputs) if isinstance(plans, Plan) else plans.tensors(sizes_of(inputs))

    @property
    def variables(self) -> list[Variable]:
        """All weights, in the order of `get_weights`."""
        return list(dict.fromkeys(variable for layer in self.layers for variable in layer.variables))

    @property
    def trainable_variables(self) -> list[Variable]:
        """Weights that training changes."""
        if not self.trainable:
            return []
        return list(dict.fromkeys(variable for layer in self.layers for variable in layer.trainable_variables))

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Weights that training leaves alone."""
        trainable = set(self.trainable_variables)
        return [variable for variable in self.variables if variable not in trainable]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it on every layer."""
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
            If there is none, or neither or both of name and index are given.
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

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the outputs; where inputs leave sizes open, for inputs of this shape, or list of shapes."""
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
            Whether dropout and the like are active; not for arrays unless it says so.
        mask : array_like, or a list of them, optional
            Which rows of the inputs count; by default what their own masks say. Of symbolic tensors it is one, too, and
            an `Identity` layer with that mask is put before the model.
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
        """What a call of the model returns."""
        return Model.__call__(self, inputs, training, mask)

    def run_shown(self, given: list[Any], masks: list[Any], training: bool) -> Any:
        """The outputs for arrays of which some have masks; `losses` notes what layers' outputs add to the loss."""
        return run_shown(self, given, masks, training)

    def _in_order(self, inputs: Any, warns: bool = False) -> list[Any]:
        """What the model was called on, nested in any way that fits, in the order of `inputs`."""
        return assign_inputs(inputs, self.input_names, self.input_structure, warns)

    def get_build_config(self) -> None:
        """``None``: the layers of a model tell theirs."""

    # Descriptions

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers, their output shapes and their numbers of weights.

        Parameters
        ----------
        line_length : int, optional
            Width of the table; by default that of its contents, or of the terminal if that is narrower.
        positions : optional
            Taken for the sake of scripts written for Keras; columns are as wide as what is in them.
        print_fn : callable, optional
            What to call with the text instead of printing it.
        expand_nested : bool, default False
            List the layers of nested models, too.
        show_trainable : bool, default False
            Say of each layer with weights whether training changes them.
        layer_range : list of two str, optional
            Names of the first and the last layer to list.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.

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
        """
        text = summary_text(self, line_length, expand_nested, show_trainable, layer_range)
        (print if print_fn is None else print_fn)(text)

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Write the whole model to a file, ``.keras`` or safetensors; see `saving.save_model`."""
        saving.save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(
        self,
        filepath: Any,
        overwrite: bool = True,
        max_shard_size: float | None = None,
        objects_to_skip: Iterable[Any] | None = None,
    ) -> None:
        """Write weights and the state of the optimizer to a file; see `saving.save_weights`."""
        saving.save_weights(self, filepath, overwrite, max_shard_size, objects_to_skip)

    def load_weights(
        self,
        filepath: Any,
        skip_mismatch: bool = False,
        objects_to_skip: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take weights from a file, here or Keras's, or from a PyTorch ``state_dict``; see `saving.load_weights`."""
        saving.load_weights(self, filepath, skip_mismatch, objects_to_skip, **kwargs)

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: None = None,
        *,
        opset_version: int | None = None,
    ) -> None:
        """Write what the model predicts to a file for other programs: an ONNX graph, as `cbackprop.export.onnx` does.

        Parameters
        ----------
        filepath : str or path
            An existing file is replaced in one go.
        format : {"onnx"}
            To be given: Keras's default, as its other formats, belongs to a library that this one does without.
        verbose : bool, optional
            Whether to print where the file is; ``None`` means yes, as in Keras.
        input_signature : None
            Inputs have the shapes and types of the model's, and any number of samples.
        opset_version : int, optional
            The version of ONNX's operators, as `opset` in `cbackprop.export.onnx`.

        Raises
        ------
        ImportError
            If the package onnx is not installed: ``pip install "cbackprop[onnx]"``.
        TypeError, ValueError
            If `format` is another one, an argument is wrong, or a layer cannot be written. For the other formats of
            Keras it is a NotImplementedError, too.
        OSError
            If the file cannot be written. An existing one is then untouched.

        References
        ----------
        Arguments are those of Keras 3.

        Examples
        --------
        >>> import os, tempfile
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.export(os.path.join(folder, "model.onnx"), format="onnx", verbose=False)
        """
        # A tool, on a floor above this one, that needs what may be missing.
        from cbackprop.export import onnx_files, onnx_limits

        if format != "onnx":
            known = format in FORMATS_OF_KERAS
            what = f"format {format!r} cannot be written" if known else f"Unrecognized format={format!r}"
            raise (ExportFormatError if known else ValueError)(
                f"{what}, only 'onnx': model.export(filepath, format='onnx'), or cbackprop.export.onnx(model, path). "
                "To go on in Python, use model.save."
            )
        loud = verbose is None or check_boolean("verbose", verbose)
        if input_signature is not None:
            raise ValueError(
                "input_signature must be None: the inputs of the graph are those of the model, but got "
                f"{input_signature!r}."
            )
        onnx_files.onnx(self, filepath, onnx_limits.OPSET if opset_version is None else opset_version)
        if loud:
            print(f"Saved artifact at '{filepath}'.")

    def save_training(self, filepath: Any) -> None:
        """Write what `restore_training` reads, for `callbacks.BackupAndRestore`."""
        save_training(self, filepath)

    def restore_training(self, filepath: Any) -> None:
        """Go back to where training was when `save_training` wrote a file, and let the next `fit` go on from there."""
        restore_training(self, filepath)

    def get_config(self) -> dict[str, Any]:
        """The whole graph as plain values; of a class with arguments of its own, these.

        Raises
        ------
        TypeError
            If a part cannot be written, or the class does not keep its arguments under their own names.
        ValueError
            If layers were renamed so that two share a name.
        """
        if not self._takes_a_graph():
            return super().get_config()
        check_names(self.layers)
        return configs.functional_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """A new model, with new weights, of the graph that `get_config` described, here or in Keras."""
        with saving.CustomObjectScope(custom_objects), shared_objects.reading(), reading(f"a {cls.__name__}", config):
            config = saving.own_config(cls.__name__, config)
            if configs.is_functional_config(config) or cls._takes_a_graph():
                return configs.functional_from_config(cls, config)
            return super().from_config(config)

    @classmethod
    def _takes_a_graph(cls) -> bool:
        """Whether the class is made of what `Model` or `Sequential` is made of, and not of arguments of its own."""
        return configs.takes_a_graph(cls)

    def to_json(self, **kwargs: Any) -> str:
        """`get_config` with the class's name, as JSON, which `models.model_from_json` reads.

        Parameters
        ----------
        **kwargs
            For `json.dumps`, such as ``indent=2``.
        """
        return json.dumps(registry.serialize(self), **kwargs)

    def _repr_html_(self) -> str:
        """What a notebook shows: `summary` as a table."""
        from cbackprop.models.notebook import summary_html  # which needs `html`: that costs time

        return summary_html(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
