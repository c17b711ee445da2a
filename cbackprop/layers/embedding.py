"""Embedding: look up a trainable vector for each whole number."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop import constraints, initializers, regularizers
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.masks import Differs
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean, check_integer, named
from cbackprop.variable import Variable

__all__ = ["Embedding"]


@registry.register()
class Embedding(Layer):
    """Look up a row of a trainable table for each whole number: ``output = embeddings[input]``.

    Parameters
    ----------
    input_dim : int
        The number of rows; inputs are whole numbers in [0, input_dim). At most 2**24 (float64: 2**53): inputs are
        passed on as floats, which cannot represent all larger whole numbers.
    output_dim : int
        The width of a row.
    embeddings_initializer : str or Initializer, default "uniform"
    embeddings_regularizer : str or Regularizer, optional
    embeddings_constraint : str or Constraint, optional
    mask_zero : bool, default False
        Whether 0 means padding. Then the output has the mask ``input != 0``, which all layers that support masks pass
        on to the loss and metrics. Row 0 of the table is then unused.
    weights : array_like (input_dim, output_dim), or a list of one, optional
        Initial values of the table.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    embeddings : Variable (input_dim, output_dim)

    Notes
    -----
    Input (batch, ...), output (batch, ..., output_dim). The gradient of a row is the sum of ``dL/doutput`` over all
    elements that read it; inputs get no gradient. Model inputs that arrive here unchanged, or only reshaped or
    concatenated, are checked; other numbers are truncated to whole numbers and limited to the range.

    How a table is updated depends on the optimizer:

    * Optimizers that do not move a weight without a gradient (SGD without momentum, Adagrad) update only the rows that
      the batch has read. The results are those of Keras.
    * Optimizers that move every row in every step (Adam, momentum, weight decay) do so, as in Keras, for tables of up
      to 2**20 numbers. Larger tables are updated lazily, as by ``torch.optim.SparseAdam``: a row that the batch has not
      read keeps its values and its optimizer state.
    * Moving averages of weights, gradient accumulation, regularizers, constraints and optimizers that work on whole
      variables (Lamb, Muon, Adafactor) always update the whole table.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range.

    References
    ----------
    Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", JMLR 3, 2003. Arguments and
    defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.Embedding(3, 2, weights=[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> layer([[2, 0]])
    array([[[4., 5.],
            [0., 1.]]], dtype=float32)
    """

    reads_output = False
    reads_rows = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        **kwargs: Any,
    ) -> None:
        weights = kwargs.pop("weights", None)  # not stored as an argument: `Layer.weights` is the list of variables
        super().__init__(**kwargs)
        self.input_dim = self.id_range = check_integer("input_dim", input_dim, 1, self.largest_id_range)
        self.output_dim = check_integer("output_dim", output_dim, 1)
        self.embeddings_initializer = named("embeddings_initializer", initializers.get, embeddings_initializer)
        self.embeddings_regularizer = named("embeddings_regularizer", regularizers.get, embeddings_regularizer)
        self.embeddings_constraint = named("embeddings_constraint", constraints.get, embeddings_constraint)
        self.mask_zero = check_boolean("mask_zero", mask_zero)
        self.supports_masking = self.mask_zero
        self.embeddings: Variable | None = None
        if weights is not None:
            self.build()
            one = isinstance(weights, (list, tuple)) and len(weights) == 1 and np.ndim(weights[0]) == 2
            self.set_weights(weights if one else [weights])

    def build(self, input_shape: Any = None) -> None:
        """Create the table; its shape does not depend on the input's."""
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            name="embeddings",
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, ..., output_dim)."""
        return (*input_shape, self.output_dim)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """``inputs != 0``; ``None`` without `mask_zero`."""
        return np.asarray(inputs) != 0 if self.mask_zero else None

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """With `mask_zero` the layer makes a new mask and ignores that of its input."""
        return Differs(self, 0, 1) if self.mask_zero else None
