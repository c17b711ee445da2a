"""Focal cross-entropies, which give less weight to samples that are predicted well."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.crossentropy import check_last_axis
from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.validation import check_boolean, check_number

__all__ = [
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
]


@registry.register()
class BinaryFocalCrossentropy(Loss):
    """Binary cross-entropy that gives more weight to badly predicted labels.

    ``loss = mean((1 - p_t)^gamma crossentropy)`` over the last axis, where ``p_t = y_true p + (1 - y_true) (1 - p)`` is
    the predicted probability of the label.

    Parameters
    ----------
    apply_class_balancing : bool, default False
        Whether to weight labels 1 by `alpha` and labels 0 by ``1 - alpha``.
    alpha : float, default 0.25
        In [0, 1]. The weight of labels 1, used only with `apply_class_balancing`.
    gamma : float, default 2.0
        At least 0. The larger it is, the less well-predicted labels count.
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / 2``.
    axis : int, default -1
        Must be the last axis.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "binary_focal_crossentropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    Notes
    -----
    ``d loss / dz = ((1 - p_t)^gamma (p - y) + gamma (1 - p_t)^(gamma - 1) (1 - 2 y) p (1 - p) crossentropy) / width``.
    For logits, sigmoid layers and clipped probabilities see `BinaryCrossentropy`.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollar, "Focal loss for dense object detection", ICCV 2017.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.BinaryFocalCrossentropy()([[1.0], [0.0]], [[0.5], [0.5]])), 4)
    0.1733
    """

    fixed_arguments = ("axis",)
    implementation = "losses.probabilistic.BinaryFocalCrossentropy"
    beyond_limits = "warn"
    elementwise = True
    link = "sigmoid"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.apply_class_balancing = check_boolean("apply_class_balancing", apply_class_balancing)
        self.alpha = check_number("alpha", alpha, 0, 1)
        self.gamma = check_number("gamma", gamma, 0)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, 0, 1)
        self.axis = check_last_axis(axis)


@registry.register()
class CategoricalFocalCrossentropy(Loss):
    """Cross-entropy that gives more weight to badly predicted labels.

    ``loss = -alpha sum(y_true (1 - p)^gamma log(p))`` over the last axis.

    Parameters
    ----------
    alpha : float, default 0.25
        The weight of all classes, at least 0.
    gamma : float, default 2.0
        At least 0. The larger it is, the less well-predicted labels count.
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / classes``.
    axis : int, default -1
        Must be the last axis.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "categorical_focal_crossentropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    Notes
    -----
    With ``s = alpha y (gamma p (1 - p)^(gamma - 1) log(p) - (1 - p)^gamma)``, ``d loss / dz = s - p sum(s)``.
    For logits, softmax layers and clipped probabilities see `CategoricalCrossentropy`.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollar, "Focal loss for dense object detection", ICCV 2017.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
    0.0433
    """

    fixed_arguments = ("axis",)
    implementation = "losses.probabilistic.CategoricalFocalCrossentropy"
    beyond_limits = "take"
    link = "softmax"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.alpha = check_number("alpha", alpha, 0)
        self.gamma = check_number("gamma", gamma, 0)
        self.from_logits = check_boolean("from_logits", from_logits)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, 0, 1)
        self.axis = check_last_axis(axis)


@loss_function(BinaryFocalCrossentropy)
def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> NDArray[Any]:
    """Binary focal cross-entropy of each row: `BinaryFocalCrossentropy` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)
    apply_class_balancing : bool, default False
        Whether to weight labels 1 by `alpha` and labels 0 by ``1 - alpha``.
    alpha : float, default 0.25
        In [0, 1]. The weight of labels 1, used only with `apply_class_balancing`.
    gamma : float, default 2.0
        At least 0. The larger it is, the less well-predicted labels count.
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / 2``.
    axis : int, default -1
        Must be the last axis.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `BinaryFocalCrossentropy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.binary_focal_crossentropy([[1.0], [0.0]], [[0.5], [0.5]]).shape
    (2,)
    """
    values: NDArray[Any] = BinaryFocalCrossentropy(
        apply_class_balancing,
        alpha,
        gamma,
        from_logits,
        label_smoothing,
        axis,
        reduction=None,
        dtype=float_type_of(y_pred),
    )(y_true, y_pred)
    return values


@loss_function(CategoricalFocalCrossentropy)
def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> NDArray[Any]:
    """Focal cross-entropy of each row: `CategoricalFocalCrossentropy` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., classes)
    alpha : float, default 0.25
        The weight of all classes, at least 0.
    gamma : float, default 2.0
        At least 0. The larger it is, the less well-predicted labels count.
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / classes``.
    axis : int, default -1
        Must be the last axis.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `CategoricalFocalCrossentropy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).shape
    (1,)
    """
    values: NDArray[Any] = CategoricalFocalCrossentropy(
        alpha, gamma, from_logits, label_smoothing, axis, reduction=None, dtype=float_type_of(y_pred)
    )(y_true, y_pred)
    return values
