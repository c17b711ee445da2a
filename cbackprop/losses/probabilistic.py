"""Losses of distributions: divergence, counts, and cross-entropies that heed some labels more than others."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.crossentropy import check_last_axis
from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.validation import check_boolean, check_number

__all__ = [
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "KLDivergence",
    "Poisson",
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "kl_divergence",
    "poisson",
]


@registry.register()
class KLDivergence(Loss):
    """Kullback-Leibler divergence of predicted from true distributions: ``loss = sum(y_true log(y_true / y_pred))``.

    Over the last axis; numbers of both are clipped to [1e-7, 1].

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "kl_divergence"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        Whether targets of NaN are left out; see `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    Notes
    -----
    ``d loss / d y_pred = -y_true / y_pred``, and 0 where the prediction was clipped.

    References
    ----------
    Kullback and Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22, 1951.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 4)
    0.1438
    """

    implementation = "losses.probabilistic.KLDivergence"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@registry.register()
class Poisson(Loss):
    """Poisson loss of counts and predicted rates: ``loss = mean(y_pred - y_true log(y_pred + 1e-7))``.

    Over the last axis: the negative log-likelihood of a Poisson distribution, without what does not depend on the
    prediction. Predictions must not be negative: end the network in ``"exponential"`` or ``"softplus"``.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "poisson"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        Whether targets of NaN are left out; see `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a count is negative.

    Notes
    -----
    ``d loss / d y_pred = (1 - y_true / (y_pred + 1e-7)) / width``.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.Poisson()([[1.0, 2.0]], [[1.0, 2.0]])), 4)
    0.8069
    """

    implementation = "losses.probabilistic.Poisson"
    elementwise = True
    target_limits = (0.0, math.inf)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@registry.register()
class BinaryFocalCrossentropy(Loss):
    """Binary cross-entropy that counts badly predicted labels for more: ``loss = mean((1 - p_t)^gamma crossentropy)``.

    Over the last axis, with the probability of the label, ``p_t = y_true p + (1 - y_true) (1 - p)``.

    Parameters
    ----------
    apply_class_balancing : bool, default False
        Whether labels 1 are weighted by `alpha`, and labels 0 by ``1 - alpha``.
    alpha : float, default 0.25
        In [0, 1]: the weight of labels 1, if classes are balanced.
    gamma : float, default 2.0
        At least 0: how much less well predicted labels count.
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / 2``.
    axis : int, default -1
        Only the last axis.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "binary_focal_crossentropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        Whether targets of NaN are left out; see `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    Notes
    -----
    ``d loss / dz = ((1 - p_t)^gamma (p - y) + gamma (1 - p_t)^(gamma - 1) (1 - 2 y) p (1 - p) crossentropy) / width``.
    See `BinaryCrossentropy` about links, logits and clipped probabilities.

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
    """Cross-entropy that counts badly predicted labels for more: ``loss = -alpha sum(y_true (1 - p)^gamma log(p))``.

    Over the last axis.

    Parameters
    ----------
    alpha : float, default 0.25
        What all classes are weighted by; at least 0.
    gamma : float, default 2.0
        At least 0: how much less well predicted labels count.
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / classes``.
    axis : int, default -1
        Only the last axis.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "categorical_focal_crossentropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        Whether targets of NaN are left out; see `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1].

    Notes
    -----
    With ``s = alpha y (gamma p (1 - p)^(gamma - 1) log(p) - (1 - p)^gamma)``, ``d loss / dz = s - p sum(s)``.
    See `CategoricalCrossentropy` about links, logits and clipped probabilities.

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


@registry.register()
class CategoricalGeneralizedCrossEntropy(Loss):
    """Loss of class numbers that withstands wrong ones: ``loss = (1 - p[y_true]^q) / q``.

    Between the cross-entropy (q near 0) and the mean absolute error (q near 1).

    Parameters
    ----------
    q : float, default 0.5
        Between 0, where this is the cross-entropy, and 1, where it is the absolute error; both excluded.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "categorical_generalized_cross_entropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        Whether targets of NaN are left out; see `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is no class in [0, classes).

    Notes
    -----
    ``d loss / dp = -p^(q - 1)`` for the label, and 0 where that is 0. A last layer that ends in softmax is computed
    together with this loss: ``d loss / dz = p[y]^q (p - onehot(y))``.

    References
    ----------
    Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels",
    NeurIPS 2018.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]])), 4)
    1.0
    """

    implementation = "losses.probabilistic.CategoricalGeneralizedCrossEntropy"
    link = "softmax"
    target_kind = "index"

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.q = check_number("q", q, 0, 1, open_minimum=True, open_maximum=True)


@loss_function(KLDivergence, "kld", "KLD")
def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Kullback-Leibler divergence of each row: `KLDivergence` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        As `KLDivergence`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.kl_divergence([[0.0, 1.0]], [[0.0, 1.0]]).tolist()
    [0.0]
    """
    values: NDArray[Any] = KLDivergence(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(Poisson)
def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Poisson loss of each row: `Poisson` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        As `Poisson`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.poisson([[1.0], [0.0]], [[1.0], [0.5]]).round(4).tolist()
    [1.0, 0.5]
    """
    values: NDArray[Any] = Poisson(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


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
        Whether labels 1 are weighted by `alpha`, and labels 0 by ``1 - alpha``.
    alpha : float, default 0.25
        In [0, 1]: the weight of labels 1, if classes are balanced.
    gamma : float, default 2.0
        At least 0: how much less well predicted labels count.
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / 2``.
    axis : int, default -1
        Only the last axis.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        As `BinaryFocalCrossentropy`.

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
        What all classes are weighted by; at least 0.
    gamma : float, default 2.0
        At least 0: how much less well predicted labels count.
    from_logits : bool, default False
        Whether `y_pred` holds logits rather than probabilities.
    label_smoothing : float, default 0.0
        In [0, 1]: labels y become ``y (1 - label_smoothing) + label_smoothing / classes``.
    axis : int, default -1
        Only the last axis.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        As `CategoricalFocalCrossentropy`.

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


@loss_function(CategoricalGeneralizedCrossEntropy)
def categorical_generalized_cross_entropy(y_true: ArrayLike, y_pred: ArrayLike, q: float) -> NDArray[Any]:
    """Generalized cross-entropy of each row: `CategoricalGeneralizedCrossEntropy` without a reduction.

    Parameters
    ----------
    y_true : array_like of int, shape (...,)
    y_pred : array_like, shape (..., classes)
    q : float
        Between 0, where this is the cross-entropy, and 1, where it is the absolute error; both excluded.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        As `CategoricalGeneralizedCrossEntropy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.categorical_generalized_cross_entropy([1], [[0.75, 0.25]], q=0.5).tolist()
    [1.0]
    """
    values: NDArray[Any] = CategoricalGeneralizedCrossEntropy(q, reduction=None, dtype=float_type_of(y_pred))(
        y_true, y_pred
    )
    return values
