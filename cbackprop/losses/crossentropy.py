"""Cross-entropy losses of predicted probabilities."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.validation import check_boolean, check_integer, check_number

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "check_ignored_class",
    "check_last_axis",
    "sparse_categorical_crossentropy",
]


def check_last_axis(axis: Any) -> int:
    """Check that `axis` is -1, the only axis that kernels support.

    Raises
    ------
    TypeError, ValueError
        If `axis` is not an integer, or is another axis.
    """
    axis = check_integer("axis", axis)
    if axis != -1:
        raise ValueError(f"axis must be -1, the last one, but got {axis}: move that axis to the end first.")
    return axis


def check_ignored_class(ignore_class: Any) -> int | None:
    """Check `ignore_class`, which may be any integer or ``None``.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    return None if ignore_class is None else check_integer("ignore_class", ignore_class)


@registry.register()
class BinaryCrossentropy(Loss):
    """Cross-entropy between labels and independent predicted probabilities.

    ``loss = -mean(y log(p) + (1 - y) log(1 - p))`` over the last axis.

    Parameters
    ----------
    from_logits : bool, default False
        Whether `y_pred` holds logits z, with ``p = sigmoid(z)``, rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / 2``.
    axis : int, default -1
        Must be the last axis, over which the mean is taken.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "binary_crossentropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    Notes
    -----
    ``d loss / dz = (p - y) / width``. If the last layer ends in a sigmoid, the loss is computed from its logits, so
    nothing overflows or is clipped. Other probabilities are clipped to [1e-7, 1 - 1e-7], as in Keras:
    ``d loss / dp = (p - y) / (p (1 - p) width)``, and 0 where p was clipped.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> loss = cb.losses.BinaryCrossentropy()
    >>> round(float(loss([[1.0], [0.0]], [[0.5], [0.5]])), 4)
    0.6931
    """

    fixed_arguments = ("axis",)
    implementation = "losses.crossentropy.BinaryCrossentropy"
    beyond_limits = "warn"
    elementwise = True
    link = "sigmoid"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, 0, 1)
        self.axis = check_last_axis(axis)


@registry.register()
class CategoricalCrossentropy(Loss):
    """Cross-entropy between one-hot (or soft) labels and predicted probabilities: ``loss = -sum(y log(p))``.

    Parameters
    ----------
    from_logits : bool, default False
        Whether `y_pred` holds logits z, with ``p = softmax(z)``, rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / classes``.
    axis : int, default -1
        Must be the last axis, which holds the classes.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "categorical_crossentropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    Notes
    -----
    ``d loss / dz = p sum(y) - y``. If the last layer ends in softmax, the loss is computed from its logits, so nothing
    overflows or is clipped. Other probabilities are divided by their sum s and clipped to [1e-7, 1 - 1e-7], as in
    Keras: ``d loss / dp = sum(y) / s - y / p``, where labels of clipped probabilities count as 0.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> loss = cb.losses.CategoricalCrossentropy()
    >>> round(float(loss([[0.0, 1.0]], [[0.5, 0.5]])), 4)
    0.6931
    """

    fixed_arguments = ("axis",)
    implementation = "losses.crossentropy.CategoricalCrossentropy"
    beyond_limits = "take"
    link = "softmax"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, 0, 1)
        self.axis = check_last_axis(axis)


@registry.register()
class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy between class numbers and predicted probabilities: ``loss = -log(p[y])``.

    Parameters
    ----------
    from_logits : bool, default False
        Whether `y_pred` holds logits z, with ``p = softmax(z)``, rather than probabilities.
    ignore_class : int, optional
        Rows with this class do not count: means are over the other rows. The class may be outside of [0, classes).
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    axis : int, default -1
        Must be the last axis, which holds the classes.
    name : str, default "sparse_categorical_crossentropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is not a class in [0, classes).

    Notes
    -----
    ``d loss / dz = p - onehot(y)``. If the last layer ends in softmax, the loss is computed from its logits, so nothing
    overflows or is clipped. Other probabilities are divided by their sum s and clipped to [1e-7, 1 - 1e-7], as in
    Keras: ``d loss / dp = 1 / s - onehot(y) / p``, and 0 where ``p[y]`` was clipped.

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

    fixed_arguments = ("axis",)
    implementation = "losses.crossentropy.SparseCategoricalCrossentropy"
    link = "softmax"
    target_kind = "index"

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.ignore_class = check_ignored_class(ignore_class)
        self.axis = check_last_axis(axis)


@loss_function(BinaryCrossentropy, "bce", "BCE")
def binary_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> NDArray[Any]:
    """Binary cross-entropy of each row: `BinaryCrossentropy` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1].
    axis : int, default -1
        Must be the last axis, over which the mean is taken.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `BinaryCrossentropy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.binary_crossentropy([[1.0], [0.0]], [[0.5], [0.5]]).shape
    (2,)
    """
    loss = BinaryCrossentropy(from_logits, label_smoothing, axis, None, dtype=float_type_of(y_pred))
    values: NDArray[Any] = loss(y_true, y_pred)
    return values


@loss_function(CategoricalCrossentropy)
def categorical_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> NDArray[Any]:
    """Categorical cross-entropy of each row: `CategoricalCrossentropy` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., classes)
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1].
    axis : int, default -1
        Must be the last axis, which holds the classes.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `CategoricalCrossentropy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.categorical_crossentropy([[0, 1], [1, 0]], [[0.0, 1.0], [1.0, 0.0]]).round(4).tolist()
    [0.0, 0.0]
    """
    loss = CategoricalCrossentropy(from_logits, label_smoothing, axis, None, dtype=float_type_of(y_pred))
    values: NDArray[Any] = loss(y_true, y_pred)
    return values


@loss_function(SparseCategoricalCrossentropy)
def sparse_categorical_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> NDArray[Any]:
    """Cross-entropy of each row with a class number: `SparseCategoricalCrossentropy` without a reduction.

    Parameters
    ----------
    y_true : array_like of int, shape (...,)
    y_pred : array_like, shape (..., classes)
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    ignore_class : int, optional
        Rows with this class do not count: means are over the other rows. The class may be outside of [0, classes).
    axis : int, default -1
        Must be the last axis, which holds the classes.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `SparseCategoricalCrossentropy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.sparse_categorical_crossentropy([1, 0], [[0.0, 1.0], [1.0, 0.0]]).round(4).tolist()
    [0.0, 0.0]
    """
    loss = SparseCategoricalCrossentropy(from_logits, ignore_class, None, axis, dtype=float_type_of(y_pred))
    values: NDArray[Any] = loss(y_true, y_pred)
    return values
