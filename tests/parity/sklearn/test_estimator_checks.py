"""scikit-learn's own checks of an estimator."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from cbackprop.sklearn import MLPClassifier, MLPRegressor

# They are of no use here, and skip themselves: SciPy's array API is off, and there is no decision_function.
OUT_OF_PLACE = ("check_array_api_input", "check_classifiers_multilabel_output_format_decision_function")

CHECKS = [
    (estimator, check)
    for kind in (MLPClassifier, MLPRegressor)
    for estimator, check in estimator_checks_generator(kind(max_iter=100))  # as scikit-learn checks its own two
    if check.func.__name__ not in OUT_OF_PLACE
]


def name_of(value):
    return getattr(value, "func", type(value)).__name__


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=name_of)
def test_check(estimator, check):
    check(estimator)
