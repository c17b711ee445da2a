"""Build the model for the parameters of an estimator, and draw its initial weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cbackprop as cb

__all__ = ["OUTPUT_ACTIVATIONS", "Weights", "build_model", "dense_layers", "draw_weights", "for_each_layer"]

Array = NDArray[Any]

# scikit-learn's names of activations and their names here.
ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}
OUTPUT_ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "softmax": "softmax", "exp": "exponential"}


def for_each_layer(name: str, value: Any, layers: int) -> list[Any]:
    """A list with an item for each hidden layer: `value` repeated or, if it is a sequence, its items.

    Raises
    ------
    ValueError
        If it is a sequence of another length.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [value] * layers
    values = list(value)
    if len(values) != layers:
        raise ValueError(f"{name} must be one for all hidden layers, or {layers} of them, but got {values!r}.")
    return values


def build_model(
    units: Sequence[int],
    activations: Sequence[Any],
    output_activation: str,
    dropout: Sequence[float],
    batch_normalization: bool,
    alpha: float,
    dtype: str,
) -> cb.Sequential:
    """Build a network of Dense layers with kernels of zeros, which `draw_weights` fills.

    Parameters
    ----------
    units : sequence of int
        The numbers of features, hidden units and outputs.
    activations, dropout : sequence
        One for each hidden layer.
    output_activation : str
        A key of `OUTPUT_ACTIVATIONS`.
    batch_normalization : bool
    alpha : float
        Twice the factor of the penalty `DividedL2`.
    dtype : {"float32", "float64"}
    """
    penalty = cb.regularizers.DividedL2(alpha / 2) if alpha else None
    layers: list[Any] = [cb.Input((units[0],), dtype=dtype)]

    def dense(width: int, activation: Any) -> None:
        layers.append(
            cb.layers.Dense(width, activation, kernel_initializer="zeros", kernel_regularizer=penalty, dtype=dtype)
        )

    for width, activation, rate in zip(units[1:-1], activations, dropout, strict=True):
        known = ACTIVATIONS.get(activation, activation) if isinstance(activation, str) else activation
        _check_gradient(cb.activations.get(known))
        dense(width, None if batch_normalization else known)
        if batch_normalization:
            layers.extend([cb.layers.BatchNormalization(dtype=dtype), cb.layers.Activation(known, dtype=dtype)])
        if rate:
            layers.append(cb.layers.Dropout(rate, dtype=dtype))
    dense(units[-1], OUTPUT_ACTIVATIONS[output_activation])
    return cb.Sequential(layers)


def _check_gradient(activation: Any) -> None:
    """Refuse a user's function without a gradient, because nothing could be trained through it."""
    known = isinstance(activation, (cb.activations.ActivationFunction, cb.layers.Layer))
    if not known and getattr(activation, "backward", None) is None:
        raise TypeError(
            f"nothing can be trained through {activation!r}: give it an attribute backward(inputs, outputs, delta), "
            "which returns the gradient by the inputs, or use a name or a function of cbackprop.activations."
        )


def dense_layers(model: cb.Sequential) -> list[Any]:
    """The layers of the network that have coefficients and intercepts."""
    return [layer for layer in model.layers if isinstance(layer, cb.layers.Dense)]


def draw_weights(
    random_state: np.random.RandomState, units: Sequence[int], activations: Sequence[Any], last: Any
) -> Iterator[tuple[Array, Array]]:
    """Draw coefficients and intercepts of each layer, uniform in ``+-sqrt(factor / (fan_in + fan_out))``.

    The factor is 2 if the activation is logistic, else 6. They are drawn in scikit-learn's order, so that the same
    `random_state` gives the same weights.

    Parameters
    ----------
    random_state : RandomState
    units : sequence of int
        The numbers of features, hidden units and outputs.
    activations : sequence
        One for each hidden layer.
    last : str, callable or None
        The activation that determines the factor of the output layer: that of the hidden layers, even if there are
        none.
    """
    for (fan_in, fan_out), activation in zip(pairwise(units), [*activations, last], strict=True):
        logistic = isinstance(activation, str) and activation in ("logistic", "sigmoid")
        bound = np.sqrt((2.0 if logistic else 6.0) / (fan_in + fan_out))
        coefficients = random_state.uniform(-bound, bound, (fan_in, fan_out))
        yield coefficients, random_state.uniform(-bound, bound, fan_out)


class Weights(list[Array]):
    """Arrays that share memory with a model: writing to an array, or replacing it in the list, changes the model."""

    def __init__(self, variables: Iterable[cb.Variable]) -> None:
        self._variables = list(variables)
        super().__init__(variable.array for variable in self._variables)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            wanted, value = len(self._variables[index]), list(value)
            if len(value) != wanted:
                raise ValueError(f"Expected {wanted} arrays, one for each layer, but got {len(value)}.")
            for variable, item in zip(self._variables[index], value, strict=True):
                variable.assign(item)
        else:
            self._variables[index].assign(value)

    def __reduce__(self) -> Any:
        return list, ([array.copy() for array in self],)
