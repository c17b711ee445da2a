"""The base of the NumPy layers."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from cbackprop.contract.fit import check_fit

__all__ = ["Array", "Batch", "Fit", "Layer", "Shape"]

Array = NDArray[Any]
Shape = tuple[int, ...]


class Fit(NamedTuple):
    """The shapes that a layer works on: of a sample of each input, of a sample of the output, and of the weights.

    Weights are attributes of the spec, in order; ``None`` means any weights.
    """

    inputs: tuple[Shape, ...]
    output: Shape
    weights: dict[str, Shape] | None


class Batch(NamedTuple):
    """Facts about a batch for layers: whether it is a training batch, and the number of training batches before it.

    In evaluation and prediction, that number is the same for all batches, and `first` is the number of samples before
    the batch.
    """

    training: bool
    iteration: int
    first: int = 0


class Layer:
    """One use of a layer in a network. The forward pass stores what the backward pass needs.

    Parameters
    ----------
    spec : cbackprop.layers.Layer
        The user's layer.
    input_shapes, output_shape
        Shapes of one sample.
    node : int
        The number of the step in the network. A random layer that is used twice draws different numbers in each step.
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
        """The shapes that this layer works on, even if a user's subclass of the spec computes others."""
        raise NotImplementedError

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """Compute the output (batch, *output_shape) from the inputs (batch, *input_shape)."""
        raise NotImplementedError

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Compute from dL/doutput the dL/dinput of each input and the dL/dparameter of each parameter.

        Input deltas that are not `wanted` need not be computed; any array may be returned for them.
        """
        raise NotImplementedError

    def finish(self, parameters: list[Array]) -> None:
        """After a training step: update variables without a gradient, such as moving averages.

        Called only for layers that need the whole batch.
        """
