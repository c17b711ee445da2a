"""What the three wrappers have in common: the model that is made for each fit, and the data that it is given."""

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
        A compiled model, of which each `fit` trains a copy with new weights; or a function of ``X`` and ``y``, and of
        `model_kwargs`, that returns a compiled model.
    warm_start : bool, default False
        Let `fit` go on with the model of the last one; the first one trains the given model itself.
    model_kwargs : dict, optional
        Further arguments of a function.
    fit_kwargs : dict, optional
        Arguments of the model's `fit`. Those that the wrapper's own `fit` is given count more.
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
        """The same wrapper before any fit, as `sklearn.base.clone` wants it: with a model of its own."""
        model = copy.deepcopy(self.model) if isinstance(self.model, cb.Model) else self.model
        return type(self)(
            model=model,
            warm_start=self.warm_start,
            model_kwargs=copy.copy(self.model_kwargs),
            fit_kwargs=copy.copy(self.fit_kwargs),
        )

    @property
    def epoch_(self) -> int:
        """The number of epochs of the last fit; 0 before."""
        return len(self.history_.epoch) if hasattr(self, "history_") else 0

    def set_fit_request(self, **kwargs: bool | str | None) -> Self:
        """Say which arguments of `fit` scikit-learn's metadata routing is to pass on.

        Parameters
        ----------
        **kwargs : {True, False, None, str}
            For the name of each argument, whether, or under which name, it is asked for.

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
            If the data is wrong, or the model cannot take it.
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
        """Refuse a model that cannot take targets as this wrapper makes them."""

    def _model_for(self, X: Array, y: Array) -> Any:
        """The model that is to be trained."""
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if isinstance(self.model, cb.Model):
            return self.model if self.warm_start else _compiled_clone(self.model)
        return self.model(X=X, y=y, **(self.model_kwargs or {}))

    def _outputs(self, X: Any) -> Array:
        """What the model makes of X."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        outputs: Array = self.model_.predict(X, verbose=0)
        return outputs

    def _learn_targets(self, y: Array) -> Array:
        """The targets as the model is to be given them: with two axes at least."""
        if type_of_target(y) == "unknown":
            raise ValueError(f"Unknown label type for data: {y!r}")
        self._target_ndim = y.ndim
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _as_targets(self, outputs: Array) -> Array:
        """Outputs with as many axes as the targets had."""
        return np.squeeze(outputs, axis=1) if self._target_ndim == 1 and outputs.ndim == 2 else outputs


def _compiled_clone(model: cb.Model) -> cb.Model:
    """The same model with new weights, compiled alike."""
    new = cb.models.clone_model(model)
    optimizer = model.optimizer
    if optimizer is not None:
        settings = copy.deepcopy(model.compile_settings())
        settings["optimizer"] = type(optimizer).from_config(optimizer.get_config())
        new.compile(**settings)
    return new
