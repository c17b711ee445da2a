"""Attention: means of values, weighted by how well queries and keys go together."""

from __future__ import annotations

import inspect
import math
from typing import Any, ClassVar

import numpy as np

from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.attention_step import AttentionSizes, AttentionStep, Sight
from cbackprop.layers.call_arguments import CallArguments, is_array
from cbackprop.layers.layer import registry
from cbackprop.layers.masks import Chosen
from cbackprop.layers.parts import parts_of
from cbackprop.layers.random_layer import RandomLayer
from cbackprop.tensor import Shape, is_symbolic
from cbackprop.validation import ArgumentTypeError, check_boolean, check_choice, check_number
from cbackprop.variable import Variable

__all__ = ["Attention"]


def _call(
    inputs: Any,
    mask: Any = None,
    training: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
    attention_mask: Any = None,
) -> None:
    """The arguments of a call."""


@registry.register()
class Attention(RandomLayer):
    """Dot-product attention: for each query, a mean of all values, weighted by how well their keys match it.

    ``output = softmax(scores) value`` with ``scores = scale query key^T``, or with ``score_mode="concat"``
    ``scores[t, s] = concat_score_weight sum_h tanh(scale (query[t, h] + key[s, h]))``.

    Parameters
    ----------
    use_scale : bool, default False
        Whether there is a trainable `scale`, 1 at first.
    score_mode : {"dot", "concat"}, default "dot"
    dropout : float, default 0
        The fraction of the weights to drop in training, in [0, 1].
    seed : int, optional
        Of dropout, from 0 to 2**32 - 1. By default it is drawn.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    scale, concat_score_weight : Variable or None
        One number each.

    Notes
    -----
    A call takes a list of the query (batch, ..., queries, features), the value (batch, ..., keys, units) and, unless it
    is the value, the key (batch, ..., keys, features). It returns (batch, ..., queries, units) and, with
    ``return_attention_scores=True``, the weights (batch, ..., queries, keys). With ``use_causal_mask=True`` a query
    sees only keys up to its own position.

    ``mask`` is a list with a mask for each input. Where the query's mask is 0, outputs are 0. Where the value's mask is
    0, no query sees the key. A query that sees no key gets the mean of all values. Unlike in Keras, a call also takes
    an ``attention_mask``. Where it is 0, a query does not see a key. It is an array that broadcasts to (..., queries,
    keys), the same for all samples, or a tensor (batch, ..., queries, keys), whose axes may have size 1, except for the
    first.

    With the weights P = softmax(S) and delta = dL/doutput: ``dL/dvalue = P^T delta``, ``dL/dP = delta value^T``,
    ``dL/dS = P (dL/dP - sum over keys of P dL/dP)``. The scores of a whole batch are never in memory: the backward pass
    computes them again, some queries at a time.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or inputs or masks do not fit each other.

    References
    ----------
    Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation", EMNLP 2015. Dao, Fu,
    Ermon, Rudra and Ré, "FlashAttention: fast and memory-efficient exact attention with IO-awareness", NeurIPS 2022.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> query, value = np.array([[[0.0, 5.0]]]), np.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> output, scores = cb.layers.Attention()([query, value], return_attention_scores=True)
    >>> scores.round(3)
    array([[[0.007, 0.993]]], dtype=float32)
    """

    call_signature: ClassVar[inspect.Signature] = inspect.signature(_call)
    call_settings: ClassVar[tuple[str, ...]] = ("return_attention_scores", "use_causal_mask")
    n_inputs = None
    overwrites_input = False
    adjustable = ("dropout",)

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.use_scale = check_boolean("use_scale", use_scale)
        self.score_mode = check_choice("score_mode", score_mode, ("dot", "concat"))
        self.dropout = check_number("dropout", dropout, 0, 1)
        self.scale: Variable | None = None
        self.concat_score_weight: Variable | None = None

    def build(self, input_shape: list[Shape]) -> None:
        """Create the weights."""
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def complete_call(self, call: CallArguments) -> None:
        """Refuse inputs that are no list of two or three; masks may be left out at the end."""
        inputs: Any = call.values.get("inputs")
        mask: Any = call.values.get("mask")
        self._check_lists(inputs, mask)
        if (fixed := call.values.get("attention_mask")) is not None:
            if not is_array(fixed):
                raise ArgumentTypeError(
                    f"attention_mask of {self._title()} must be a tensor or an array, but got {fixed!r}."
                )
            if is_symbolic(fixed):
                call.values["inputs"] = [*inputs, inputs[1]][:3]
            else:
                call.settings["attention_mask"] = call.values["attention_mask"] = np.asarray(fixed)
        if mask is not None:
            call.values["mask"] = [*mask, None][: len(call.values["inputs"])]

    def _check_lists(self, inputs: Any, mask: Any) -> None:
        """Refuse inputs or masks that are no lists of two or three."""
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            found = f"{len(inputs)} of them" if isinstance(inputs, (list, tuple)) else type(inputs).__name__
            raise ValueError(
                f"{type(self).__name__} {self.name!r} must be called on a list of inputs, [query, value] or [query, "
                f"value, key], but got {found}."
            )
        if mask is not None and (not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3)):
            raise ValueError(
                f"mask of {type(self).__name__} {self.name!r} must be a list, [query_mask, value_mask], but got "
                f"{mask!r}."
            )

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:  # type: ignore[override]
        """(batch, ..., queries, units)."""
        if not isinstance(input_shape, list) or len(input_shape) not in (2, 3):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs the shapes of query and value, and perhaps key, but got "
                f"{input_shape}."
            )
        query, value, key = [*input_shape, input_shape[1]][:3]
        if len({len(query), len(value), len(key)}) > 1 or len(query) < 3:
            raise ValueError(f"{self._inputs_of(query, value, key)}: each (batch, ..., positions, features).")
        if query[1:-2] != value[1:-2] or value[1:-1] != key[1:-1] or query[-1] != key[-1]:
            raise ValueError(
                f"{self._inputs_of(query, value, key)}. Query and key must have as many features, value and key as "
                "many positions, and all the same other axes."
            )
        if 0 in (*query[1:], *value[1:], *key[1:]):
            raise ValueError(f"{self._inputs_of(query, value, key)}: no axis may have size 0.")
        return (*query[:-1], value[-1])

    def _inputs_of(self, query: Shape, value: Shape, key: Shape) -> str:
        return f"{type(self).__name__} {self.name!r} got query, value and key of shapes {query}, {value} and {key}"

    def shapes_of_call(self, shape: Any, input_shapes: list[Any], settings: dict[str, Any]) -> Any:
        """The shape, and that of the weights if they are returned."""
        weights = (*input_shapes[0][:-1], input_shapes[1][-2])
        if "attention_mask" in settings:
            self._check_attention_mask(settings["attention_mask"].shape, weights)
        if not settings.get("return_attention_scores"):
            return shape
        return shape, weights

    def check_more_inputs(self, tensors: list[Any], more: list[Any]) -> None:
        """Refuse an attention mask that does not fit."""
        for mask in more:
            weights = (*tensors[0].shape[:-1], tensors[1].shape[-2])
            if mask.ndim != len(weights):
                raise ValueError(
                    f"attention_mask of {self._title()} must have shape {weights}, or 1 along some axes, "
                    f"but has shape {mask.shape}."
                )
            self._check_attention_mask(mask.shape[1:], weights)

    def _check_attention_mask(self, mask: Shape, weights: Shape) -> None:
        """Refuse an attention mask of a shape that does not broadcast to the weights of a sample."""
        sizes = (1,) * (len(weights) - 1 - len(mask)) + tuple(mask)
        if len(sizes) != len(weights) - 1 or any(
            None not in (a, b) and a not in (1, b) for a, b in zip(sizes, weights[1:], strict=True)
        ):
            raise ValueError(
                f"attention_mask of {self._title()} must broadcast to {weights[1:]}, the shape of the weights of a "
                f"sample, but has shape {mask}."
            )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the query."""
        self._check_lists(inputs, mask)
        return None if mask is None or mask[0] is None else np.asarray(mask[0])

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """The mask of the query."""
        for shape, mask in list(zip(shapes, masks, strict=True))[:2]:
            if mask is not None and mask != shape[:-1]:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r} needs a mask of shape {shape[:-1]} for a sample, but got one "
                    f"of shape {mask}."
                )
        return None if masks[0] is None else 0

    def output_has_mask(self, number: int) -> bool:
        """Only the first has one."""
        return number == 0

    def expand(self, steps: Steps, inputs: list[Value], shape: Any, mask: Mask | None) -> Any:
        """The step, and one that clears outputs which the mask of the query hides."""
        query, value, key = [*inputs, inputs[1]][:3]
        given = inputs[3:]
        groups, keys = query.shape[:-2], value.shape[-2]
        sizes = AttentionSizes(groups, query.shape[-2:-1], (keys,), 1, 1, query.shape[-1], value.shape[-1])
        masks = []
        if value.mask is not None:
            places = np.arange(math.prod(value.mask.shape), dtype=np.intp).reshape(*groups, 1, 1, keys)
            masks.append(Sight(value.mask.shape, places, sizes))
        hides = bool(masks)
        for mask_of_call in given:
            shape_of_mask = mask_of_call.shape
            places = np.arange(math.prod(shape_of_mask), dtype=np.intp).reshape(
                *shape_of_mask[:-2], 1, *shape_of_mask[-2:]
            )
            masks.append(Sight(shape_of_mask, places, sizes))
        if (fixed := steps.settings.get("attention_mask")) is not None:
            view = fixed.reshape((1,) * (len(groups) + 2 - fixed.ndim) + fixed.shape)[..., None, :, :]
            places = np.arange(view.size, dtype=np.intp).reshape(view.shape)
            masks.append(Sight(view.shape, places, sizes, view))
        scores = bool(steps.settings.get("return_attention_scores"))
        step = self._step(sizes, masks, hides, scores, bool(steps.settings.get("use_causal_mask")))
        read: list[Value | Mask] = sizes.read(query, key, value)
        read += [] if value.mask is None else [value.mask]
        read += [steps.as_mask(self, one) for one in given]
        if not scores:
            output = steps.add(step, read, step.value_shape)
            return self._cleared(steps, output._replace(shape=shape), query.mask)
        count = math.prod(step.value_shape) + step.score_count
        whole = steps.add(step, read, (count,))
        output, weights = parts_of(steps, step, whole, list(shape))
        return [self._cleared(steps, output, query.mask), weights]

    @property
    def is_additive(self) -> bool:
        """Whether scores are sums of functions of query and key, not products."""
        return self.score_mode == "concat"

    @property
    def score_weights(self) -> dict[str, Variable | None]:
        """The weights as the step knows them."""
        if self.is_additive:
            return {"inner_weight": self.scale, "outer_weight": self.concat_score_weight}
        return {"outer_weight": self.scale}

    def _step(
        self, sizes: AttentionSizes, masks: list[Sight], hides: bool, scores: bool, causal: bool
    ) -> AttentionStep:
        return AttentionStep(
            self.name,
            self.dtype,
            sizes,
            weights=self.score_weights,
            additive=self.is_additive,
            causal=causal,
            masks=masks,
            hides=hides,
            dropout=self.dropout,
            stream=self.stream,
            returns_scores=scores,
            scores_are_dropped=True,
        )

    def _cleared(self, steps: Steps, output: Value, mask: Mask | None) -> Value:
        """The output with 0 where a mask hides it."""
        return output if mask is None else steps.add(Chosen(self), [output, mask], output.shape)
