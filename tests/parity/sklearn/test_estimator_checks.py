"""scikit-learn's own checks of an estimator."""

import pytest
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from cbackprop.sklearn import MLPClassifier, MLPRegressor

# The settings that scikit-learn gives its own two in these checks.
ESTIMATORS = [MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(ESTIMATORS)
def test_check(estimator, check):
    check(estimator)
