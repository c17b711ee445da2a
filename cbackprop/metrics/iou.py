"""Intersection over union, mostly used for segmentation."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.config import epsilon
from cbackprop.losses.crossentropy import check_last_axis
from cbackprop.losses.target import as_array, check_finite
from cbackprop.metrics.metric import registry
from cbackprop.metrics.tally import Tally
from cbackprop.metrics.variable import MetricVariable
from cbackprop.validation import check_boolean, check_integer, check_items, check_number, contiguous

__all__ = ["BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"]

WHOLE_TYPES = {"int": "int32", "int32": "int32", "int64": "int64"}
# With this many classes the confusion matrix takes 32 GB.
MOST_CLASSES = 2**16


@registry.register()
class IoU(Tally):
    """Mean over some classes of ``TP / (TP + FP + FN)``, the intersection over union of labels and predictions.

    The metric keeps a confusion matrix of all batches. Classes that never appear are left out of the mean. Labels and
    predictions outside of [0, num_classes) are ignored.

    Parameters
    ----------
    num_classes : int
        The number of classes.
    target_class_ids : sequence of int
        The classes to take the mean over.
    name : str, optional
    dtype : {"int32", "int64", "float32", "float64"}, optional
        The type of the confusion matrix. The default int32 drops the fractions of weights.
    ignore_class : int, optional
        Labels of this class are ignored.
    sparse_y_true, sparse_y_pred : bool, default True
        Whether labels (or predictions) are class numbers, whose fractions are dropped, rather than rows with an element
        for each class.
    axis : int, default -1
        Must be the last axis, which holds the classes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if shapes do not match.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1])), 4)
    0.3333
    """

    fixed_arguments = ("num_classes", "sparse_y_true", "sparse_y_pred", "axis")
    implementation = "metrics.tally.Confusion"
    any_label = True
    state_names = ("total_cm",)
    state_titles: ClassVar[dict[str, str]] = {"total_cm": "total_confusion_matrix"}
    total_cm: MetricVariable

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        known = "int32" if dtype is None else getattr(dtype, "__name__", dtype)
        whole = WHOLE_TYPES.get(known) if isinstance(known, str) else None
        super().__init__(None if whole else dtype, name)
        self.dtype = whole or self.dtype
        self.num_classes = check_integer("num_classes", num_classes, 1, MOST_CLASSES)
        self.target_class_ids = _check_ids(target_class_ids, self.num_classes)
        self.ignore_class = None if ignore_class is None else check_integer("ignore_class", ignore_class)
        self.sparse_y_true = check_boolean("sparse_y_true", sparse_y_true)
        self.sparse_y_pred = check_boolean("sparse_y_pred", sparse_y_pred)
        self.axis = check_last_axis(axis)
        kind = "index" if self.sparse_y_true and not self.sparse_y_pred else "values"
        self.target_kind = kind  # type: ignore[misc]
        self.elementwise = self.sparse_y_pred
        self.make_state([(self.num_classes, self.num_classes)])

    @property
    def cut(self) -> float | None:
        """Predictions of at least this are class 1, others class 0. ``None``: there is no threshold."""
        return None

    @property
    def float_type(self) -> str:
        """The type in which predictions are compared, and the type of results."""
        return config.floatx() if self.whole_weights else self.dtype

    @property
    def whole_weights(self) -> bool:
        """Whether the confusion matrix holds whole numbers, so that weights lose their fractions."""
        return self.dtype in WHOLE_TYPES.values()

    def state_of(self, sums: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The confusion matrix, with a row for each class of the labels."""
        return [sums.reshape(self.num_classes, self.num_classes)]

    def size(self, width: int) -> int:
        """The number of sums, for predictions with rows of `width` elements."""
        return self.num_classes**2

    def check_given_weights(self, weights: NDArray[Any] | None) -> None:
        """Warn if weights would lose their fractions."""
        if self.whole_weights and weights is not None and weights.dtype.kind == "f":
            warnings.warn(
                f"The weights are of type float, but metric {self.name!r} counts in {self.dtype}, an int: "
                "they lose their fractions by casting. Give whole weights, or dtype='float32'.",
                stacklevel=4,
            )

    def check_width(self, width: int) -> None:
        """Raise ``ValueError`` if rows do not have a prediction for each class."""
        if not self.sparse_y_pred and width != self.num_classes:
            raise ValueError(f"num_classes is {self.num_classes}, but there are {width} predictions in a row.")

    def check_predictions(self, y_pred: ArrayLike) -> NDArray[Any]:
        """Predictions as contiguous floats. Class numbers may have any number of axes."""
        array = as_array("y_pred", y_pred)
        return super().check_predictions(array.reshape(1) if array.ndim == 0 else array)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
        """Labels in the form of the predictions. Class numbers may be outside of the classes."""
        array = as_array("y_true", y_true)
        if not self.sparse_y_true and self.sparse_y_pred:
            check_finite("y_true", array)
            array = array.argmax(axis=-1)
        if self.target_kind != "index":
            return super().check_targets(array, shape)
        check_finite("y_true", array)
        if array.size != math.prod(shape[:-1]):
            raise ValueError(f"y_true must hold a class for each of {shape[:-1]} rows, but got shape {array.shape}.")
        with np.errstate(invalid="ignore"):
            return contiguous(array.reshape(-1).astype(np.int64))

    def score(self) -> Any:
        """The mean over the classes that appear."""
        matrix = self.total_cm.value
        hits = matrix.diagonal()[self.target_class_ids]
        union = (matrix.sum(axis=0) + matrix.sum(axis=1))[self.target_class_ids] - hits
        appears = union > 1e-9
        return np.where(appears, hits / (union + epsilon()), 0).sum() / (appears.sum() + epsilon())


