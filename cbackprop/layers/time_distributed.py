"""TimeDistributed: a layer for each time step of a sequence."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.call_arguments import is_shape
from cbackprop.layers.concatenate import Concatenate
from cbackprop.layers.dense import Dense
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.parts import MaskPart, Part
from cbackprop.tensor import Shape
from cbackprop.validation import ArgumentTypeError

__all__ = ["TimeDistributed"]


@registry.register()
class TimeDistributed(Layer):
    """Run the same layer, with the same weights, for each time step of a sequence.

    Parameters
    ----------
    layer : Layer
        Any layer or model with one input and one output, also one in Python.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, ...), output (batch, steps, ...): `layer` gets (batch, ...), and what it returns for each time
    step stands at that step. The time steps are steps of the network; a `Dense` runs for all of them at once. So batch
    normalization has the statistics of one time step at a time, and a layer with states that last goes on with those
    of the time step before.

    A mask of the time steps is passed on. What it says of the rows of a time step, `layer` gets. As in Keras, the
    ``activity_regularizer`` of `layer` itself adds nothing: give it to `TimeDistributed`.

    Raises
    ------
    TypeError, ValueError
        If `layer` is no layer, has several inputs or outputs, or the input has no time steps.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.TimeDistributed(cb.layers.Conv2D(4, 3))
    >>> layer(cb.Input((10, 8, 8, 1))).shape
    (None, 10, 6, 6, 4)
    """

    holds_layers = True
    supports_masking = True

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer) or not (layer.is_python or layer.is_model or layer.n_inputs == 1):
            raise ArgumentTypeError(f"layer must be a layer or a model of one input, but got {layer!r}.")
        if layer.dtype != self.dtype:
            raise ValueError(f"layer computes in {layer.dtype}, but TimeDistributed in {self.dtype}.")
        self.layer = layer

    @property
    def fixes_batch_size(self) -> bool:  # type: ignore[override]
        """Whether the layer has states that last from batch to batch."""
        return self.layer.fixes_batch_size

    def build(self, input_shape: Shape) -> None:
        """Create the weights of the layer."""
        if not self.layer.built:
            self.layer.build((input_shape[0], *input_shape[2:]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, steps, ...), where the layer makes what follows."""
        if len(input_shape) < 3 or input_shape[1] == 0:
            raise ValueError(
                f"TimeDistributed {self.name!r} needs inputs (batch, steps, ...), at least one step, but got shape "
                f"{input_shape}."
            )
        shape = self.layer.compute_output_shape((input_shape[0], *input_shape[2:]))
        if not is_shape(shape):
            raise ValueError(
                f"layer of TimeDistributed {self.name!r} must have one output, but {self.layer.name!r} makes {shape}."
            )
        return (shape[0], input_shape[1], *shape[1:])

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse what the layer was not built for."""
        self.layer.check_built_for((input_shape[0], *input_shape[2:]))

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """The mask of the input, if it fits the rows of the output."""
        return 0 if masks[0] is not None and masks[0] == output[:-1] else None

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """The steps of the layer for each time step, and one that puts the results together."""
        (x,) = inputs
        if isinstance(self.layer, Dense) and type(self.layer).expand is Layer.expand:
            return self.layer.expand(steps, [x._replace(mask=None)], shape, None)
        found = [steps.call(self.layer, [self._step(steps, x, t)], False) for t in range(x.shape[0])]
        if len(found) == 1:
            return found[0]._replace(shape=shape)
        rows = [value._replace(shape=(1, *shape[1:])) for value in found]
        return steps.add(Concatenate(1, name=f"{self.name}_steps", dtype=self.dtype), rows, shape)

    def _step(self, steps: Steps, x: Value, t: int) -> Value:
        """The input at a time step. It has a mask if the mask of all steps has an element for each row."""
        value = steps.add(Part(self, t, *_range(x.shape, t)), [x._replace(shape=(math.prod(x.shape),))], x.shape[1:])
        mask = x.mask
        if mask is None or not self.layer.supports_masking or mask.shape[1:] != x.shape[1:-1]:
            return value
        flat = mask._replace(shape=(math.prod(mask.shape),))
        part = steps.add(MaskPart(self, t, *_range(mask.shape, t)), [flat], mask.shape[1:])
        return value._replace(mask=Mask(part.buffer, part.shape))


def _range(shape: tuple[int, ...], t: int) -> tuple[int, int]:
    """The first element of a time step, and the one after its last."""
    size = math.prod(shape[1:])
    return t * size, (t + 1) * size
