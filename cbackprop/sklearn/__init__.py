"""Estimators of scikit-learn, trained by compiled C: drop-in replacements of its own multi-layer perceptrons."""

try:
    import sklearn  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError('cbackprop.sklearn needs scikit-learn: pip install "cbackprop[sklearn]".') from error

from cbackprop.sklearn.classifier import MLPClassifier
from cbackprop.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
