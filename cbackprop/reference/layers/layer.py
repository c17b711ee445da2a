"""The base of the NumPy layers."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from cbackprop.plan.fit import check_fit

__all__ = ["Array", "Batch", "Fit", "Layer", "Shape"]

Array = NDArray[Any]
Shape = tuple[int, ...]


class Fit(NamedTuple):
    """What a layer works on: shapes of a sample of each input and of the output, and of the weights that it reads.

    These are the attributes of the spec, in order; ``None`` for any weights.
    """

    inputs: tuple[Shape, ...]
    output: Shape
    weights: dict[str, Shape] | None


class Batch(NamedTuple):
    """What a layer may want to know of a batch: whether it trains, and how many training batches came before.

    Where several batches have the same number, as in test and predict, `first` counts the samples in front.
    """

    training: bool
    iteration: int
    first: int = 0


class Layer:
    """One use of a layer in a network. It keeps from its forward pass what its backward pass needs.

    Parameters
    ----------
    spec : cbackprop.layers.Layer
        What the user wrote.
    input_shapes, output_shape
        Shapes of one sample.
    node : int
        Which step of the network it is: shared random layers differ by it.
    """

    def __init__(
        self, spec: Any, input_shapes: tuple[tuple[int, ...], ...], output_shape: tuple[int, ...], node: int
    ) -> None:
        self.spec = spec
        self.input_shapes = input_shapes
        self.output_shape = output_shape
        self.node = node
        fit = self.fit()
        check_fit(spec, type(self).__name__, input_shapes, output_shape, fit.inputs, fit.output, fit.weights)
        self.n_weights = len(spec.variables if fit.weights is None else fit.weights)

    def fit(self) -> Fit:
        """What the layer works on, whatever the spec's class makes of it."""
        raise NotImplementedError

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The output (batch, *output_shape) of inputs (batch, *input_shape)."""
        raise NotImplementedError

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """From dL/doutput, the dL/dinput of each input and the dL/dparameter of each parameter.

        Input deltas that are not `wanted` need not be computed; anything may stand in their place.
        """
        raise NotImplementedError

    def finish(self, parameters: list[Array]) -> None:
        """After the step of a batch that changes weights: change those that no gradient reaches.

        Only called for a layer that must see a batch as a whole.
        """
