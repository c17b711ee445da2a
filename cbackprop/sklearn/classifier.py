"""MLPClassifier: scikit-learn's classifier, trained in compiled C."""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

import cbackprop as cb
from cbackprop.sklearn.base import BaseMLP, trains_in_batches
from cbackprop.sklearn.losses import own_loss, reduced
from cbackprop.sklearn.samples import Objective
from cbackprop.sklearn.scores import accuracy

__all__ = ["MLPClassifier"]

Array = NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron that minimizes the log loss: scikit-learn's classifier, trained in compiled C.

    Parameters and attributes are those of ``sklearn.neural_network.MLPClassifier``, with the same defaults and meaning,
    and the same weights lead to the same step. The parameters after `max_fun` are additional.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer.
    activation : str, callable, or a sequence of them, default "relu"
        The activation of all hidden layers, or one for each: ``"identity"``, ``"logistic"``, ``"tanh"``, ``"relu"``, or
        any of `cbackprop.activations`, such as ``"gelu"``.
    solver : str or Optimizer, default "adam"
        ``"lbfgs"``, ``"sgd"``, ``"adam"``, the name of any other optimizer of `cbackprop.optimizers`, or an optimizer
        object. An object is copied and used unchanged, including its learning rate.
    alpha : float, default 0.0001
        Factor of the L2 penalty. The penalty is divided by 2 and by the size of the batch (the sum of its weights).
    batch_size : int or "auto", default "auto"
        ``"auto"`` is ``min(200, n_samples)``. L-BFGS takes all samples.
    learning_rate : {"constant", "invscaling", "adaptive"} or LearningRateSchedule, default "constant"
        The strings are for ``solver="sgd"``: constant, divided by ``t_ ** power_t`` after each epoch, or divided by 5
        whenever training would stop. A schedule is a function of the number of steps, for all solvers that are given
        by name except L-BFGS.
    learning_rate_init : float, default 0.001
        The initial learning rate.
    power_t : float, default 0.5
        The exponent of ``learning_rate="invscaling"``.
    max_iter : int, default 200
        Epochs, or steps of L-BFGS.
    shuffle : bool, default True
        Whether to visit the samples in another order in each epoch.
    random_state : int, RandomState or None, default None
        The source of initial weights, the split for `early_stopping`, the order of samples, and dropout.
    tol : float, default 1e-4
        Training stops when the loss, or the validation score, has not improved by `tol` in more than
        `n_iter_no_change` epochs. L-BFGS stops when no element of the gradient is larger than `tol`.
    verbose : bool, default False
        Print the loss of each epoch.
    warm_start : bool, default False
        Let `fit` start with the weights of the last fit.
    momentum : float, default 0.9
    nesterovs_momentum : bool, default True
    early_stopping : bool, default False
        Monitor the accuracy on validation data instead of the loss, and end with the weights of the best epoch.
        Solvers that use all samples in each step do not hold out a fraction: give validation data to `fit`.
    validation_fraction : float, default 0.1
        The fraction of the samples to hold out for it, unless `fit` is given validation data.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-8
        Parameters of Adam.
    n_iter_no_change : int, default 10
    max_fun : int, default 15000
        The maximum number of evaluations of the loss by L-BFGS.
    loss : str, Loss or callable, default "log_loss"
        Also any loss of `cbackprop.losses`, and functions that `compile` accepts. Targets are one-hot rows; class
        numbers for sparse losses; a column of 0 and 1 for two classes.
    dropout : float or sequence of float, default 0.0
        The fraction of outputs to drop in training, for all hidden layers or one for each.
    batch_normalization : bool, default False
        Whether to normalize the input of each hidden layer's activation.
    class_weight : dict, "balanced" or None, default None
        Weights of samples in the loss by their class.
    callbacks : Callback or list of them, optional
        Callbacks of cbackprop. With validation data, their logs contain ``val_loss`` and ``val_score``.
    restore_best_weights : bool, default False
        End with the weights of the best epoch even without `early_stopping`: the one with the best score on validation
        data or, without such data, with the lowest loss.
    n_threads : int, optional
        The number of threads for training and predicting; by default that of `cbackprop.config.set_num_threads`.

    Attributes
    ----------
    model_ : cbackprop.Sequential
        The network, an ordinary model with `summary`, `save`, `check_gradients` and so on.
    classes_ : ndarray of shape (n_classes,)
    loss_ : float
        The loss of the last epoch.
    best_loss_ : float or None
        The lowest loss; ``None`` with `early_stopping`.
    loss_curve_ : list of float
        The loss of each epoch.
    validation_scores_ : list of float or None
        The accuracy on validation data after each epoch, if there is any.
    best_validation_score_ : float or None
    t_ : int
        Samples seen in training.
    coefs_, intercepts_ : list of ndarray
        The weights and biases of each layer. They share memory with the model: writing to them changes it.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (features,)
        The names of features, if X had names.
    n_iter_ : int
        The number of epochs of the last fit.
    n_layers_, n_outputs_ : int
    out_activation_ : str
        ``"logistic"``, or ``"softmax"`` for more than two classes.

    Notes
    -----
    If X is float32, training and predictions are in float32; anything else is converted to float64. float32 is faster
    if it is precise enough. For the same `random_state`, initial weights and the split are those of scikit-learn; the
    order of samples is not.

    References
    ----------
    Parameters are those of scikit-learn 1.7 and later. Kingma and Ba, "Adam: a method for stochastic optimization",
    ICLR 2015. Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from cbackprop.sklearn import MLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> classifier = MLPClassifier(random_state=0, dropout=0.2, early_stopping=True).fit(X_train, y_train)
    >>> classifier.predict(X_test[:3]), y_test[:3]
    (array([2, 8, 2]), array([2, 8, 2]))
    >>> classifier.score(X_test, y_test) > 0.95
    True
    """

    _is_regressor = False
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [None, dict, list, StrOptions({"balanced"})],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        dropout: Any = 0.0,
        batch_normalization: bool = False,
        class_weight: Any = None,
        callbacks: Any = None,
        restore_best_weights: bool = False,
        n_threads: int | None = None,
    ) -> None:
        self._keep(locals())

    # Classes

    def _learn_classes(self, y: Array, incremental: bool) -> None:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return
        if self.warm_start and set(classes := unique_labels(y)) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        self._check_classes(y)

    def _check_classes(self, y: Array) -> None:
        classes = unique_labels(y)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    @property
    def _many(self) -> bool:
        """Whether there are more than two classes, and each sample has one."""
        return self._label_binarizer.y_type_ == "multiclass"

    def _encode(self, y: Array, dtype: Any) -> Array:
        if not self._many:
            return cast(Array, self._label_binarizer.transform(y).astype(dtype))
        numbers = np.searchsorted(self.classes_, y)
        loss = None if self.loss == "log_loss" else self._named("loss", lambda: own_loss(self.loss))
        return (
            numbers if loss is None or loss.target_kind == "index" else np.eye(len(self.classes_), dtype=dtype)[numbers]
        )

    def _with_class_weight(self, y: Array, weight: Array | None, incremental: bool) -> Array | None:
        if self.class_weight is None:
            return weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which does not see all samples: compute "
                "the weights with compute_class_weight and pass them as a dict."
            )
        factors = compute_sample_weight(self.class_weight, y)
        return factors if weight is None else weight * factors

    # Objective

    def _output(self, targets: Array) -> tuple[int, str]:
        return (len(self.classes_), "softmax") if self._many else (targets.shape[1], "logistic")

    def _objective(self, targets: Array, weight: Array | None) -> Objective:
        if self.loss != "log_loss":
            return Objective(self._named("loss", lambda: own_loss(self.loss)))
        if self._many:
            return Objective(reduced(cb.losses.SparseCategoricalCrossentropy()))
        return Objective(reduced(cb.losses.BinaryCrossentropy()), self.n_outputs_)

    def _score_of(self, targets: Array, outputs: Array, weight: Array | None) -> float:
        if self._many:
            numbers = targets if targets.ndim == 1 else targets.argmax(axis=1)
            right = outputs.argmax(axis=1) == numbers
        else:
            right = ((outputs > 0.5) == (targets > 0.5)).all(axis=1)
        return accuracy(right, weight)

    # Training in parts, and predicting

    @available_if(trains_in_batches)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on the given samples. The next call continues from there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        classes : array-like of shape (n_classes,), optional
            All classes, including those of later calls; required in the first call.

        Returns
        -------
        self

        Raises
        ------
        AttributeError
            If the solver needs all samples.
        TypeError, ValueError
            If a parameter or the data is wrong.
        """
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
        return self._fit(X, y, sample_weight, None, incremental=True)

    def predict(self, X: Any) -> Array:
        """The class of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For several labels, an indicator matrix, which is sparse if `fit` was given a sparse one.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X is wrong.
        """
        outputs = self._outputs(X)
        if self._many:
            return cast(Array, self.classes_.take(outputs.argmax(axis=1)))
        if self._label_binarizer.y_type_ == "multilabel-indicator":
            labels = (outputs > 0.5).astype(int)
            # As in scikit-learn, predictions have the format of the targets in `fit`.
            return csr_matrix(labels) if self._label_binarizer.sparse_input_ else labels
        return cast(Array, self.classes_.take(outputs[:, 0] > 0.5, mode="clip"))

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X is wrong.
        """
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of the probabilities. For arguments, shape and errors see `predict_proba`."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return cast(Array, np.log(probabilities, out=probabilities))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
