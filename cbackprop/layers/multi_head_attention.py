"""MultiHeadAttention: attention between projections of query, key and value, in several heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop.layers.head_attention import HeadAttention
from cbackprop.layers.layer import registry
from cbackprop.tensor import Shape
from cbackprop.validation import ArgumentTypeError, check_integer, check_items

__all__ = ["MultiHeadAttention"]


@registry.register()
class MultiHeadAttention(HeadAttention):
    """Attention with several heads, each with its own projections of query, key and value.

    ``head_i = softmax(Q_i K_i^T / sqrt(key_dim)) V_i`` with ``Q = query W_q + b_q`` and so on, and
    ``output = sum over i of head_i W_o[i] + b_o``.

    Parameters
    ----------
    num_heads : int
    key_dim : int
        Features of a head's queries and keys.
    value_dim : int, optional
        Features of a head's values, by default `key_dim`.
    dropout : float, default 0
        The fraction of the weights to drop in training, in [0, 1].
    use_bias : bool, default True
        Of all projections.
    output_shape : int or tuple of int, optional
        The sizes of the output behind the positions, by default the query's number of features.
    attention_axes : int or tuple of int, optional
        The axes that attention goes along, by default all between batch and features. Positions that differ along the
        others do not see each other.
    sliding_window : int, optional
        If given, a query sees only keys that are fewer positions away.
    flash_attention : bool, optional
        Accepted so that scripts for Keras run; the weights of a batch are never in memory here.
    kernel_initializer : str or Initializer, default "glorot_uniform"
    bias_initializer : str or Initializer, default "zeros"
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
    activity_regularizer : str or Regularizer, optional
        Of the outputs of the projections.
    kernel_constraint, bias_constraint : str or Constraint, optional
    use_gate : bool, default False
        Whether heads are multiplied by ``sigmoid(query W_g + b_g)``.
    seed : int, optional
        Of dropout, from 0 to 2**32 - 1. By default it is drawn.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    query_dense, key_dense, value_dense, output_dense : EinsumDense
        The projections: kernels (features, num_heads, key_dim), that of the output (num_heads, value_dim, features).

    Notes
    -----
    A call takes ``query`` (batch, queries, features), ``value`` (batch, keys, features) and, unless it is the value,
    ``key``; more axes are possible. With ``use_causal_mask=True`` a query sees only keys up to its own position. With
    ``return_attention_scores=True`` the weights (batch, num_heads, queries, keys) are a second output.

    A query sees a key if all masks allow it: the masks of query, value and key, or ``query_mask``,
    ``value_mask`` and ``key_mask`` in their place, and ``attention_mask`` (batch, queries, keys). That may have an axis
    for the heads behind the batch, and size 1 along any axis. An array as ``attention_mask`` of symbolic tensors is the
    same for all samples, and may lack the batch axis.

    A query that sees no key gets what Keras gives it: the mean of all values; but 0 with dropout, with the weights as
    an output, or if there are more axes.

    The gradient is that of `Attention`. Memory grows with the number of positions, not with its square: the weights are
    computed again in the backward pass, for some queries at a time.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or inputs or masks do not fit each other.

    References
    ----------
    Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser and Polosukhin, "Attention is all you need", NeurIPS 2017.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    A block of a transformer:

    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = cb.Input((10, 16))
    >>> attended = cb.layers.MultiHeadAttention(num_heads=2, key_dim=8)(x, x, use_causal_mask=True)
    >>> y = cb.layers.LayerNormalization()(x + attended)
    >>> model = cb.Model(x, cb.layers.LayerNormalization()(y + cb.layers.Dense(16)(cb.layers.Dense(64, "relu")(y))))
    >>> model.predict(np.ones((3, 10, 16)), verbose=0).shape
    (3, 10, 16)
    """

    adjustable = ("dropout",)

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout,
            use_bias,
            use_gate,
            sliding_window,
            flash_attention,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            seed,
            **kwargs,
        )
        self.num_heads = check_integer("num_heads", num_heads, minimum=1)
        self.key_dim = check_integer("key_dim", key_dim, minimum=1)
        self.value_dim = self.key_dim if value_dim is None else check_integer("value_dim", value_dim, minimum=1)
        self.output_sizes = _sizes("output_shape", output_shape, minimum=1)
        self.attention_axes = _sizes("attention_axes", attention_axes)
        self.query_dense: Any = None
        self.key_dense: Any = None
        self.value_dense: Any = None
        self.output_dense: Any = None
        self._gate_dense: Any = None

    def argument(self, name: str) -> Any:
        """The value of a constructor argument: `Layer.output_shape` is the shape of an output."""
        return self.output_sizes if name == "output_shape" else super().argument(name)

    @property
    def heads(self) -> int:  # type: ignore[override]
        """`num_heads`."""
        return self.num_heads

    @property
    def key_heads(self) -> int:  # type: ignore[override]
        """`num_heads`."""
        return self.num_heads

    @property
    def features(self) -> int:  # type: ignore[override]
        """`key_dim`."""
        return self.key_dim

    @property
    def values(self) -> int:  # type: ignore[override]
        """`value_dim`."""
        return self.value_dim

    def projections(self) -> dict[str, Any]:
        """The projections, by the names of their results."""
        made = {"query": self.query_dense, "key": self.key_dense, "value": self.value_dense}
        return made | {"gate": self._gate_dense, "attention_output": self.output_dense}

    def build(self, input_shape: Any) -> None:
        """Create the projections for inputs of the shapes of query, value and key."""
        query, value, key = input_shape
        made = self.make_projections(query, value, key, self.output_sizes or query[-1:])
        self.query_dense, self.key_dense, self._gate_dense = made["query"], made["key"], made.get("gate")
        self.value_dense, self.output_dense = made["value"], made["attention_output"]

    def shape_of_output(self, query: Shape, value: Shape) -> Shape:
        """The shape of the query, with other sizes behind the positions if they are given."""
        return query if self.output_sizes is None else (*query[:-1], *self.output_sizes)

    def positions(self, rank: int) -> tuple[int, ...]:
        """`attention_axes`, counted from the front."""
        if self.attention_axes is None:
            return super().positions(rank)
        found = tuple(axis + rank if axis < 0 else axis for axis in self.attention_axes)
        if len(set(found)) < len(found) or any(not 1 <= axis < rank - 1 for axis in found):
            raise ValueError(
                f"attention_axes of {self._title()} are {self.attention_axes}, but must be different axes between "
                f"batch and features of inputs with {rank} axes."
            )
        return found


def _sizes(name: str, value: Any, minimum: int | None = None) -> tuple[int, ...] | None:
    """An integer, or several, as a tuple; ``None`` for nothing."""
    if value is None:
        return None
    given = check_items(name, value, "an integer or several") if isinstance(value, (list, tuple)) else [value]
    if not given:
        return None
    if any(isinstance(each, (str, bytes)) for each in given):
        raise ArgumentTypeError(f"{name} must be an integer or a tuple of them, but got {value!r}.")
    return tuple(check_integer(name, each, minimum=minimum) for each in given)