def _check_ids(value: Any, classes: int) -> list[int]:
    """Check class numbers and return them as a list."""
    given = check_items("target_class_ids", value, "a list of classes")
    ids = [check_integer("target_class_ids", number, 0, classes - 1) for number in given]
    if not ids:
        raise ValueError("target_class_ids must hold at least one class, but is empty.")
    return ids


@registry.register()
class BinaryIoU(IoU):
    """Mean over classes 0 and 1 of ``TP / (TP + FP + FN)``, with predictions cut at a threshold.

    Parameters
    ----------
    target_class_ids : sequence of int, default (0, 1)
        The classes to take the mean over.
    threshold : float, default 0.5
        Predictions of at least this count as class 1, others as class 0.
    name : str, optional
    dtype : {"int32", "int64", "float32", "float64"}, optional
        The type of the confusion matrix. The default int32 drops the fractions of weights.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if shapes do not match.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])), 4)
    0.3333
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = check_number("threshold", threshold)

    @property
    def cut(self) -> float:
        """Predictions of at least this are class 1, others class 0."""
        return self.threshold


@registry.register()
class MeanIoU(IoU):
    """Mean over all classes of ``TP / (TP + FP + FN)``.

    Parameters
    ----------
    num_classes : int
        The number of classes.
    name : str, optional
    dtype : {"int32", "int64", "float32", "float64"}, optional
        The type of the confusion matrix. The default int32 drops the fractions of weights.
    ignore_class : int, optional
        Labels of this class are ignored.
    sparse_y_true, sparse_y_pred : bool, default True
        Whether labels (or predictions) are class numbers, whose fractions are dropped, rather than rows with an element
        for each class.
    axis : int, default -1
        Must be the last axis, which holds the classes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if shapes do not match.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1])), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        ids = range(check_integer("num_classes", num_classes, 1, MOST_CLASSES))
        super().__init__(num_classes, ids, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


@registry.register()
class OneHotIoU(IoU):
    """`IoU` of one-hot labels and rows of predictions.

    Parameters
    ----------
    num_classes : int
        The number of classes.
    target_class_ids : sequence of int
        The classes to take the mean over.
    name : str, optional
    dtype : {"int32", "int64", "float32", "float64"}, optional
        The type of the confusion matrix. The default int32 drops the fractions of weights.
    ignore_class : int, optional
        Labels of this class are ignored.
    sparse_y_pred : bool, default False
        Whether predictions are class numbers rather than rows with an element for each class.
    axis : int, default -1
        Must be the last axis, which holds the classes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if shapes do not match.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.OneHotIoU(num_classes=2, target_class_ids=[0])
    >>> round(float(metric([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])), 4)
    0.5
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


@registry.register()
class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of one-hot labels and rows of predictions.

    Parameters
    ----------
    num_classes : int
        The number of classes.
    name : str, optional
    dtype : {"int32", "int64", "float32", "float64"}, optional
        The type of the confusion matrix. The default int32 drops the fractions of weights.
    ignore_class : int, optional
        Labels of this class are ignored.
    sparse_y_pred : bool, default False
        Whether predictions are class numbers rather than rows with an element for each class.
    axis : int, default -1
        Must be the last axis, which holds the classes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if shapes do not match.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.OneHotMeanIoU(num_classes=2)([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])), 4)
    0.25
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
