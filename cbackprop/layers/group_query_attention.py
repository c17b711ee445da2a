"""GroupQueryAttention: attention with several heads of queries. Groups of them share a head of keys and values."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.head_attention import HeadAttention
from cbackprop.layers.layer import registry
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer

__all__ = ["GroupQueryAttention"]


@registry.register()
class GroupQueryAttention(HeadAttention):
    """Attention with several heads of queries. Groups of them share a head of keys and values.

    ``head_i = softmax(Q_i K_j^T / sqrt(head_dim)) V_j`` with j = i // (num_query_heads / num_key_value_heads),
    ``Q = query W_q + b_q`` and so on, and ``output = sum over i of head_i W_o[i] + b_o``.

    Parameters
    ----------
    head_dim : int
        Features of a head.
    num_query_heads : int
        A multiple of `num_key_value_heads`.
    num_key_value_heads : int
        1 is multi-query attention; as many as `num_query_heads` make it `MultiHeadAttention`.
    dropout, use_bias, sliding_window, flash_attention, kernel_initializer, bias_initializer, kernel_regularizer
        See `MultiHeadAttention`.
    bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, use_gate, seed
        See `MultiHeadAttention`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Query (batch, queries, features), value and key (batch, keys, features), output (batch, queries, features) with as
    many features as the query. Calls, masks and gradients are those of `MultiHeadAttention`; the deltas of a head of
    keys are the sum over those of its queries.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or inputs or masks do not fit each other.

    References
    ----------
    Ainslie, Lee-Thorp, de Jong, Zemlyanskiy, Lebrón and Sanghai, "GQA: training generalized multi-query transformer
    models from multi-head checkpoints", EMNLP 2023. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x = cb.Input((10, 16))
    >>> layer = cb.layers.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)
    >>> layer(x, x).shape, layer.count_params()
    ((None, 10, 16), 816)
    """

    adjustable = ("dropout",)

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
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
        self.head_dim = check_integer("head_dim", head_dim, minimum=1)
        self.num_query_heads = check_integer("num_query_heads", num_query_heads, minimum=1)
        self.num_key_value_heads = check_integer("num_key_value_heads", num_key_value_heads, minimum=1)
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_query_heads must be divisible by num_key_value_heads, but got {num_query_heads} and "
                f"{num_key_value_heads}."
            )
        self._query_dense: Any = None
        self._key_dense: Any = None
        self._gate_dense: Any = None
        self._value_dense: Any = None
        self._output_dense: Any = None

    @property
    def heads(self) -> int:  # type: ignore[override]
        """`num_query_heads`."""
        return self.num_query_heads

    @property
    def key_heads(self) -> int:  # type: ignore[override]
        """`num_key_value_heads`."""
        return self.num_key_value_heads

    @property
    def features(self) -> int:  # type: ignore[override]
        """`head_dim`."""
        return self.head_dim

    @property
    def values(self) -> int:  # type: ignore[override]
        """`head_dim`."""
        return self.head_dim

    def projections(self) -> dict[str, Any]:
        """The projections, by the names of their results."""
        made = {"query": self._query_dense, "key": self._key_dense, "gate": self._gate_dense}
        return made | {"value": self._value_dense, "attention_output": self._output_dense}

    def build(self, input_shape: Any) -> None:
        """Create the projections for inputs of the shapes of query, value and key."""
        query, value, key = input_shape
        made = self.make_projections(query, value, key, query[-1:])
        self._query_dense, self._key_dense, self._gate_dense = made["query"], made["key"], made.get("gate")
        self._value_dense, self._output_dense = made["value"], made["attention_output"]

    def shape_of_output(self, query: Shape, value: Shape) -> Shape:
        """The shape of the query.

        Raises
        ------
        ValueError
            If the value has another number of features, or there are more axes.
        """
        if query[-1] != value[-1] or len(query) != 3:
            raise ValueError(
                f"{self._title()} needs query and value (batch, positions, features) with the same last dimension, but "
                f"got shapes {query} and {value}."
            )
        return query
