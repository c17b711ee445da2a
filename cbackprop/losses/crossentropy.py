"""Losses of predicted probabilities."""

from __future__ import annotations

from typing import Any

from cbackprop.losses.loss import Loss, registry
from cbackprop.validation import check_boolean

__all__ = ["SparseCategoricalCrossentropy"]


@registry.register()
class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy between class numbers and predicted probabilities: ``loss = -log(p[y])``.

    Parameters
    ----------
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    ignore_class : None
        Kept for its place in Keras's signature; classes cannot be ignored yet.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    axis : int, default -1
        Only the last axis can hold the classes.
    name : str, default "sparse_categorical_crossentropy"
    dtype : {"float32", "float64"}, optional

    Notes
    -----
    With p the softmax of logits z: ``d loss / dz = p - onehot(y)``. A last layer that ends in softmax is
    computed together with this loss, from the logits, so that nothing overflows or is clipped. Given
    bare probabilities, they are normalised and clipped to [1e-7, 1 - 1e-7], as Keras does.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> loss = cb.losses.SparseCategoricalCrossentropy()
    >>> round(float(loss([1], [[0.5, 0.5]])), 4)
    0.6931
    """

    implementation = "losses.crossentropy.SparseCategoricalCrossentropy"
    link = "softmax"
    target_kind = "index"

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.ignore_class = ignore_class
        self.axis = axis
