"""Estimators for scikit-learn: drop-in replacements of its multi-layer perceptrons, trained in compiled C."""

try:
    import sklearn  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError('cbackprop.sklearn needs scikit-learn: pip install "cbackprop[sklearn]".') from error

from cbackprop.sklearn.classifier import MLPClassifier
from cbackprop.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
