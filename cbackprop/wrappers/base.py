"""ModelWrapper: base of the three wrappers. It makes the model of each fit and prepares the data."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

import cbackprop as cb

__all__ = ["ModelWrapper"]

Array = NDArray[Any]


class ModelWrapper(BaseEstimator):
    """Base of the wrappers of models.

    Parameters
    ----------
    model : Model or callable
        A compiled model; each `fit` trains a copy of it with new weights. Or a function of ``X`` and ``y``, and of
        `model_kwargs`, that returns a compiled model.
    warm_start : bool, default False
        Let `fit` continue with the model of the last fit. The first fit then trains the given model itself.
    model_kwargs : dict, optional
        Further arguments of the function.
    fit_kwargs : dict, optional
        Arguments of the model's `fit`. Arguments of the wrapper's own `fit` take precedence.
    """

    _takes_several: ClassVar[bool] = True  # whether y may have several columns
    model_: cb.Model
    history_: cb.callbacks.History

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def __sklearn_clone__(self) -> Self:
        """An unfitted copy with its own model, for `sklearn.base.clone`."""
        model = copy.deepcopy(self.model) if isinstance(self.model, cb.Model) else self.model
        return type(self)(
            model=model,
            warm_start=self.warm_start,
            model_kwargs=copy.copy(self.model_kwargs),
            fit_kwargs=copy.copy(self.fit_kwargs),
        )

    @property
    def epoch_(self) -> int:
        """The number of epochs of the last fit; 0 before the first."""
        return len(self.history_.epoch) if hasattr(self, "history_") else 0

    def set_fit_request(self, **kwargs: bool | str | None) -> Self:
        """Set which arguments of `fit` scikit-learn's metadata routing passes on.

        Parameters
        ----------
        **kwargs : {True, False, None, str}
            For each argument, whether it is requested, or the name under which it is.

        Returns
        -------
        self

        Raises
        ------
        RuntimeError
            If metadata routing is not enabled.
        """
        if not sklearn.get_config().get("enable_metadata_routing", False):
            raise RuntimeError(
                "set_fit_request needs metadata routing: call sklearn.set_config(enable_metadata_routing=True) first."
            )
        self._metadata_request = MetadataRequest(owner=type(self).__name__)
        for name, alias in kwargs.items():
            self._metadata_request.fit.add_request(param=name, alias=alias)
        return self

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Self:
        """Train the model.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,) or (n_samples, n_outputs)
        **kwargs
            Arguments of the model's `fit`.

        Returns
        -------
        self

        Raises
        ------
        RuntimeError
            If the model is not compiled, or has no loss.
        TypeError, ValueError
            If the data is wrong or does not match the model.
        """
        X, y = validate_data(self, X, y, multi_output=self._takes_several)
        y = self._learn_targets(column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y)
        model = self._model_for(X, y)
        if not getattr(model, "compiled", False) or not model.loss or model.optimizer is None:
            raise RuntimeError("Given model needs to be compiled, and have a loss and an optimizer.")
        self._check_model(model, y)
        self.history_ = model.fit(X, y, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def _check_model(self, model: Any, y: Array) -> None:
        """Refuse a model that does not accept the targets of this wrapper."""

    def _model_for(self, X: Array, y: Array) -> Any:
        """The model to train."""
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if isinstance(self.model, cb.Model):
            return self.model if self.warm_start else _compiled_clone(self.model)
        return self.model(X=X, y=y, **(self.model_kwargs or {}))

    def _outputs(self, X: Any) -> Array:
        """The model's outputs for X."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        outputs: Array = self.model_.predict(X, verbose=0)
        return outputs

    def _learn_targets(self, y: Array) -> Array:
        """The targets in the form for the model, with at least two axes."""
        if type_of_target(y) == "unknown":
            raise ValueError(f"Unknown label type for data: {y!r}")
        self._target_ndim = y.ndim
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _as_targets(self, outputs: Array) -> Array:
        """The outputs with as many axes as the targets had."""
        return np.squeeze(outputs, axis=1) if self._target_ndim == 1 and outputs.ndim == 2 else outputs


def _compiled_clone(model: cb.Model) -> cb.Model:
    """A copy of the model with new weights, compiled with the same arguments."""
    new = cb.models.clone_model(model)
    optimizer = model.optimizer
    if optimizer is not None:
        settings = copy.deepcopy(model.compile_settings())
        settings["optimizer"] = type(optimizer).from_config(optimizer.get_config())
        new.compile(**settings)
    return new
