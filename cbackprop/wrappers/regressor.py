"""SKLearnRegressor: wrap a model as a regressor."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin

from cbackprop.wrappers.base import Array, ModelWrapper

__all__ = ["SKLearnRegressor"]


class SKLearnRegressor(RegressorMixin, ModelWrapper):
    """Wrap a model as a regressor for scikit-learn.

    Parameters
    ----------
    model : Model or callable
        A compiled model; each `fit` trains a copy of it with new weights. Or a function of ``X`` and ``y`` (with two
        axes), and of `model_kwargs`, that returns a compiled model.
    warm_start : bool, default False
        Let `fit` continue with the model of the last fit. The first fit then trains the given model itself.
    model_kwargs : dict, optional
        Further arguments of the function.
    fit_kwargs : dict, optional
        Arguments of the model's `fit`. Arguments of the regressor's own `fit` take precedence.

    Attributes
    ----------
    model_ : Model
        The trained model.
    history_ : History
        Losses and metrics of the last fit.

    Raises
    ------
    RuntimeError
        In `fit`, if the model is not compiled or has no loss.
    TypeError, ValueError
        In `fit`, if the data is wrong.

    References
    ----------
    Names, arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = make_regression(200, 5, random_state=0)
    >>> model = cb.Sequential([cb.Input((5,)), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.Adam(1.0), "mse")
    >>> regressor = cb.wrappers.SKLearnRegressor(model, fit_kwargs={"epochs": 100, "verbose": 0})
    >>> bool(make_pipeline(StandardScaler(), regressor).fit(X, y).score(X, y) > 0.99)
    True
    """

    def predict(self, X: Any) -> Array:
        """The predicted numbers.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)

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
        return self._as_targets(self._outputs(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
