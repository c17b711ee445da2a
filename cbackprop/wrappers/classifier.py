"""SKLearnClassifier: wrap a model as a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import type_of_target

import cbackprop as cb
from cbackprop.wrappers.base import Array, ModelWrapper

__all__ = ["SKLearnClassifier"]


class SKLearnClassifier(ClassifierMixin, ModelWrapper):
    """Wrap a model as a classifier for scikit-learn.

    The model is trained on one-hot rows. The predicted class is that of its largest output.

    Parameters
    ----------
    model : Model or callable
        A compiled model; each `fit` trains a copy of it with new weights. Or a function of ``X`` and ``y`` (one-hot
        rows), and of `model_kwargs`, that returns a compiled model.
    warm_start : bool, default False
        Let `fit` continue with the model of the last fit. The first fit then trains the given model itself.
    model_kwargs : dict, optional
        Further arguments of the function.
    fit_kwargs : dict, optional
        Arguments of the model's `fit`. Arguments of the classifier's own `fit` take precedence.

    Attributes
    ----------
    model_ : Model
        The trained model.
    history_ : History
        Losses and metrics of the last fit.
    classes_ : ndarray of shape (n_classes,)

    Raises
    ------
    RuntimeError
        In `fit`, if the model is not compiled or has no loss.
    TypeError, ValueError
        In `fit`, if the data is wrong, or there is only one class.

    References
    ----------
    Names, arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> def make(X, y, units=16):
    ...     layers = [cb.Input((X.shape[1],)), cb.layers.Dense(units, "relu"), cb.layers.Dense(y.shape[1], "softmax")]
    ...     model = cb.Sequential(layers)
    ...     model.compile(cb.optimizers.Adam(0.02), "categorical_crossentropy")
    ...     return model
    >>> classifier = cb.wrappers.SKLearnClassifier(make, fit_kwargs={"epochs": 30, "verbose": 0})
    >>> X, y = load_iris(return_X_y=True)
    >>> bool(cross_val_score(classifier, X, y).mean() > 0.9)
    True
    """

    _takes_several = False

    def predict(self, X: Any) -> Array:
        """The class of each sample.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X is wrong.
        """
        best = self._outputs(X).argmax(axis=1)
        found: Array = self.classes_[best]
        return found

    def decision_function(self, X: Any) -> Array:
        """The model's outputs. For arguments and errors see `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._outputs(X)

    def _learn_targets(self, y: Array) -> NDArray[np.float64]:
        """One-hot rows."""
        kind = type_of_target(y)
        if kind == "unknown":
            raise ValueError(f"Unknown label type for data: {y!r}")
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"Only binary and multiclass target types are supported. Target type: {kind}")
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return np.eye(len(self.classes_))[numbers]

    def _check_model(self, model: Any, y: Array) -> None:
        """Refuse losses and outputs that do not match one-hot rows."""
        classes = y.shape[1]
        remedy = f"give its last layer {classes} units and a softmax, and compile it with 'categorical_crossentropy'."
        losses = [loss for loss in [_loss_of(model)] if loss is not None]
        wrong = next((part.name for loss in losses for part in loss.parts if part.target_kind == "index"), None)
        made = f"{type(self).__name__} gives the model one-hot rows of {classes} classes, but"
        if wrong is not None:
            raise ValueError(f"{made} its loss {wrong!r} expects class numbers: {remedy}")
        shape = model.output_shape if model.built else None
        if isinstance(shape, tuple) and len(shape) == 2 and shape[1] != classes and not _is_half(losses):
            raise ValueError(f"{made} its output has {shape[1]} number{'s' * (shape[1] != 1)} per sample: {remedy}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


def _loss_of(model: Any) -> Any:
    """The loss of a model as an object; ``None`` if it is unknown until the model is built."""
    try:
        return cb.losses.as_loss(model.loss) if isinstance(model.loss, (str, cb.losses.Loss)) else None
    except ValueError:  # a name whose meaning depends on the output
        return None


def _is_half(losses: list[Any]) -> bool:
    """Whether targets are half as wide as the outputs."""
    return any(part.target_kind == "half" for loss in losses for part in loss.parts)
