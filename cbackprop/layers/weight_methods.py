"""The part of a layer that holds its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from numpy.typing import NDArray

from cbackprop.families import families
from cbackprop.layers.tracking import held_metrics, layers_within, own_variables, sublayers, variables_of
from cbackprop.layers.weights import load_values, named_weight_arguments, new_weight, set_values
from cbackprop.parameter_store import AtRest
from cbackprop.part_of import part_of
from cbackprop.validation import check_boolean
from cbackprop.variable import Variable

__all__ = ["WeightMethods"]


@part_of("Layer")
class WeightMethods:
    """The part of `Layer` that makes weights, lists them, and reads and sets their numbers."""

    is_model: ClassVar[bool]
    name: str
    dtype: str
    built: bool
    _trainable: bool

    def add_weight(
        self,
        *args: Any,
        shape: Sequence[int | None] | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Create a weight; it joins `variables`.

        Parameters
        ----------
        *args
            At most `shape`, `initializer` and `dtype`, in this order.
        shape : tuple of int, optional
            By default ``()``: one number.
        initializer : str or Initializer, optional
            ``"glorot_uniform"`` by default.
        dtype : {"float32", "float64"}, optional
            To be that of the layer, if it is given: a model computes in one type.
        trainable : bool, default True
        autocast, aggregation, overwrite_with_gradient
            Accepted so that scripts for Keras run; they have no effect.
        regularizer : str or Regularizer, optional
        constraint : str or Constraint, optional
        name : str, optional
            ``"variable"`` by default, then ``"variable_1"``, and so on.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above, or the layer is built already.
        """
        given = named_weight_arguments(args, {"shape": shape, "initializer": initializer, "dtype": dtype})
        return new_weight(self, given, trainable, regularizer, constraint, name)

    @property
    def trainable(self) -> bool:
        """Whether training changes the layer's weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_boolean("trainable", value)
        if not self.is_model:
            for layer in sublayers(self):
                layer.trainable = value

    @property
    def metrics(self) -> list[Any]:
        """The metrics in attributes of the layer and of the layers within it, except for those of models."""
        kind = families["metrics"].base
        layers = [layer for layer in (self, *layers_within(self)) if not layer.is_model]
        return list(dict.fromkeys(each for layer in layers for each in held_metrics(layer, kind)))

    @property
    def metrics_variables(self) -> list[Any]:
        """The variables of these metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    @property
    def compute_dtype(self) -> str:
        """The float type of computations, which is that of the weights."""
        return self.dtype

    @property
    def variable_dtype(self) -> str:
        """The float type of the weights."""
        return self.dtype

    @property
    def path(self) -> str:
        """The layer's name. The paths of its weights begin with it, unless the layer is within another one."""
        return self.name

    @property
    def variables(self) -> list[Variable]:
        """All weights, in the order of `get_weights`: the layer's own, and then the weights of layers within it."""
        return variables_of(self)

    @property
    def has_own_variables(self) -> bool:
        """Whether the class has a list of weights of its own making."""
        return type(self).variables is not WeightMethods.variables

    @property
    def weights(self) -> list[Variable]:
        """All weights, in the order of `get_weights`."""
        return self.variables

    @property
    def trainable_variables(self) -> list[Variable]:
        """Weights that training changes."""
        if not self.trainable:
            return []
        inner = sublayers(self)
        if not inner:
            return [v for v in self.variables if v.trainable]
        frozen = {v for layer in inner for v in layer.non_trainable_variables}
        own = set(own_variables(self))
        return [v for v in self.variables if v.trainable and (v in own or v not in frozen)]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Weights that training leaves alone, or that no gradient reaches."""
        trainable = set(self.trainable_variables)
        return [variable for variable in self.variables if variable not in trainable]

    @property
    def trainable_weights(self) -> list[Variable]:
        """Weights that training changes."""
        return self.trainable_variables

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """Weights that training leaves alone, or that no gradient reaches."""
        return self.non_trainable_variables

    def count_params(self) -> int:
        """Number of weights, as single numbers.

        Raises
        ------
        ValueError
            If the layer has no shape yet.
        """
        if not self.built:
            raise ValueError(f"Layer {self.name!r} has no weights yet: call it or build it with an input shape first.")
        return sum(variable.size for variable in self.variables)

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of all weights, of one moment: what another thread trains is copied when its run is over."""
        variables = self.variables
        with AtRest(variables):
            return [variable.array.copy() for variable in variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights. If another thread runs the model, this waits for the end of the run.

        Raises
        ------
        ValueError
            If their number or a shape differs, or a value is not finite; nothing is changed then.
        """
        set_values(self, weights)

    def save_own_variables(self, store: Any) -> None:
        """Write the layer's own weights, without those of layers within, into a file that is being saved.

        A subclass may write something else, or more: arrays of numbers under names of its choice, which its
        `load_own_variables` reads.

        Parameters
        ----------
        store : mapping of str to array
            What is written, ``store[name] = array``.
        """
        for number, variable in enumerate(own_variables(self)):
            store[str(number)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Take from a file what `save_own_variables` wrote.

        Parameters
        ----------
        store : mapping of str to array

        Raises
        ------
        ValueError
            If the file holds another number of weights, or one of another shape; nothing is changed then.
        """
        load_values(self, store)
