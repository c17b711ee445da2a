"""Embeddings: a vector of trainable numbers for each of many things."""

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
    """A row of a table for each number: ``output = embeddings[input]``.

    Parameters
    ----------
    input_dim : int
        The number of rows: inputs are whole numbers in [0, input_dim). At most 2**24 (float64: 2**53), because they
        travel as floats, which hold no larger numbers exactly.
    output_dim : int
        The width of a row.
    embeddings_initializer : str or Initializer, default "uniform"
    embeddings_regularizer : str or Regularizer, optional
    embeddings_constraint : str or Constraint, optional
    mask_zero : bool, default False
        Whether 0 stands for no thing: the output has a mask, ``input != 0``, which goes with it through all layers
        that support masks to the loss and metrics. Row 0 of the table is then of no use.
    weights : array_like (input_dim, output_dim), or a list of one, optional
        Values to begin with.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    embeddings : Variable (input_dim, output_dim)

    Notes
    -----
    Input (batch, ...), output (batch, ..., output_dim). The gradient of a row is the sum of ``dL/doutput`` over the
    places where it was read; inputs get none. Data of a model that gets here unchanged (but for its shape, or joined
    to other data by `Concatenate`) is checked; other numbers are cut down to whole ones and limited to the range.

    A step's cost follows the rows that a batch reads, not the size of the table, with optimizers that leave a weight
    without gradient alone (SGD without momentum, Adagrad), whose numbers are those of Keras. Tables of up to 2**20
    numbers give Keras's numbers with every optimizer. Larger ones are updated lazily with optimizers that would
    move every row in every step (Adam, momentum, weight decay): rows that a batch does not read wait, with all that
    the optimizer remembers of them, as with ``torch.optim.SparseAdam``. With moving averages, accumulated gradients, a
    regularizer or a constraint, and rules that work on whole variables (Lamb, Muon, Adafactor), tables of every size
    are updated as a whole.

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
        weights = kwargs.pop("weights", None)  # no argument of its own: a layer's `weights` are something else
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
        """Create the table, which depends on no shape."""
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

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Where numbers are not 0, shaped like the input; ``None`` without `mask_zero`."""
        return np.asarray(inputs) != 0 if self.mask_zero else None

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """With `mask_zero` a mask of its own, whatever there was before."""
        return Differs(self, 0, 1) if self.mask_zero else None
