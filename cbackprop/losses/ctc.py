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

    The network shows one class at each step, of which 0 is the blank. What it says is found by leaving out repetitions,
    then blanks: ``a a 0 a b b`` says ``a a b``. The probability of a sequence of labels is the sum of those of all
    rows of classes that say it.

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
        If an argument is out of range; when it is used, if predictions are not (batch, steps, classes), or targets are
        no sequences of class numbers from 1 on, with zeros behind them. `fit` and `evaluate` also refuse labels that do
        not fit into the steps: n labels need n steps, and one more for each label that repeats the one before it.

    Notes
    -----
    Predictions are logits (batch, steps, classes), of a last layer without a softmax. Targets (batch, labels) hold
    class numbers from 1 on; rows with fewer labels end in zeros. All steps count, as in Keras; if the predictions have
    a mask, each sample weighs as much as it has steps that are not hidden, where Keras raises an error. Called on
    arrays, the loss of labels without any alignment is infinite, with a gradient of 0.

    With alpha[t, s] and beta[t, s] the probabilities of all ways to symbol s at step t and from there on, which two
    passes over the steps find in logarithms, ``d loss / d logit[t, k] = softmax(logits)[t, k] - sum over the symbols
    s = k of alpha[t, s] beta[t, s] / p(labels)``.

    References
    ----------
    Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification: labelling unsegmented sequence
    data with recurrent neural networks", ICML 2006. Arguments and defaults are those of Keras 3.

    Examples
    --------
    Two steps in which all three classes are as likely say "1" in three of nine ways: 1 1, 0 1 and 1 0.

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
        """The value of each sample, and if wanted its derivative in the shape of `y_pred`.

        Raises
        ------
        TypeError, ValueError
            If the arrays are not those of this loss.
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
        Class numbers from 1 on, and zeros behind them.
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
