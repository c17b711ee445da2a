"""Mean cross-entropies of predicted probabilities, computed by the losses' kernels."""

from __future__ import annotations

from typing import Any

from cbackprop.losses.crossentropy import check_ignored_class, check_last_axis
from cbackprop.metrics.metric import RowMean, registry
from cbackprop.validation import check_boolean, check_number

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]


@registry.register("bce", "BCE")
class BinaryCrossentropy(RowMean):
    """Mean of ``-(y log(p) + (1 - y) log(1 - p))`` over all predictions.

    Parameters
    ----------
    name : str, default "binary_crossentropy"
    dtype : {"float32", "float64"}, optional
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / 2``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.BinaryCrossentropy()([[0, 1]], [[0.5, 0.5]])), 4)
    0.6931
    """

    implementation = "losses.crossentropy.BinaryCrossentropy"
    beyond_limits = "warn"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(dtype, name)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, 0, 1)


@registry.register()
class CategoricalCrossentropy(RowMean):
    """Mean of ``-sum(y log(p))`` over all rows of predictions, with one-hot (or soft) labels y.

    Parameters
    ----------
    name : str, default "categorical_crossentropy"
    dtype : {"float32", "float64"}, optional
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / classes``.
    axis : int, default -1
        Must be the last axis, which holds the classes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.CategoricalCrossentropy()([[0, 1]], [[0.5, 0.5]])), 4)
    0.6931
    """

    fixed_arguments = ("axis",)
    implementation = "losses.crossentropy.CategoricalCrossentropy"
    beyond_limits = "take"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype, name)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, 0, 1)
        self.axis = check_last_axis(axis)


@registry.register()
class SparseCategoricalCrossentropy(RowMean):
    """Mean of ``-log(p[y])`` over all rows of predictions, with class numbers y.

    Parameters
    ----------
    name : str, default "sparse_categorical_crossentropy"
    dtype : {"float32", "float64"}, optional
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    ignore_class : int, optional
        Rows of this class do not count if samples have weights. Without weights they count as 0, as in Keras. The class
        may be outside of [0, classes).
    axis : int, default -1
        Must be the last axis, which holds the classes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is not a class in [0, classes).

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4)
    0.6931
    """

    fixed_arguments = ("axis",)
    implementation = "losses.crossentropy.SparseCategoricalCrossentropy"
    target_kind = "index"

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype, name)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.ignore_class = check_ignored_class(ignore_class)
        self.axis = check_last_axis(axis)
