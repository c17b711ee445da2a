"""Regression metrics, most of them mean errors computed by the losses' kernels."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop.metrics.metric import RowMean, registry
from cbackprop.metrics.tally import Tally
from cbackprop.metrics.variable import MetricVariable
from cbackprop.validation import check_choice, check_integer

__all__ = [
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "R2Score",
    "RootMeanSquaredError",
]


@registry.register("mse", "MSE")
class MeanSquaredError(RowMean):
    """Mean squared error: ``mean((y_true - y_pred)^2)``.

    Parameters
    ----------
    name : str, default "mean_squared_error"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.25
    """

    implementation = "losses.regression.MeanSquaredError"

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class RootMeanSquaredError(RowMean):
    """Root of the mean squared error: ``sqrt(mean((y_true - y_pred)^2))``, in the unit of the targets.

    Parameters
    ----------
    name : str, default "root_mean_squared_error"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.RootMeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.5
    """

    implementation = "losses.regression.MeanSquaredError"
    elementwise = True
    takes_mask = False

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)

    def result(self) -> Any:
        """The root of the weighted mean so far; 0 before any batch."""
        return np.dtype(self.dtype).type(math.sqrt(super().result()))


@registry.register("mae", "MAE")
class MeanAbsoluteError(RowMean):
    """Mean absolute error: ``mean(|y_true - y_pred|)``.

    Parameters
    ----------
    name : str, default "mean_absolute_error"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.MeanAbsoluteError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.25
    """

    implementation = "losses.regression.MeanAbsoluteError"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class LogCoshError(RowMean):
    """Mean logarithm of the hyperbolic cosine of the error: ``mean(log(cosh(y_pred - y_true)))``.

    Parameters
    ----------
    name : str, default "logcosh"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.LogCoshError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])), 4)
    0.1084
    """

    implementation = "losses.regression.LogCosh"

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class R2Score(Tally):
    """Coefficient of determination: ``1 - sum((y_true - y_pred)^2) / sum((y_true - mean(y_true))^2)``.

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average", None}, default "uniform_average"
        How the scores of several columns are combined: by their mean, by their mean weighted by the columns' variances,
        or not at all (None: an array).
    num_regressors : int, default 0
        The number of independent variables. If it is not 0, the result is the adjusted score.
    name : str, default "r2_score"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if the predictions are not (batch, width).

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.R2Score()([[1], [4], [3]], [[2], [4], [4]])), 4)
    0.5714
    """

    implementation = "metrics.tally.Moments"
    state_names = ("num_samples", "squared_sum", "sum", "total_mse", "count")
    state_titles: ClassVar[dict[str, str]] = {"total_mse": "residual"}
    squared_sum: MetricVariable
    sum: MetricVariable
    total_mse: MetricVariable
    count: MetricVariable
    rank = 2

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        known = (None, "uniform_average", "variance_weighted_average")
        self.class_aggregation = check_choice("class_aggregation", class_aggregation, known)
        self.num_regressors = check_integer("num_regressors", num_regressors, 0)
        self.num_samples = self.add_variable((), "zeros", "float64", name="num_samples")

    def size(self, width: int) -> int:
        """The number of sums, for predictions with rows of `width` elements."""
        return 4 * width + 1

    @property
    def has_state(self) -> bool:
        """Whether any samples have been added."""
        return super().has_state and bool(self.num_samples != 0)

    def state_of(self, sums: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The number of elements, and for each column the sums of y^2, y, squared errors and weights."""
        total, squares, errors, weights = sums[:-1].reshape(4, -1)
        return [sums[-1], squares, total, errors, weights]

    def score(self) -> Any:
        """The score, or one for each column."""
        samples, squares, total, errors, weights = (getattr(self, name).value for name in self.state_names)
        spread = squares - total * (total / weights)
        scores = 1 - errors / spread
        scores = np.where(np.isinf(scores), 0.0, scores)
        if self.class_aggregation is None:
            return self.adjusted(scores, samples)
        if self.class_aggregation == "uniform_average":
            return self.adjusted(scores.mean(), samples)
        return self.adjusted((spread * scores).sum() / spread.sum(), samples)

    def adjusted(self, score: Any, samples: float) -> Any:
        """The adjusted score: without the part that this number of regressors would explain by chance."""
        if self.num_regressors == 0:
            return score
        if self.num_regressors >= samples - 1:
            warnings.warn(
                "num_regressors must be smaller than the number of samples minus 1: R2 is not adjusted.", stacklevel=4
            )
            return score
        return 1 - (1 - score) * (samples - 1) / (samples - self.num_regressors - 1)


@registry.register("mape", "MAPE")
class MeanAbsolutePercentageError(RowMean):
    """Mean absolute percentage error: ``100 mean(|y_true - y_pred| / |y_true|)``.

    If ``|y_true|`` is below 1e-7, the error is divided by 1e-7.

    Parameters
    ----------
    name : str, default "mean_absolute_percentage_error"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.MeanAbsolutePercentageError()([[2, 4]], [[1, 4]])), 4)
    25.0
    """

    implementation = "losses.regression.MeanAbsolutePercentageError"

    def __init__(self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register("msle", "MSLE")
class MeanSquaredLogarithmicError(RowMean):
    """Mean squared logarithmic error: ``mean((log(y_true + 1) - log(y_pred + 1))^2)``.

    Targets and predictions below 1e-7 count as 1e-7.

    Parameters
    ----------
    name : str, default "mean_squared_logarithmic_error"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.MeanSquaredLogarithmicError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])), 4)
    0.1201
    """

    implementation = "losses.regression.MeanSquaredLogarithmicError"

    def __init__(self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)
