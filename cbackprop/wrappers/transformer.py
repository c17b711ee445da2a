"""SKLearnTransformer: wrap a model as a transformer."""

from __future__ import annotations

from typing import Any

from sklearn.base import TransformerMixin

from cbackprop.wrappers.base import Array, ModelWrapper

__all__ = ["SKLearnTransformer"]


class SKLearnTransformer(TransformerMixin, ModelWrapper):
    """Wrap a model as a transformer for scikit-learn: its outputs are the inputs of the next step of a pipeline.

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
        Arguments of the model's `fit`. Arguments of the transformer's own `fit` take precedence.

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
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = load_iris(return_X_y=True)
    >>> model = cb.Sequential([cb.Input((4,)), cb.layers.Dense(8, "tanh"), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.Adam(0.01), "mse")
    >>> transformer = cb.wrappers.SKLearnTransformer(model, fit_kwargs={"epochs": 50, "verbose": 0})
    >>> pipeline = make_pipeline(transformer, LogisticRegression()).fit(X, y)
    >>> pipeline[0].transform(X).shape
    (150, 1)
    """

    def transform(self, X: Any) -> Array:
        """The model's outputs.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X is wrong.
        """
        return self._outputs(X)

    def predict(self, X: Any) -> Array:
        """The model's outputs with as many axes as the targets had. For arguments and errors see `transform`."""
        return self._as_targets(self._outputs(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
