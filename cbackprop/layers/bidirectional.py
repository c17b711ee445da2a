"""Bidirectional: a recurrent layer that goes through sequences in both directions."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.concatenate import Concatenate
from cbackprop.layers.get_item import GetItem
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.merging import Add, Average, Multiply
from cbackprop.layers.recurrent_cell import check_states
from cbackprop.layers.rnn import RNN
from cbackprop.tensor import Shape
from cbackprop.validation import ArgumentTypeError, type_name
from cbackprop.variable import are_blank

__all__ = ["Bidirectional"]

MERGES: dict[str, Any] = {"concat": Concatenate, "sum": Add, "ave": Average, "mul": Multiply}


@registry.register()
class Bidirectional(Layer):
    """Run two recurrent layers over sequences: one from the first time step to the last, the other from last to first.

    Parameters
    ----------
    layer : RNN
        `LSTM`, `GRU`, `SimpleRNN` or `RNN`. A copy of it, without its weights, becomes `forward_layer`.
    merge_mode : {"concat", "sum", "mul", "ave", None}, default "concat"
        How both outputs are put together: side by side, or their sum, product or mean; ``None``: not at all.
    weights : list of ndarray, optional
        What the weights begin with: those of `forward_layer`, then those of `backward_layer`.
    backward_layer : RNN, optional
        By default a copy of `layer` that goes backwards. It has weights of its own.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    forward_layer, backward_layer : RNN

    Notes
    -----
    Input (batch, steps, features). With `return_sequences` of the layer, outputs of both stand in the order of the
    inputs. With `return_state`, the states of `forward_layer` and then those of `backward_layer` follow the output;
    ``initial_state`` of a call is a list in this order. At time steps that a mask hides, sequences are 0.

    Raises
    ------
    TypeError, ValueError
        If `layer` is no recurrent layer, `merge_mode` is unknown, or both layers do not fit each other.

    References
    ----------
    Schuster and Paliwal, "Bidirectional recurrent neural networks", IEEE Transactions on Signal Processing 45, 1997.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.Bidirectional(cb.layers.LSTM(16, return_sequences=True))
    >>> layer(cb.Input((10, 3))).shape
    (None, 10, 32)
    """

    call_signature: ClassVar[inspect.Signature] = RNN.call_signature
    holds_layers = True
    supports_masking = True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in {"layer": layer, "backward_layer": backward_layer}.items():
            if not isinstance(value, RNN) and not (name == "backward_layer" and value is None):
                what = f"{name} must be a recurrent layer, such as layers.LSTM"
                raise ArgumentTypeError(f"{what}, but got {type_name(value)}.")
        if merge_mode is not None and (not isinstance(merge_mode, str) or merge_mode not in MERGES):
            raise ValueError(f"merge_mode must be one of {[*MERGES, None]}, but got {merge_mode!r}.")
        if layer.dtype != self.dtype or (backward_layer is not None and backward_layer.dtype != self.dtype):
            raise ValueError(f"layer and backward_layer must compute in {self.dtype}, as Bidirectional does.")
        if weights is not None and not isinstance(weights, (list, tuple)):
            raise ArgumentTypeError(f"weights must be a list of arrays, but got {type_name(weights)}.")
        self.merge_mode = merge_mode
        # In a file, the layer is that copy.
        self.forward_layer = layer if are_blank() else _copy(layer, "forward_")
        self.backward_layer = _copy(layer, "backward_", True) if backward_layer is None else backward_layer
        self._check_layers()
        self.first_weights = None if weights is None else list(weights)

    def _check_layers(self) -> None:
        """Refuse layers that go in the same direction, or return other things."""
        first, second = self.forward_layer, self.backward_layer
        if first.go_backwards == second.go_backwards:
            raise ValueError(
                f"layer and backward_layer must have different values of go_backwards, but both have "
                f"{first.go_backwards}."
            )
        for name in ("stateful", "return_sequences", "return_state"):
            if getattr(first, name) != getattr(second, name):
                raise ValueError(
                    f"layer and backward_layer must have the same {name}, but got {getattr(first, name)} and "
                    f"{getattr(second, name)}."
                )

    def argument(self, name: str) -> Any:
        """The value of a constructor argument; there are no weights to begin with in a config."""
        known = {"layer": self.forward_layer, "weights": None}
        return known[name] if name in known else getattr(self, name)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config = super().get_config()
        config.pop("weights", None)
        return config

    @property
    def return_sequences(self) -> bool:
        """The setting of both layers."""
        returns: bool = self.forward_layer.return_sequences
        return returns

    @property
    def return_state(self) -> bool:
        """The setting of both layers."""
        returns: bool = self.forward_layer.return_state
        return returns

    @property
    def stateful(self) -> bool:
        """The setting of both layers."""
        stateful: bool = self.forward_layer.stateful
        return stateful

    @property
    def fixes_batch_size(self) -> bool:  # type: ignore[override]
        """Whether states last from batch to batch."""
        return self.stateful

    @property
    def states(self) -> list[Any] | None:
        """The states that last from batch to batch, of both layers."""
        first, second = self.forward_layer.states, self.backward_layer.states
        return None if first is None or second is None else [*first, *second]

    def reset_state(self) -> None:
        """Begin with zeros again, where states last from batch to batch."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """`reset_state`, under its older name."""
        self.reset_state()

    def build(self, input_shape: Shape) -> None:
        """Create the weights of both layers."""
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(input_shape)
        if self.first_weights is not None:
            half = len(self.first_weights) // 2
            self.forward_layer.set_weights(self.first_weights[:half])
            self.backward_layer.set_weights(self.first_weights[half:])

    def compute_output_shape(self, input_shape: Shape, initial_state_shape: Any = None) -> Any:
        """The shape of the merged output, or of both outputs; with states, a tuple."""
        shapes, more = zip(
            *(self._shapes(layer, input_shape) for layer in (self.forward_layer, self.backward_layer)), strict=True
        )
        if self.merge_mode not in ("concat", None) and shapes[0] != shapes[1]:
            raise ValueError(
                f"merge_mode {self.merge_mode!r} of Bidirectional {self.name!r} needs outputs of one shape, but got "
                f"{shapes[0]} and {shapes[1]}."
            )
        if self.merge_mode is None:
            return (*shapes, *more[0], *more[1])
        merged = shapes[0] if self.merge_mode != "concat" else (*shapes[0][:-1], shapes[0][-1] + shapes[1][-1])
        return (merged, *more[0], *more[1]) if self.return_state else merged

    def _shapes(self, layer: Any, input_shape: Shape) -> tuple[Any, tuple[Any, ...]]:
        """The shapes of a layer's output and of its states."""
        found = layer.compute_output_shape(input_shape)
        return (found[0], found[1:]) if self.return_state else (found, ())

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse sequences that the layers were not built for."""
        self.forward_layer.check_built_for(input_shape)
        self.backward_layer.check_built_for(input_shape)

    def check_more_inputs(self, tensors: list[Any], more: list[Any]) -> None:
        """Refuse another number of initial states, or states of another size."""
        if more:
            shapes = [
                s for each in (self.forward_layer, self.backward_layer) for s in each.state_shapes(tensors[0].shape)
            ]
            check_states(self, "initial_state", more, shapes)

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """The mask of the input, if the output is a sequence."""
        return self.forward_layer.mask_rule(shapes, masks, output)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the input, for each output that is a sequence; none for states."""
        sequence = mask[0] if isinstance(mask, (list, tuple)) else mask
        sequence = sequence if self.return_sequences else None
        outputs = [sequence, sequence] if self.merge_mode is None else [sequence]
        if self.return_state:
            count = self.forward_layer.n_states + self.backward_layer.n_states
            outputs += [None] * count
        return outputs if len(outputs) > 1 else sequence

    def expand(self, steps: Steps, inputs: list[Value], shape: Any, mask: Mask | None) -> Any:
        """The steps of both layers, and the one that merges their outputs."""
        count = self.forward_layer.n_states
        given = inputs[1:]
        halves = ((self.forward_layer, given[:count]), (self.backward_layer, given[count:]))
        found = [
            layer.expand_cell(steps, [inputs[0], *states], layer is self.backward_layer, self.return_sequences)
            for layer, states in halves
        ]
        outputs = [each[0] if self.return_state else each for each in found]
        states = [state for each in found for state in each[1:]] if self.return_state else []
        if self.return_sequences and not self.backward_layer.go_backwards:
            outputs[1] = self._turned(steps, outputs[1])
        if self.merge_mode is not None:
            merge = MERGES[self.merge_mode](name=f"{self.name}_merge", dtype=self.dtype)
            merged = shape[0] if self.return_state else shape
            outputs = [steps.add(merge, outputs, merged)]
        everything = [*outputs, *states]
        return everything if len(everything) > 1 else everything[0]

    def _turned(self, steps: Steps, sequence: Value) -> Value:
        """A sequence from its last time step to its first: as in Keras, that of `backward_layer` in any case."""
        turn = GetItem((slice(None), slice(None, None, -1)), name=f"{self.name}_turned", dtype=self.dtype)
        return steps.add(turn, [sequence], sequence.shape)


def _copy(layer: Any, prefix: str, turned: bool = False) -> Any:
    """A layer with the same arguments, and weights of its own."""
    config = layer.get_config()
    config["name"] = prefix + config["name"].removeprefix(prefix)
    if turned:
        config["go_backwards"] = not config["go_backwards"]
    copy = type(layer).from_config(config)
    if layer.built:
        copy.build_from_config(layer.get_build_config())
    return copy
