"""Losses of distributions: Kullback-Leibler divergence, Poisson, and the generalized cross-entropy."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.validation import check_number

__all__ = [
    "CategoricalGeneralizedCrossEntropy",
    "KLDivergence",
    "Poisson",
    "categorical_generalized_cross_entropy",
    "kl_divergence",
    "poisson",
]


@registry.register()
class KLDivergence(Loss):
    """Kullback-Leibler divergence of predicted from true distributions: ``loss = sum(y_true log(y_true / y_pred))``.

    The sum is over the last axis; `y_true` and `y_pred` are clipped to [1e-7, 1].

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "kl_divergence"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

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

    The mean is over the last axis. This is the negative log-likelihood of a Poisson distribution without the terms
    that do not depend on the prediction. Predictions must not be negative: let the last layer use the activation
    ``"exponential"`` or ``"softplus"``.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "poisson"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

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
class CategoricalGeneralizedCrossEntropy(Loss):
    """Cross-entropy of class numbers that is robust to wrong labels: ``loss = (1 - p[y_true]^q) / q``.

    It lies between the cross-entropy (q near 0) and the mean absolute error (q near 1).

    Parameters
    ----------
    q : float, default 0.5
        Between 0 (the cross-entropy) and 1 (the absolute error), both excluded.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "categorical_generalized_cross_entropy"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is not a class in [0, classes).

    Notes
    -----
    ``d loss / dp = -p^(q - 1)`` for the label's class, or 0 if that p is 0. If the last layer ends in softmax, the loss
    is computed from its logits z: ``d loss / dz = p[y]^q (p - onehot(y))``.

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
        See `KLDivergence`.

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
        See `Poisson`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.poisson([[1.0], [0.0]], [[1.0], [0.5]]).round(4).tolist()
    [1.0, 0.5]
    """
    values: NDArray[Any] = Poisson(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(CategoricalGeneralizedCrossEntropy)
def categorical_generalized_cross_entropy(y_true: ArrayLike, y_pred: ArrayLike, q: float) -> NDArray[Any]:
    """Generalized cross-entropy of each row: `CategoricalGeneralizedCrossEntropy` without a reduction.

    Parameters
    ----------
    y_true : array_like of int, shape (...,)
    y_pred : array_like, shape (..., classes)
    q : float
        Between 0 (the cross-entropy) and 1 (the absolute error), both excluded.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `CategoricalGeneralizedCrossEntropy`.

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
