"""Negative log-likelihoods, for networks that predict a distribution of each target by its location and scale."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.validation import check_number

__all__ = [
    "GaussianNegativeLogLikelihood",
    "StudentTNegativeLogLikelihood",
    "gaussian_negative_log_likelihood",
    "student_t_negative_log_likelihood",
]


class LocationScaleLoss(Loss):
    """Base of losses whose predictions, for k targets, are k means followed by k logarithms of variances."""

    target_kind = "half"

    def check_output(self, shape: tuple[int, ...]) -> None:
        """Refuse predictions with an odd number of columns."""
        if shape[-1] % 2:
            raise ValueError(
                f"{type(self).__name__} needs predictions of k means and k logarithms of variances, so an even number "
                f"of units, but got {shape[-1]}."
            )


@registry.register()
class GaussianNegativeLogLikelihood(LocationScaleLoss):
    """Negative log-likelihood of normal distributions with predicted means and variances.

    ``loss = mean((log(2 pi) + s + (y_true - m)^2 exp(-s)) / 2)`` over the targets of a row, where ``y_pred`` holds all
    means m and then all logarithms s of variances.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "gaussian_negative_log_likelihood"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or unknown; in use, if ``y_pred`` has an odd number of columns, or
        ``y_true`` does not have half as many.

    Notes
    -----
    For k targets: ``d loss / dm = (m - y_true) exp(-s) / k``, ``d loss / ds = (1 - (y_true - m)^2 exp(-s)) / (2 k)``.
    Use a linear last layer, ``Dense(2 * k)``: any real s is the logarithm of a variance. An output with this loss takes
    no metrics; give the model a second output with only the means to measure them.

    References
    ----------
    Nix and Weigend, "Estimating the mean and variance of the target probability distribution", ICNN, 1994.
    Arguments and defaults are those of this library; Keras has no such loss.

    Examples
    --------
    >>> import cbackprop as cb
    >>> loss = cb.losses.GaussianNegativeLogLikelihood()
    >>> round(float(loss([[1.0]], [[0.0, 0.0]])), 4)  # one target, a mean of 0 and a variance of 1
    1.4189
    """

    implementation = "losses.likelihood.GaussianNegativeLogLikelihood"

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "gaussian_negative_log_likelihood",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@registry.register()
class StudentTNegativeLogLikelihood(LocationScaleLoss):
    """Negative log-likelihood of Student's t distributions with predicted locations and scales.

    ``loss = mean(c + s / 2 + (n + 1) / 2 log(1 + (y_true - m)^2 exp(-s) / n))`` over the targets of a row, with
    ``c = lgamma(n / 2) - lgamma((n + 1) / 2) + log(n pi) / 2`` and n degrees of freedom. ``y_pred`` holds all
    locations m and then all logarithms s of squared scales. Outliers count much less than with a normal distribution.

    Parameters
    ----------
    degrees_of_freedom : float, default 4.0
        From 1e-7 to 1e7. 1 gives the Cauchy distribution; large values approach the normal distribution.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "student_t_negative_log_likelihood"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; in use, if ``y_pred`` has an odd number of columns, or
        ``y_true`` does not have half as many.

    Notes
    -----
    With ``z = (y_true - m)^2 exp(-s) / n``, for k targets:
    ``d loss / dm = (n + 1) (m - y_true) exp(-s) / (n (1 + z) k)`` and
    ``d loss / ds = (1 - (n + 1) z / (1 + z)) / (2 k)``.
    The variance is ``n exp(s) / (n - 2)`` for n > 2 and infinite for n <= 2, so the network predicts the scale instead.
    For layers and metrics see `GaussianNegativeLogLikelihood`.

    References
    ----------
    Lange, Little and Taylor, "Robust statistical modeling using the t distribution", JASA 84, 1989.
    Arguments and defaults are those of this library; Keras has no such loss.

    Examples
    --------
    >>> import cbackprop as cb
    >>> loss = cb.losses.StudentTNegativeLogLikelihood(degrees_of_freedom=1.0)
    >>> round(float(loss([[1.0]], [[0.0, 0.0]])), 4)  # log(2 pi)
    1.8379
    """

    implementation = "losses.likelihood.StudentTNegativeLogLikelihood"

    def __init__(
        self,
        degrees_of_freedom: float = 4.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "student_t_negative_log_likelihood",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        # Outside of this range, float32 rounds n + 1 to 1 or n.
        self.degrees_of_freedom = check_number("degrees_of_freedom", degrees_of_freedom, 1e-7, 1e7)


@loss_function(GaussianNegativeLogLikelihood, "gaussian_nll")
def gaussian_negative_log_likelihood(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Negative log-likelihood of normal distributions of each row, without a reduction.

    Parameters
    ----------
    y_true : array_like, shape (..., k)
    y_pred : array_like, shape (..., 2 k)
        Means, and then logarithms of variances.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `GaussianNegativeLogLikelihood`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.gaussian_negative_log_likelihood([[0.0], [2.0]], [[0.0, 0.0], [0.0, 0.0]]).round(3).tolist()
    [0.9190000295639038, 2.9189999103546143]
    """
    loss = GaussianNegativeLogLikelihood(reduction=None, dtype=float_type_of(y_pred))
    values: NDArray[Any] = loss(y_true, y_pred)
    return values


@loss_function(StudentTNegativeLogLikelihood, "student_t_nll")
def student_t_negative_log_likelihood(
    y_true: ArrayLike, y_pred: ArrayLike, degrees_of_freedom: float = 4.0
) -> NDArray[Any]:
    """Negative log-likelihood of Student's t distributions of each row, without a reduction.

    Parameters
    ----------
    y_true : array_like, shape (..., k)
    y_pred : array_like, shape (..., 2 k)
        Locations, and then logarithms of squared scales.
    degrees_of_freedom : float, default 4.0

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `StudentTNegativeLogLikelihood`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.student_t_negative_log_likelihood([[0.0], [2.0]], [[0.0, 0.0], [0.0, 0.0]]).round(3).tolist()
    [0.9810000061988831, 2.7139999866485596]
    """
    loss = StudentTNegativeLogLikelihood(degrees_of_freedom, reduction=None, dtype=float_type_of(y_pred))
    values: NDArray[Any] = loss(y_true, y_pred)
    return values
