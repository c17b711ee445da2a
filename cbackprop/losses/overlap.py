"""Losses that measure how well prediction and target overlap, along any axes of a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.losses.target import as_array, check_prediction, check_target, check_weights
from cbackprop.validation import check_integer, check_number

__all__ = ["CosineSimilarity", "Dice", "Tversky", "cosine_similarity", "dice", "tversky"]

Axes = int | tuple[int, ...] | list[int] | None


def _check_axes(axis: Any) -> Any:
    """`axis` as an int, a list of ints or ``None``.

    Raises
    ------
    TypeError, ValueError
        If it is anything else, or an axis is named twice.
    """
    if axis is None:
        return None
    if not isinstance(axis, (tuple, list)):
        return check_integer("axis", axis)
    axes = [check_integer("axis", one) for one in axis]
    if not axes or len(set(axes)) < len(axes):
        raise ValueError(f"axis must name at least one axis, and none twice, but got {axis!r}.")
    return axes


class AxisLoss(Loss):
    """Base of losses with one value for all elements along some axes, which may include the batch axis 0."""

    def __init__(self, axis: Any, name: str | None, reduction: str | None, dtype: Any) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = _check_axes(axis)

    @property
    def couples_samples(self) -> bool:  # type: ignore[override]
        """Whether sums go over the batch axis.

        A negative axis could turn out to be the batch axis. `layout` refuses that: it is surely a mistake.
        """
        return self.axis is None or 0 in np.atleast_1d(self.axis)

    def layout(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shape of one sample, and those of its axes that are summed over.

        If only the last axis is summed over, each row counts as a sample.

        Raises
        ------
        ValueError
            If an axis does not exist.
        """
        if self.axis is None:
            return shape, tuple(range(len(shape)))
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        for axis in axes:
            if not -len(shape) <= axis <= len(shape):
                raise ValueError(f"axis {axis} is out of range for predictions of shape (batch, {str(shape)[1:]}.")
        inner = sorted({(axis - 1 if axis > 0 else axis + len(shape)) for axis in axes if axis != 0})
        if inner == [len(shape) - 1] and not self.couples_samples:
            return shape[-1:], (0,)
        return shape, tuple(inner)

    def check_output(self, shape: tuple[int, ...]) -> None:
        """Check that the axes exist."""
        self.layout(shape)

    def row_values(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """The values, in the shape of the predictions without the axes that are summed over."""
        prediction = check_prediction("y_pred", y_pred, self.dtype)
        target = check_target("y_true", y_true, prediction.shape, self.target_kind, self.dtype, self.target_rules())
        whole = prediction.shape if prediction.ndim > 1 else (1, *prediction.shape)
        shape, axes = self.layout(whole[1:])
        function = self.row_function(False, self.dtype)
        function.set_shape(whole[1:])
        size = math.prod(shape)
        values: NDArray[np.float64] = function.group_values(target.reshape(-1, size), prediction.reshape(-1, size))
        if len(shape) < prediction.ndim - 1:
            return values.reshape(prediction.shape[:-1])
        kept = tuple(shape[axis] for axis in range(len(shape)) if axis not in axes)
        batch = () if self.couples_samples or prediction.ndim == 1 else prediction.shape[:1]
        return values.reshape(batch + kept)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """See `Loss`. If the batch has one value, it is weighted by each sample's weight."""
        if type(self).call is not Loss.call:
            return super().__call__(y_true, y_pred, sample_weight)
        values = self.row_values(y_true, y_pred).astype(self.dtype)
        if values.ndim == 0 and sample_weight is not None:
            values = np.broadcast_to(values, np.shape(as_array("sample_weight", sample_weight)))
        return self.reduce(values, check_weights("sample_weight", sample_weight, values.shape))


@registry.register()
class Dice(AxisLoss):
    """Dice loss: ``loss = 1 - 2 sum(y_true * y_pred) / (sum(y_true) + sum(y_pred) + 1e-7)``.

    Sums are over `axis`. By default they are over the whole batch, which then has one value.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "dice"
    axis : int, tuple or list of int, optional
        The axes to sum over; 0 is the batch, ``None`` means all. ``(1, 2, 3)`` gives one value for each image.
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type; when called, if a label is outside [0, 1] or an axis does not exist.

    Notes
    -----
    With ``I = sum(y_true * y_pred)`` and the denominator S, ``d loss / d y_pred = -2 y_true / S + 2 I / S^2``. If the
    batch axis is summed over, one thread computes the loss of the whole batch.

    References
    ----------
    Milletari, Navab and Ahmadi, "V-Net: fully convolutional neural networks for volumetric medical image
    segmentation", 3DV 2016. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.Dice()([[1.0, 0.0]], [[0.5, 0.5]])), 4)
    0.5
    """

    implementation = "losses.overlap.Dice"
    beyond_limits = "take"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Axes = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(axis, name, reduction, dtype)


@registry.register()
class Tversky(AxisLoss):
    """Tversky loss: Dice loss with separate weights for missed targets and false predictions.

    ``loss = 1 - t / (t + alpha f + beta g + 1e-7)``, with the hits ``t = sum(y_true * y_pred)``, the missed targets
    ``f = sum(y_true * (1 - y_pred))`` and the false predictions ``g = sum((1 - y_true) * y_pred)``, summed over `axis`.

    Parameters
    ----------
    alpha : float, default 0.5
        Weight of missed targets (false negatives), at least 0.
    beta : float, default 0.5
        Weight of false predictions (false positives), at least 0.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "tversky"
    axis : int, tuple or list of int, optional
        The axes to sum over; 0 is the batch, ``None`` means all.
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [0, 1] or an axis
        does not exist.

    Notes
    -----
    With the denominator W, ``d loss / d y_pred = (t ((1 - alpha) y_true + beta (1 - y_true)) / W - y_true) / W``.

    References
    ----------
    Salehi, Erdogmus and Gholipour, "Tversky loss function for image segmentation using 3D fully convolutional deep
    networks", 2017. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.Tversky()([[1.0, 0.0]], [[0.5, 0.5]])), 4)
    0.5
    """

    implementation = "losses.overlap.Tversky"
    beyond_limits = "take"
    target_limits = (0.0, 1.0)

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Axes = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(axis, name, reduction, dtype)
        self.alpha = check_number("alpha", alpha, 0)
        self.beta = check_number("beta", beta, 0)


@registry.register()
class CosineSimilarity(AxisLoss):
    """Negative cosine between target and prediction: ``loss = -sum(y_true * y_pred) / (|y_true| |y_pred|)``.

    The loss is -1 if both vectors point the same way, and 1 if they point in opposite directions.

    Parameters
    ----------
    axis : int, tuple or list of int, default -1
        The axes whose elements form a vector.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "cosine_similarity"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type; when called, if an axis does not exist.

    Notes
    -----
    With the unit vectors u and v, ``d loss / d y_pred = (v (u . v) - u) / |y_pred|``. A length below
    1e-7 is replaced by 1e-7.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.CosineSimilarity()([[3.0, 4.0]], [[6.0, 8.0]]))
    -1.0
    """

    implementation = "losses.overlap.CosineSimilarity"

    def __init__(
        self,
        axis: Axes = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(axis, name, reduction, dtype)


@loss_function(Dice)
def dice(y_true: ArrayLike, y_pred: ArrayLike, axis: Axes = None) -> NDArray[Any]:
    """Dice loss along some axes: `Dice` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like
    axis : int, tuple or list of int, optional
        The axes to sum over; ``None``: all.

    Returns
    -------
    ndarray
        One value for each index of the remaining axes.

    Raises
    ------
    TypeError, ValueError
        See `Dice`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.dice([[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.0, 1.0]], axis=-1).round(4).tolist()
    [0.5, 0.0]
    """
    values: NDArray[Any] = Dice(axis=axis, reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(Tversky)
def tversky(
    y_true: ArrayLike, y_pred: ArrayLike, alpha: float = 0.5, beta: float = 0.5, axis: Axes = None
) -> NDArray[Any]:
    """Tversky loss along some axes: `Tversky` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like
    alpha : float, default 0.5
        Weight of missed targets (false negatives), at least 0.
    beta : float, default 0.5
        Weight of false predictions (false positives), at least 0.
    axis : int, tuple or list of int, optional
        The axes to sum over; ``None``: all.

    Returns
    -------
    ndarray
        One value for each index of the remaining axes.

    Raises
    ------
    TypeError, ValueError
        See `Tversky`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.tversky([[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.0, 1.0]], axis=-1).round(4).tolist()
    [0.5, 0.0]
    """
    values: NDArray[Any] = Tversky(alpha, beta, None, axis=axis, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(CosineSimilarity)
def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: Axes = -1) -> NDArray[Any]:
    """Negative cosine of each row: `CosineSimilarity` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like
    axis : int, tuple or list of int, default -1
        The axes whose elements form a vector.

    Returns
    -------
    ndarray
        One value for each index of the remaining axes.

    Raises
    ------
    TypeError, ValueError
        See `CosineSimilarity`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.cosine_similarity([[0.0, 2.0], [1.0, 0.0]], [[0.0, 5.0], [-1.0, 0.0]]).tolist()
    [-1.0, 1.0]
    """
    values: NDArray[Any] = CosineSimilarity(axis, None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values
