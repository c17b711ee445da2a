"""Wrap any model as an estimator for scikit-learn: a classifier, regressor or transformer."""

try:
    import sklearn  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError('cbackprop.wrappers needs scikit-learn: pip install "cbackprop[sklearn]".') from error

from cbackprop.wrappers.classifier import SKLearnClassifier
from cbackprop.wrappers.regressor import SKLearnRegressor
from cbackprop.wrappers.transformer import SKLearnTransformer

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]
