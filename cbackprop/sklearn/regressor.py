"""MLPRegressor: scikit-learn's regressor, trained in compiled C."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils.metaestimators import available_if

import cbackprop as cb
from cbackprop.sklearn.base import BaseMLP, trains_in_batches
from cbackprop.sklearn.losses import own_loss, reduced
from cbackprop.sklearn.samples import Objective
from cbackprop.sklearn.scores import r2

__all__ = ["MLPRegressor"]

Array = NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron that minimizes the squared error: scikit-learn's regressor, trained in compiled C.

    Parameters and attributes are those of ``sklearn.neural_network.MLPRegressor``, with the same defaults and meaning,
    and the same weights lead to the same step. The parameters after `max_fun` are additional.

    Parameters
    ----------
    loss : str, Loss or callable, default "squared_error"
        ``"squared_error"``: half of the squared error. ``"poisson"``: half of the Poisson deviance of counts, whose
        logarithm the network predicts. Also any loss of `cbackprop.losses`, such as ``"huber"``, and functions that
        `compile` accepts.
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
        Monitor R2 on validation data instead of the loss, and end with the weights of the best epoch.
        Solvers that use all samples in each step do not hold out a fraction: give validation data to `fit`.
    validation_fraction : float, default 0.1
        The fraction of the samples to hold out for it, unless `fit` is given validation data.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-8
        Parameters of Adam.
    n_iter_no_change : int, default 10
    max_fun : int, default 15000
        The maximum number of evaluations of the loss by L-BFGS.
    dropout : float or sequence of float, default 0.0
        The fraction of outputs to drop in training, for all hidden layers or one for each.
    batch_normalization : bool, default False
        Whether to normalize the input of each hidden layer's activation.
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
    loss_ : float
        The loss of the last epoch.
    best_loss_ : float or None
        The lowest loss; ``None`` with `early_stopping`.
    loss_curve_ : list of float
        The loss of each epoch.
    validation_scores_ : list of float or None
        R2 on validation data after each epoch, if there is any.
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
        ``"identity"``, or ``"exp"`` for Poisson.

    Notes
    -----
    If X is float32, training and predictions are in float32; anything else is converted to float64. float32 is faster
    if it is precise enough. For the same `random_state`, initial weights and the split are those of scikit-learn; the
    order of samples is not.

    For several outputs this class, like scikit-learn, reports the mean of their squared errors but uses the gradient of
    the sum. L-BFGS minimizes the sum.

    References
    ----------
    Parameters are those of scikit-learn 1.7 and later. Kingma and Ba, "Adam: a method for stochastic optimization",
    ICLR 2015. Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from cbackprop.sklearn import MLPRegressor
    >>> X, y = make_friedman1(500, random_state=0)
    >>> regressor = MLPRegressor("huber", (32, 16), ["silu", "tanh"], early_stopping=True, random_state=0)
    >>> regressor.set_params(batch_size=32, learning_rate_init=0.01).fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.9
    True
    """

    _is_regressor = True

    def __init__(
        self,
        loss: Any = "squared_error",
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
        dropout: Any = 0.0,
        batch_normalization: bool = False,
        callbacks: Any = None,
        restore_best_weights: bool = False,
        n_threads: int | None = None,
    ) -> None:
        self._keep(locals())

    # Objective

    def _encode(self, y: Array, dtype: Any) -> Array:
        return np.ascontiguousarray(y.reshape(len(y), -1), dtype=dtype)

    def _output(self, targets: Array) -> tuple[int, str]:
        return targets.shape[1], "exp" if self.loss == "poisson" else "identity"

    def _objective(self, targets: Array, weight: Array | None) -> Objective:
        outputs = targets.shape[1]
        if self.loss == "squared_error":
            loss = reduced(cb.losses.MeanSquaredError())
            if outputs == 1:
                return Objective(loss, 0.5)
            errors = cb.metrics.MeanSquaredError(name="squared_error", dtype="float64")
            return Objective(
                loss, outputs / 2, (errors,), lambda logs: logs["loss"] - (outputs - 1) / 2 * logs["squared_error"]
            )
        if self.loss == "poisson":
            constant = float(np.average(xlogy(targets, targets) - targets, axis=0, weights=weight).sum())
            return Objective(reduced(cb.losses.Poisson()), float(outputs), shown=lambda logs: logs["loss"] + constant)
        return Objective(self._named("loss", lambda: own_loss(self.loss)))

    def _score_of(self, targets: Array, outputs: Array, weight: Array | None) -> float:
        return r2(targets, outputs, weight)

    # Training in parts, and predicting

    @available_if(trains_in_batches)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on the given samples. The next call continues from there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

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
        return self._fit(X, y, sample_weight, None, incremental=True)

    def predict(self, X: Any) -> Array:
        """The predicted numbers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X is wrong.
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
