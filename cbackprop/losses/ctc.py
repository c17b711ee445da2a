"""Connectionist temporal classification: a loss of sequences of labels that are not aligned with the input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.losses.target import as_array, check_finite, check_label_sequences, check_prediction, check_weights
from cbackprop.validation import contiguous

__all__ = ["CTC", "ctc"]


@registry.register()
class CTC(Loss):
    """Connectionist temporal classification: ``loss = -log p(labels | logits)``, for labels without an alignment.

    At each step the network predicts a class, of which 0 is the blank. A row of classes stands for the labels that
    remain when repetitions are merged and then blanks removed. The probability of the labels is the sum over all rows
    of classes that stand for them.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`. There is one value for each sample.
    name : str, default "ctc"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range; in use, if predictions are not (batch, steps, classes), or targets are not
        sequences of class numbers from 1 on, padded with zeros at the end. `fit` and `evaluate` also refuse labels that
        do not fit into the steps: n labels need n steps, and one more for each label equal to the one before it.

    Notes
    -----
    Predictions are logits (batch, steps, classes): the last layer has no softmax. Targets (batch, labels) hold class
    numbers from 1 on; shorter rows end in zeros. All steps count, as in Keras. If the predictions have a mask, each
    sample is weighted by its number of visible steps (Keras raises an error). When called on arrays, the loss of
    labels that do not fit is infinite, with a gradient of 0.

    Let alpha[t, s] be the probability of all ways to reach symbol s at step t, and beta[t, s] that of all ways to go
    on from there. Two passes over the steps compute their logarithms. Then ``d loss / d logit[t, k] =
    softmax(logits)[t, k] - sum over the symbols s = k of alpha[t, s] beta[t, s] / p(labels)``.

    References
    ----------
    Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification: labelling unsegmented sequence
    data with recurrent neural networks", ICML 2006. Arguments and defaults are those of Keras 3.

    Examples
    --------
    Over two steps with three equally likely classes, three of the nine rows stand for "1": 1 1, 0 1 and 1 0.

    >>> import numpy as np
    >>> import cbackprop as cb
    >>> round(float(np.exp(-cb.losses.CTC()([[1]], np.zeros((1, 2, 3))))), 4)
    0.3333
    """

    implementation = "losses.ctc.CTC"
    target_kind = "given"
    label_sequences = True

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "ctc", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)

    def check_output(self, shape: tuple[int, ...]) -> None:
        """Check that a sample is (steps, classes)."""
        if len(shape) != 2:
            raise ValueError(f"CTC needs logits (batch, steps, classes), but predictions have shape {(None, *shape)}.")

    def sequence_values(
        self, y_true: ArrayLike, y_pred: ArrayLike, with_gradient: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[Any] | None]:
        """The value of each sample; on request also its derivative, in the shape of `y_pred`.

        Raises
        ------
        TypeError, ValueError
            If the arrays are not valid for this loss.
        """
        function = self.row_function(False, self.dtype)
        prediction = check_prediction("y_pred", y_pred, self.dtype)
        self.check_output(prediction.shape[1:])
        target = as_array("y_true", y_true)
        check_finite("y_true", target)
        check_label_sequences("y_true", target, prediction.shape)
        gradient = np.zeros_like(prediction) if with_gradient else None
        values = function.sequence_values(contiguous(target, self.dtype), contiguous(prediction), gradient)
        return values, gradient

    def row_values(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """The value of each sample."""
        return self.sequence_values(y_true, y_pred)[0]

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """See `Loss`."""
        if type(self).call is not Loss.call:
            return super().__call__(y_true, y_pred, sample_weight)
        values = self.row_values(y_true, y_pred).astype(self.dtype)
        return self.reduce(values, check_weights("sample_weight", sample_weight, values.shape))


@loss_function(CTC)
def ctc(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Connectionist temporal classification of each sample: `CTC` without a reduction.

    Parameters
    ----------
    y_true : array_like (batch, labels)
        Class numbers from 1 on, padded with zeros at the end.
    y_pred : array_like (batch, steps, classes)
        Logits; class 0 is the blank.

    Returns
    -------
    ndarray (batch,)

    Raises
    ------
    TypeError, ValueError
        See `CTC`.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.losses.ctc([[1, 2], [1, 0]], np.zeros((2, 3, 3))).round(4).tolist()
    [1.6864, 1.5041]
    """
    values: NDArray[Any] = CTC(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values
