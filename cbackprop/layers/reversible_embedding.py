"""ReversibleEmbedding: a table of vectors that is also read backwards, from vectors to logits."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from cbackprop import activations
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.applied_activation import applied
from cbackprop.layers.einsum_dense import EinsumProduct
from cbackprop.layers.embedding import Embedding
from cbackprop.layers.equation import Equation
from cbackprop.layers.layer import registry
from cbackprop.layers.operation import Operation
from cbackprop.layers.preprocessing import Rescaling
from cbackprop.number_types import check_float_type
from cbackprop.validation import check_boolean, check_number, named
from cbackprop.variable import Variable

__all__ = ["ReversibleEmbedding"]


def _call(inputs: Any, reverse: bool = False, training: Any = None, mask: Any = None) -> None:
    """The arguments of a call."""


@registry.register()
class ReversibleEmbedding(Embedding):
    """Look up a row of a table for each whole number; with ``reverse=True``, turn vectors into a logit for each row.

    ``layer(ids)`` is ``embeddings[ids]``, and ``layer(vectors, reverse=True)`` is ``vectors @ embeddings^T``.

    Parameters
    ----------
    input_dim : int
        The number of rows; see `Embedding`.
    output_dim : int
        The width of a row.
    tie_weights : bool, default True
        Whether both directions share the table. If not, the way back has a table of its own.
    embeddings_initializer : str or Initializer, default "uniform"
        Of both tables.
    embeddings_regularizer : str or Regularizer, optional
    embeddings_constraint : str or Constraint, optional
    mask_zero : bool, default False
        See `Embedding`. Logits have no mask.
    reverse_dtype : {"float32", "float64"}, optional
        The type of the way back; only the layer's own can be given.
    logit_soft_cap : float, optional
        Logits z become ``logit_soft_cap tanh(z / logit_soft_cap)``; greater than 0.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    embeddings : Variable (input_dim, output_dim)
    reverse_embeddings : Variable (output_dim, input_dim) or None

    Notes
    -----
    Input (batch, ...) of whole numbers, output (batch, ..., output_dim); with ``reverse=True`` input (batch, ...,
    output_dim), output (batch, ..., input_dim). A table that both directions share gets the sum of both gradients, and
    every row of it is updated in each step.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range; when it is called, if vectors are not `output_dim` wide.

    References
    ----------
    Press and Wolf, "Using the output embedding to improve language models", EACL 2017. Arguments and defaults are those
    of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.ReversibleEmbedding(100, 8)
    >>> ids = cb.Input((5,), dtype="int32")
    >>> vectors = layer(ids)
    >>> vectors.shape, layer(vectors, reverse=True).shape, layer.count_params()
    ((None, 5, 8), (None, 5, 100), 800)
    """

    implementation = "embedding.Embedding"
    reads_rows = False  # not in all of its steps
    call_signature: ClassVar[inspect.Signature] = inspect.signature(_call)
    call_settings: ClassVar[tuple[str, ...]] = ("reverse",)

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.tie_weights = check_boolean("tie_weights", tie_weights)
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.reverse_dtype = None if reverse_dtype is None else named("reverse_dtype", check_float_type, reverse_dtype)
        if self.reverse_dtype not in (None, self.dtype):
            raise ValueError(
                f"reverse_dtype must be that of the layer, {self.dtype!r}, but got {self.reverse_dtype!r}."
            )
        self.logit_soft_cap = (
            None if logit_soft_cap is None else check_number("logit_soft_cap", logit_soft_cap, 0, open_minimum=True)
        )

    def build(self, input_shape: Any = None) -> None:
        """Create the table, and that of the way back."""
        self.reverse_embeddings: Variable | None = None
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                (self.output_dim, self.input_dim), self.embeddings_initializer, name="reverse_embeddings"
            )

    def shapes_of_call(self, shape: Any, input_shapes: list[Any], settings: dict[str, Any]) -> Any:
        """(batch, ..., output_dim), or on the way back (batch, ..., input_dim)."""
        if not check_boolean("reverse", settings.get("reverse", False)):
            return shape
        (given,) = input_shapes
        if len(given) < 2 or given[-1] != self.output_dim:
            raise ValueError(
                f"{self._title()} with reverse=True needs inputs (batch, ..., {self.output_dim}), but got {given}."
            )
        return (*given[:-1], self.input_dim)

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """The mask of `Embedding`; none when vectors are turned back into logits, which adds no axis."""
        return None if len(output) == len(shapes[0]) else super().mask_rule(shapes, masks, output)

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """A look-up, or products and what caps them."""
        (x,) = inputs
        if not steps.settings.get("reverse"):
            return steps.add(Lookup(self), [x], shape)
        text, kernel = ("...x,yx->...y", self.embeddings)
        if not self.tie_weights:
            text, kernel = ("...x,xy->...y", self.reverse_embeddings)
        assert kernel is not None
        found = Equation(text, None).contraction((None, *x.shape), (self.input_dim,))
        b, m, k, n = found.counts
        product = EinsumProduct(f"{self.name}/reverse", self.dtype, {"kernel": kernel}, found)
        logits = steps.add(product, [Value(x.buffer, (b, m, k))], (b, m, n))._replace(shape=shape)
        cap = self.logit_soft_cap
        if cap is None:
            return logits
        smaller = steps.add(self._scaled(1 / cap), [logits], shape)
        tanh = applied(f"{self.name}/soft_cap", self.dtype, activations.tanh.kernel())
        return steps.add(self._scaled(cap), [steps.add(tanh, [smaller], shape)], shape)

    def _scaled(self, factor: float) -> Rescaling:
        """The step that multiplies by a factor."""
        return Rescaling(factor, name=f"{self.name}/scale", dtype=self.dtype)


class Lookup(Operation):
    """The rows of the table of an Embedding for whole numbers."""

    implementation = "embedding.Embedding"
    reads_output = False
    reads_rows = True

    def __init__(self, layer: Embedding) -> None:
        super().__init__(layer.name, layer.dtype)
        self.layer = layer
        self.input_dim = self.id_range = layer.input_dim
        self.output_dim = layer.output_dim

    @property
    def embeddings(self) -> Variable | None:
        """The table."""
        return self.layer.embeddings

    @property
    def variables(self) -> list[Variable]:
        """The table alone."""
        return self.layer.variables[:1]
