"""BaseMLP: parameters, fitted attributes and training that MLPClassifier and MLPRegressor share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, InvalidParameterError, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

import cbackprop as cb
from cbackprop.optimizers.schedules import LearningRateSchedule
from cbackprop.sklearn.network import Weights, build_model, dense_layers, draw_weights, for_each_layer
from cbackprop.sklearn.optimizer import is_full_batch, make_optimizer
from cbackprop.sklearn.samples import Objective, Samples, split
from cbackprop.sklearn.training import train

__all__ = ["BaseMLP", "trains_in_batches"]

Array = NDArray[Any]


def trains_in_batches(estimator: BaseMLP) -> bool:
    """Return True if there is a `partial_fit`; otherwise raise an AttributeError that says why not."""
    if is_full_batch(estimator.solver):
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator.solver} is not stochastic."
        )
    return True


class BaseMLP(BaseEstimator, ABC):
    """Base of `MLPClassifier` and `MLPRegressor`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, callable, "array-like"],
        "solver": [str, cb.Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), LearningRateSchedule],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "loss": [str, cb.Loss, callable],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "batch_normalization": ["boolean"],
        "callbacks": [None, cb.Callback, list, tuple],
        "restore_best_weights": ["boolean"],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
    }

    _is_regressor: ClassVar[bool]
    hidden_layer_sizes: Any
    activation: Any
    solver: Any
    alpha: float
    batch_size: Any
    learning_rate: Any
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: Any
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    loss: Any
    dropout: Any
    batch_normalization: bool
    callbacks: Any
    restore_best_weights: bool
    n_threads: int | None

    model_: cb.Sequential
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_loss_: float | None
    best_validation_score_: float | None

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Store the arguments of `__init__` unchanged under their own names."""
        self.__dict__.update((name, value) for name, value in arguments.items() if name != "self")

    # Methods that differ between the two estimators

    def _learn_classes(self, y: Array, incremental: bool) -> None:
        """Find the classes, or check that they are the same as before."""

    def _check_classes(self, y: Array) -> None:
        """Refuse unknown classes."""

    @abstractmethod
    def _encode(self, y: Array, dtype: Any) -> Array:
        """The targets of the network: (n, outputs), or class numbers (n,)."""

    @abstractmethod
    def _objective(self, targets: Array, weight: Array | None) -> Objective:
        """The loss."""

    @abstractmethod
    def _output(self, targets: Array) -> tuple[int, str]:
        """The number of outputs and the name of their activation."""

    @abstractmethod
    def _score_of(self, targets: Array, outputs: Array, weight: Array | None) -> float:
        """The score of finite outputs."""

    # Fitted attributes

    @property
    def coefs_(self) -> Weights:
        """The weights of each layer, (inputs, outputs). Writing to these arrays changes the model."""
        return Weights(layer.kernel for layer in dense_layers(self.model_))

    @coefs_.setter
    def coefs_(self, value: Any) -> None:
        self.coefs_[:] = value

    @property
    def intercepts_(self) -> Weights:
        """The biases of each layer. Writing to these arrays changes the model."""
        return Weights(layer.bias for layer in dense_layers(self.model_))

    @intercepts_.setter
    def intercepts_(self, value: Any) -> None:
        self.intercepts_[:] = value

    # Training

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 is used directly; anything else is converted to float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, an indicator matrix for several labels, or numbers.
        sample_weight : array-like of shape (n_samples,), optional
        X_val, y_val, sample_weight_val : like X, y and sample_weight, optional
            Validation data. Its score is added to `validation_scores_` after each epoch (or step, of a solver that uses
            all samples). With ``early_stopping=True`` it replaces the fraction of the samples that would be held out.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data is wrong.
        """
        validation = None
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together, but got only one of them.")
        if X_val is not None:
            validation = X_val, y_val, sample_weight_val
        elif sample_weight_val is not None:
            raise ValueError("sample_weight_val was given without X_val and y_val.")
        return self._fit(X, y, sample_weight, validation, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: Any, incremental: bool) -> Self:
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "model_") or not (self.warm_start or incremental)
        samples = self._check_samples(X, y, sample_weight, incremental, reset=first)
        held_out = None if validation is None else self._check_validation(*validation)
        self._random_state = check_random_state(self.random_state)
        if first or not incremental or self._looks_at_all():
            self._prepare(samples, fresh=first)
        if self.early_stopping and held_out is None and not self._looks_at_all():
            stratify = None if self._is_regressor or self.n_outputs_ > 1 else samples.y.astype(bool)
            samples, held_out = split(samples, self.validation_fraction, self._random_state, stratify)
        train(self, samples, held_out, None if incremental else self.max_iter)
        if not all(np.isfinite(weight).all() for weight in self.model_.get_weights()):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )
        return self

    def _looks_at_all(self) -> bool:
        """Whether the model was compiled with an optimizer that uses all samples in each step."""
        return isinstance(self.model_.optimizer, cb.optimizers.FullBatchOptimizer)

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        """Check the data: return finite inputs of float32 or float64, and labels or numbers (n,) or (n, outputs)."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=self._is_regressor,
            dtype=(np.float64, np.float32),
            order="C",
            reset=reset,
        )
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _check_samples(self, X: Any, y: Any, sample_weight: Any, incremental: bool, reset: bool) -> Samples:
        X, y = self._check_data(X, y, reset)
        self._learn_classes(y, incremental)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return Samples(X, self._encode(y, X.dtype), self._with_class_weight(y, weight, incremental), weight)

    def _with_class_weight(self, y: Array, weight: Array | None, incremental: bool) -> Array | None:
        """The sample weights, multiplied by class weights if there are any."""
        return weight

    def _check_validation(self, X: Any, y: Any, sample_weight: Any) -> Samples:
        X, y = self._check_data(X, y, reset=False)
        self._check_classes(y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return Samples(X, self._encode(y, X.dtype), weight, weight)

    def _prepare(self, samples: Samples, fresh: bool) -> None:
        """Make a model with new weights, or with those of the last model, and a new optimizer."""
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist()
        if any(not isinstance(size, int) or size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be integers > 0, got {sizes}.")
        self.n_outputs_, self.out_activation_ = self._output(samples.y)
        units = [samples.x.shape[1], *sizes, self.n_outputs_]
        activations = for_each_layer("activation", self.activation, len(sizes))
        last = activations[-1] if activations else self.activation
        weights = list(draw_weights(self._random_state, units, activations, last)) if fresh else []
        model = self._build(units, activations, samples.x.dtype.name)
        if fresh:
            for layer, both in zip(dense_layers(model), weights, strict=True):
                layer.set_weights(both)
            self.n_layers_ = len(units)
            self.t_ = 0
        else:
            self._take_over_weights(model)
        optimizer = self._named("solver", lambda: make_optimizer(self))
        objective = self._objective(samples.y, samples.weight)
        self._named(
            "loss",
            lambda: model.compile(
                optimizer,
                objective.loss,
                loss_weights=[objective.loss_weight],
                weighted_metrics=list(objective.weighted_metrics) or None,
            ),
        )
        self.model_ = model
        if not self._looks_at_all() and (fresh or not hasattr(self, "loss_curve_")):
            self._start_records()

    def _take_over_weights(self, model: cb.Sequential) -> None:
        """Copy the weights of the last model to the new one."""
        shapes, known = ([weight.shape for weight in m.get_weights()] for m in (model, self.model_))
        if shapes != known:
            raise ValueError(
                "Training can continue only with the same features and hidden layers: weights had the shapes "
                f"{known}, but now need {shapes}."
            )
        model.set_weights(self.model_.get_weights())

    def _build(self, units: list[int], activations: list[Any], dtype: str) -> cb.Sequential:
        """Build the network with weights of zeros."""
        dropout = for_each_layer("dropout", self.dropout, len(activations))
        if any(not isinstance(rate, Real) or not 0 <= float(rate) < 1 for rate in dropout):
            raise InvalidParameterError(f"The 'dropout' parameter must hold numbers in [0, 1), but got {dropout}.")
        # Without dropout no random number is drawn here, so that the split is the same as in scikit-learn.
        seed = self._random_state.randint(2**31) if any(dropout) else 0
        with cb.utils.seeded(int(seed)):
            return self._named(
                "activation",
                lambda: build_model(
                    units,
                    activations,
                    self.out_activation_,
                    dropout,
                    self.batch_normalization,
                    float(self.alpha),
                    dtype,
                ),
            )

    def _named(self, parameter: str, make: Callable[[], Any]) -> Any:
        """Call `make`, and add the name of the parameter to the message of its errors."""
        try:
            return make()
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(f"The {parameter!r} parameter of {type(self).__name__}: {error}") from error

    def _start_records(self) -> None:
        """Start with empty lists of losses and scores."""
        self.loss_curve_ = []
        self._no_improvement_count = 0
        self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_scores_ = None
        self.best_validation_score_ = None

    def _threads(self) -> AbstractContextManager[None]:
        return nullcontext() if self.n_threads is None else cb.config.num_threads(self.n_threads)

    # Predicting

    def _outputs(self, X: Any) -> Array:
        """The network's outputs for X: (n_samples, n_outputs)."""
        if "model_" not in self.__dict__:
            check_is_fitted(self)
        model = self.model_
        if (
            type(X) is np.ndarray
            and X.dtype == model.dtype
            and X.shape[1:] == (self.n_features_in_,)
            and X.flags.c_contiguous
            and len(X)
            and not hasattr(self, "feature_names_in_")
        ):
            try:
                return self._predict_as_it_is(X)
            except ValueError:
                pass  # scikit-learn's checks below raise the error in its own words
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=model.dtype, order="C", reset=False)
        return self._predict_as_it_is(X)

    def _predict_as_it_is(self, X: Any) -> Array:
        if self.n_threads is None:
            return self.model_.predict_on_batch(X)
        with self._threads():
            return self.model_.predict_on_batch(X)

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
