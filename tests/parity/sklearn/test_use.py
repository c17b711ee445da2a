"""The estimators in scikit-learn's own machinery."""

import pickle
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingRegressor
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import cbackprop as cb
from cbackprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = scale(load_iris().data), load_iris().target
SETTINGS = {"max_iter": 20, "random_state": 0, "learning_rate_init": 0.01}


def test_pipeline_and_grid_search_in_processes():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**SETTINGS))
    grid = {
        "mlpclassifier__activation": ["relu", ["silu"]],
        "mlpclassifier__solver": ["adam", cb.optimizers.RMSprop(0.01)],
    }
    search = GridSearchCV(pipeline, grid, n_jobs=2, cv=2, error_score="raise").fit(X, Y)
    assert search.best_score_ > 0.8
    one = GridSearchCV(pipeline, grid, cv=2).fit(X, Y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"])


def test_in_threads():
    """Each draws from a generator of its own, so that it does not matter who else is training."""
    expected = [MLPClassifier(dropout=0.3, batch_size=20, max_iter=20, random_state=s).fit(X, Y) for s in range(4)]
    estimators = [clone(estimator) for estimator in expected]
    threads = [threading.Thread(target=e.fit, args=(X, Y)) for e in estimators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(expected, estimators, strict=True):
        assert a.loss_curve_ == b.loss_curve_


def test_cross_validation_and_meta_estimators():
    assert cross_val_score(MLPClassifier(**SETTINGS), X, Y, cv=3).mean() > 0.8
    calibrated = CalibratedClassifierCV(MLPClassifier(**SETTINGS), cv=2).fit(X, Y)
    assert calibrated.predict_proba(X).shape == (150, 3)
    assert MultiOutputClassifier(MLPClassifier(**SETTINGS)).fit(X, np.c_[Y, Y > 0]).predict(X).shape == (150, 2)
    x, y = load_diabetes(return_X_y=True)
    regressor = TransformedTargetRegressor(MLPRegressor(**SETTINGS), transformer=StandardScaler())
    assert regressor.fit(scale(x), y).score(scale(x), y) > 0.4
    assert BaggingRegressor(MLPRegressor(**SETTINGS), 2, n_jobs=2, random_state=0).fit(x, y).predict(x).shape == (442,)
    importance = permutation_importance(MLPClassifier(**SETTINGS).fit(X, Y), X, Y, n_repeats=2, random_state=0)
    assert importance.importances_mean.max() > 0.1


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_copies(kind, tmp_path):
    a = kind(dropout=0.1, solver=cb.optimizers.Adam(0.01), callbacks=[cb.callbacks.TerminateOnNaN()], max_iter=5)
    a.fit(X, Y)
    fresh = clone(a)
    assert not hasattr(fresh, "model_")
    assert repr(fresh.solver) == repr(a.solver)
    assert fresh.solver is not a.solver
    joblib.dump(a, tmp_path / "file")
    for b in (pickle.loads(pickle.dumps(a)), joblib.load(tmp_path / "file"), joblib.load(tmp_path / "file", "r")):
        np.testing.assert_array_equal(a.predict(X), b.predict(X))
        assert b.loss_curve_ == a.loss_curve_
        b.partial_fit(X, Y)
        assert b.t_ == a.t_ + 150
    assert [type(w) for w in pickle.loads(pickle.dumps(a.coefs_))] == [np.ndarray, np.ndarray]


def test_names_of_features():
    frame = pd.DataFrame(X, columns=list("abcd"))
    a = MLPClassifier(**SETTINGS).fit(frame, Y)
    assert a.feature_names_in_.tolist() == list("abcd")
    np.testing.assert_array_equal(a.predict(frame), a.predict(frame.copy()))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        a.predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        a.predict(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="feature names should match"):
        a.fit(frame, Y, X_val=frame.rename(columns={"a": "z"}), y_val=Y)


def test_metadata_routing():
    with config_context(enable_metadata_routing=True):
        a = MLPClassifier(**SETTINGS).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        weight = np.random.RandomState(0).uniform(0.5, 1, 150)
        search = GridSearchCV(a, {"alpha": [0.1, 1e-4]}, cv=2).fit(X, Y, sample_weight=weight)
        assert search.best_score_ > 0.5
        assert "sample_weight" in a.get_metadata_routing().fit.requests
        assert (
            "sample_weight" in a.set_partial_fit_request(sample_weight=True).get_metadata_routing().partial_fit.requests
        )


def test_one_row_is_predicted_without_detours(monkeypatch):
    a = MLPClassifier(**SETTINGS).fit(X, Y)
    expected = a.predict(X)

    def refuse(*args, **kwargs):
        raise AssertionError("checked by scikit-learn")

    monkeypatch.setattr("cbackprop.sklearn.base.validate_data", refuse)
    assert a.predict(X[7:8]) == expected[7]
    np.testing.assert_array_equal(a.predict(X), expected)
