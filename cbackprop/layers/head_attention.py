"""The base of attention layers with heads: projections of query, key and value, attention, and one of the output."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop import constraints, initializers, regularizers
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.attention_step import AttentionPast, AttentionSizes, AttentionStep, Sight
from cbackprop.layers.call_arguments import CallArguments, is_array
from cbackprop.layers.einsum_dense import EinsumDense
from cbackprop.layers.merging import Multiply
from cbackprop.layers.parts import parts_of
from cbackprop.layers.random_layer import RandomLayer
from cbackprop.layers.reshaping import Permute
from cbackprop.tensor import Shape, is_symbolic
from cbackprop.validation import ArgumentTypeError, check_boolean, check_integer, check_number, named

__all__ = ["HeadAttention"]

SampleShape = tuple[int, ...]


def _call(
    query: Any,
    value: Any,
    key: Any = None,
    query_mask: Any = None,
    value_mask: Any = None,
    key_mask: Any = None,
    attention_mask: Any = None,
    return_attention_scores: bool = False,
    training: Any = None,
    use_causal_mask: bool = False,
) -> None:
    """The arguments of a call."""


class HeadAttention(RandomLayer):
    """Base of `MultiHeadAttention` and `GroupQueryAttention`, which see for parameters.

    A subclass says how many heads there are and how long they are, and which axes are gone along.
    """

    call_signature: ClassVar[inspect.Signature] = inspect.signature(_call)
    input_arguments: ClassVar[dict[str, str]] = {"query": "query_mask", "value": "value_mask", "key": "key_mask"}
    call_settings: ClassVar[tuple[str, ...]] = ("return_attention_scores", "use_causal_mask")
    n_inputs = None
    holds_layers = True
    overwrites_input = False

    # The earlier time steps, if steps come one by one.
    _past: AttentionPast | None = None

    # Subclasses set these
    heads: int
    key_heads: int
    features: int
    values: int

    def __init__(
        self,
        dropout: float,
        use_bias: bool,
        use_gate: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.dropout = check_number("dropout", dropout, 0, 1)
        self.use_bias = check_boolean("use_bias", use_bias)
        self.use_gate = check_boolean("use_gate", use_gate)
        self.sliding_window = (
            None if sliding_window is None else check_integer("sliding_window", sliding_window, minimum=1)
        )
        self.flash_attention = None if flash_attention is None else check_boolean("flash_attention", flash_attention)
        if self.flash_attention and self.dropout > 0:
            raise ValueError("Dropout is not supported when flash attention is enabled. Set dropout to 0.0.")
        self.kernel_initializer = named("kernel_initializer", initializers.get, kernel_initializer)
        self.bias_initializer = named("bias_initializer", initializers.get, bias_initializer)
        self.kernel_regularizer = named("kernel_regularizer", regularizers.get, kernel_regularizer)
        self.bias_regularizer = named("bias_regularizer", regularizers.get, bias_regularizer)
        self.projection_regularizer = named("activity_regularizer", regularizers.get, activity_regularizer)
        self.kernel_constraint = named("kernel_constraint", constraints.get, kernel_constraint)
        self.bias_constraint = named("bias_constraint", constraints.get, bias_constraint)

    def argument(self, name: str) -> Any:
        """The value of a constructor argument. Activity regularizers are taken from the projections."""
        return self.projection_regularizer if name == "activity_regularizer" else super().argument(name)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor that determine the computation."""
        config = super().get_config()
        config.pop("flash_attention", None)
        return config

    # The projections

    def projections(self) -> dict[str, Any]:
        """The projections, by their results: query, key, value, gate and attention_output."""
        raise NotImplementedError

    def _projection(
        self, name: str, free: int, bound: int, sizes: Sequence[int], activation: Any = None
    ) -> EinsumDense:
        """A layer that turns the last `bound` axes behind `free` others into axes of these sizes."""
        letters = iter(ascii_lowercase)
        kept, summed, made = ("".join(next(letters) for _ in range(n)) for n in (free, bound, len(sizes)))
        return EinsumDense(
            f"{kept}{summed},{summed}{made}->{kept}{made}",
            output_shape=[*[None] * (free - 1), *sizes],
            activation=activation,
            bias_axes=made if self.use_bias else None,
            kernel_initializer=_copy(self.kernel_initializer),
            bias_initializer=_copy(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.projection_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            name=name,
            dtype=self.dtype,
        )

    def make_projections(self, query: Shape, value: Shape, key: Shape, output: Sequence[int]) -> dict[str, EinsumDense]:
        """The projections, with weights for inputs of these shapes and an output of these sizes behind positions."""
        free = len(query) - 1
        of_query, of_value = [self.heads, self.features], [self.heads, self.values]
        made = {
            "query": (self._projection("query", free, 1, of_query), query),
            "key": (self._projection("key", free, 1, [self.key_heads, self.features]), key),
        }
        if self.use_gate:
            made["gate"] = self._projection("gate", free, 1, of_value, "sigmoid"), query
        made["value"] = self._projection("value", free, 1, [self.key_heads, self.values]), value
        made["attention_output"] = self._projection("attention_output", free, 2, output), (*query[:-1], *of_value)
        for layer, shape in made.values():
            layer.build(shape)
        return {name: layer for name, (layer, _) in made.items()}

    def check_built_for(self, input_shape: list[Shape]) -> None:
        """Refuse inputs with other numbers of features than the projections were made for."""
        found = self.projections()
        for name, shape in zip(("query", "value", "key"), input_shape, strict=True):
            found[name].check_built_for(shape)

    # Calls

    def complete_call(self, call: CallArguments) -> None:
        """The value is the key, too, if there is no other. A mask for all samples is given a batch axis."""
        values = call.values
        for name in ("query", "value"):
            if isinstance(values.get(name), (list, tuple)) and is_symbolic(values[name]):
                raise ArgumentTypeError(f"{name} of {self._title()} must be one tensor, but got a list of them.")
        if values.get("key") is None:
            values["key"] = values["value"]
        mask = values.get("attention_mask")
        if is_array(mask) and not is_symbolic(mask):
            mask = np.asarray(mask)
            if is_symbolic([values["query"], values["value"], values["key"]]):
                call.settings["attention_mask"] = values["attention_mask"] = mask
            else:
                values["attention_mask"] = self._for_each(mask, _shape_if_known(values["query"]))

    def _for_each(self, mask: NDArray[Any], query: tuple[int, ...]) -> NDArray[Any]:
        """A mask for all samples as one for each."""
        axes = 2 * len(self.positions(len(query)))
        mask = mask[np.newaxis] if mask.ndim == axes else mask
        return np.broadcast_to(mask, (query[0], *mask.shape[1:])) if query and mask.ndim and len(mask) == 1 else mask

    def joined_shapes(  # type: ignore[override]
        self, query_shape: Any = None, value_shape: Any = None, key_shape: Any = None, **more: Any
    ) -> Any:
        """The shapes of query, value and key. A missing one is the same as the one before it."""
        query_shape = more.get("input_shape", query_shape)
        if isinstance(query_shape, list) and (not query_shape or isinstance(query_shape[0], (list, tuple))):
            query_shape, value_shape, key_shape = [*query_shape, *[None] * 3][:3]
        value_shape = query_shape if value_shape is None else value_shape
        return [query_shape, value_shape, value_shape if key_shape is None else key_shape]

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that the layer was built for, by argument, as in Keras's files; ``None`` if they are not known."""
        if self._build_shape is None:
            return None
        names = [f"{name}_shape" for name in self.input_arguments]
        return {"shapes_dict": dict(zip(names, self._build_shape, strict=True))}

    def compute_output_shape(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> Shape:
        """The shape of the query, with as many features as the output has."""
        given = self.joined_shapes(query_shape, value_shape, key_shape)
        what = f"{self._title()} got query, value and key of shapes {given[0]}, {given[1]} and {given[2]}"
        if not all(isinstance(shape, (list, tuple)) for shape in given):
            raise ArgumentTypeError(f"{what}: each must be a tuple, (batch, positions, features).")
        query, value, key = map(tuple, given)
        if len(query) < 3 or {len(value), len(key)} != {len(query)}:
            raise ValueError(f"{what}: each must be (batch, positions, features), with the same number of axes.")
        if value[1:-1] != key[1:-1]:
            raise ValueError(f"{what}: all axes of value and key, except the last one, must be equal.")
        positions = self.positions(len(query))
        groups = [axis for axis in range(1, len(query) - 1) if axis not in positions]
        if any(query[axis] != value[axis] for axis in groups):
            raise ValueError(f"{what}: along axes {groups}, which are not gone along, both must have the same sizes.")
        if 0 in (*query[1:], *value[1:], *key[1:]):
            raise ValueError(f"{what}: no axis may have size 0.")
        return self.shape_of_output(query, value)

    def shape_of_output(self, query: Shape, value: Shape) -> Shape:
        """The shape of the output."""
        raise NotImplementedError

    def positions(self, rank: int) -> tuple[int, ...]:
        """The axes along which attention works, for an input with `rank` axes."""
        return tuple(range(1, rank - 1))

    def shapes_of_call(self, shape: Any, input_shapes: list[Shape], settings: dict[str, Any]) -> Any:
        """The shape, and that of the weights if they are returned."""
        query, value = input_shapes[:2]
        if "attention_mask" in settings:
            self.view_of(settings["attention_mask"], query[1:], value[1:])
        if not settings.get("return_attention_scores"):
            return shape
        along = self.positions(len(query))
        groups = [query[axis] for axis in range(1, len(query) - 1) if axis not in along]
        queries, keys = [query[axis] for axis in along], [value[axis] for axis in along]
        return shape, (query[0], *groups, self.heads, *queries, *keys)

    def check_more_inputs(self, tensors: list[Any], more: list[Any]) -> None:
        """Refuse an attention mask that does not fit."""
        if {len(tensor.shape) for tensor in tensors} != {max(len(tensors[0].shape), 3)}:
            self.compute_output_shape(*(tensor.shape for tensor in tensors))  # says what is wrong
        for mask in more:
            if not hasattr(mask, "shape"):
                raise ArgumentTypeError(
                    f"attention_mask of {self._title()} must be a tensor or an array, but got {mask!r}."
                )
            self._view(tuple(mask.shape)[1:], *(tensor.shape[1:] for tensor in tensors[:2]))

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """The mask of the query."""
        for shape, mask in list(zip(shapes, masks, strict=True))[:3]:
            if mask is not None and mask != shape[:-1]:
                raise ValueError(
                    f"{self._title()} needs a mask of shape {shape[:-1]} for a sample, but got one of shape {mask}."
                )
        return None if masks[0] is None else 0

    def output_has_mask(self, number: int) -> bool:
        """Only the first has one."""
        return number == 0

    # Steps

    def expand(self, steps: Steps, inputs: list[Value], shape: Any, mask: Mask | None) -> Any:
        """The projections, the step between them, and what brings axes into its order and back."""
        made = self.projections()
        query = inputs[0]
        plain = [one._replace(mask=None) for one in inputs[:3]]
        order = self._order(len(query.shape) + 1)
        q, v, k = (
            self._permuted(steps, steps.call(made[name], [one]), order)
            for name, one in zip(("query", "value", "key"), plain, strict=True)
        )
        sizes = self._sizes(q.shape, v.shape, len(self.positions(len(query.shape) + 1)))
        sights, read = self._sights(steps, inputs, sizes, order[: len(query.shape) - 1])
        if self._past is not None and sights:  # all inputs are the same, and so are their masks
            sights, read = sights[:1], read[:1]
            self._past.expect_mask()
        scores = bool(steps.settings.get("return_attention_scores"))
        causal, hides = bool(steps.settings.get("use_causal_mask")), any(one.mask is not None for one in inputs[:3])
        step = self._step(sizes, sights, hides, scores, causal, len(query.shape) + 1)
        found = steps.add(
            step,
            [*sizes.read(q, k, v), *read],
            (math.prod(step.value_shape) + step.score_count,) if scores else step.value_shape,
        )
        parts = [(*q.shape[:-1], self.values), *([sizes.score_shape] if scores else [])]
        outputs = parts_of(steps, step, found, parts) if scores else [found._replace(shape=parts[0])]
        y = self._permuted(steps, outputs[0], tuple(np.argsort(order)))
        if self.use_gate:
            gate = steps.call(made["gate"], plain[:1])
            y = steps.call(Multiply(name=f"{self.name}_gated", dtype=self.dtype), [y, gate])
        outputs[0] = steps.call(made["attention_output"], [y])
        return outputs if scores else outputs[0]

    def _order(self, rank: int) -> tuple[int, ...]:
        """The axes of projected samples in the order of the step: groups, positions, heads."""
        along = [axis - 1 for axis in self.positions(rank)]
        return (*(axis for axis in range(rank - 2) if axis not in along), *along, rank - 2, rank - 1)

    def _permuted(self, steps: Steps, value: Value, order: tuple[int, ...]) -> Value:
        """A value with its axes in another order."""
        if order == tuple(range(len(order))):
            return value
        layer = Permute([int(axis) + 1 for axis in order], name=f"{self.name}_order", dtype=self.dtype)
        return steps.call(layer, [value])

    def _sizes(self, query: SampleShape, value: SampleShape, along: int) -> AttentionSizes:
        """The sizes of projected samples."""
        groups = query[: -2 - along]
        queries, keys = query[-2 - along : -2], value[-2 - along : -2]
        return AttentionSizes(groups, queries, keys, self.heads, self.key_heads, self.features, self.values)

    def gives_0_to_hidden(self, scores: bool, rank: int) -> bool:
        """Whether a query that sees no key gets 0, not the mean: as in Keras, where it depends on how that computes.

        For a call that returns weights or not, and inputs with so many axes.
        """
        return self.dropout > 0 or scores or rank != 3

    def _step(
        self, sizes: AttentionSizes, sights: list[Sight], hides: bool, scores: bool, causal: bool, rank: int
    ) -> AttentionStep:
        """The core."""
        return AttentionStep(
            self.name,
            self.dtype,
            sizes,
            factor=1 / math.sqrt(self.features),
            causal=causal,
            window=self.sliding_window,
            masks=sights,
            dropout=self.dropout,
            stream=self.stream,
            hides=hides,
            hidden_is_zero=self.gives_0_to_hidden(scores, rank),
            past=self._past,
            returns_scores=scores,
        )

    def _sights(
        self, steps: Steps, inputs: list[Value], sizes: AttentionSizes, order: tuple[int, ...]
    ) -> tuple[list[Sight], list[Mask]]:
        """The masks of the inputs, each once, and that of the call."""
        groups, ones = sizes.groups, (1,) * len(sizes.queries)
        query, value, key = (one.mask for one in inputs[:3])
        sights, read = [], []
        for mask, seen in (
            (query, (*sizes.queries, *ones)),
            (value, (*ones, *sizes.keys)),
            (None if key == value else key, (*ones, *sizes.keys)),
        ):
            if mask is not None:
                places = _numbered(mask.shape).transpose(order).reshape(*groups, 1, *seen)
                sights.append(Sight(mask.shape, places, sizes))
                read.append(mask)
        fixed = steps.settings.get("attention_mask")
        shapes = inputs[0].shape, inputs[1].shape
        if fixed is not None:
            view = self.view_of(fixed, *shapes)
            sights.append(Sight(view.shape, _numbered(view.shape), sizes, view))
        for given in inputs[3:]:
            sights.append(Sight(given.shape, _numbered(self._view(given.shape, *shapes)), sizes))
            read.append(steps.as_mask(self, given))
        return sights, read

    def view_of(self, mask: NDArray[Any], query: Any, value: Any) -> NDArray[np.bool_]:
        """A mask for all samples, perhaps with a batch axis, with an axis for each axis of the weights.

        Raises
        ------
        ValueError
            If it does not broadcast to these, or is for several samples.
        """
        if mask.ndim > 2 * len(self.positions(len(query) + 1)):
            if len(mask) != 1:
                raise ValueError(
                    f"An array as attention_mask of {self._title()} must be for one sample, not for {len(mask)}."
                )
            mask = mask[0]
        return (mask != 0).reshape(self._view(mask.shape, query, value))

    def _view(self, mask: Any, query: Any, value: Any) -> Any:
        """The shape of an attention mask with an axis for each axis of the weights; all shapes for a sample.

        Raises
        ------
        ValueError
            If they do not broadcast.
        """
        scores = self.shapes_of_call(None, [(None, *query), (None, *value)], {"return_attention_scores": True})[1][1:]
        along = 2 * len(self.positions(len(query) + 1))
        missing = len(scores) - len(mask)
        before = len(mask) - along
        fits = missing >= 0 and before >= 0
        view = (*mask[:before], *[1] * missing, *mask[before:]) if fits else ()
        if not fits or any(None not in (a, b) and a not in (1, b) for a, b in zip(view, scores, strict=True)):
            raise ValueError(
                f"attention_mask of {self._title()} must broadcast to (batch, {', '.join(map(str, scores))}), the "
                f"shape of the weights, but has shape (batch, {', '.join(map(str, mask))})."
            )
        return view


def _numbered(view: SampleShape) -> NDArray[np.intp]:
    """The numbers of a mask's elements."""
    return np.arange(math.prod(view), dtype=np.intp).reshape(view)


def _copy(initializer: Any) -> Any:
    """An initializer that draws numbers of its own."""
    return (
        type(initializer).from_config(initializer.get_config()) if hasattr(initializer, "get_config") else initializer
    )


def _shape_if_known(value: Any) -> tuple[int, ...]:
    """The shape of an array or of nested lists; ``()`` for uneven lists, which are refused later."""
    try:
        return np.shape(value)
    except ValueError:
        return ()
