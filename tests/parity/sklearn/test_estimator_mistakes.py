"""Mistakes are reported before anything has changed."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

import cbackprop as cb
from cbackprop.sklearn import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)

PARAMETERS = [
    ("hidden_layer_sizes", -1, "hidden_layer_sizes"),
    ("hidden_layer_sizes", (3, 0), "hidden_layer_sizes must be integers > 0, got"),
    ("hidden_layer_sizes", (3, 1.5), "hidden_layer_sizes must be integers > 0, got"),
    ("activation", "relo", "'activation' parameter of MLP.*relu"),
    ("activation", ["relu", "relu"], "activation must be one for all hidden layers, or 1 of them"),
    ("activation", 3, "'activation' parameter"),
    ("activation", np.tanh, "'activation' parameter"),
    ("solver", "adm", "'solver' parameter of MLP.*adam"),
    ("solver", None, "'solver' parameter"),
    ("alpha", -1, "'alpha' parameter"),
    ("batch_size", 0, "'batch_size' parameter"),
    ("batch_size", "all", "'batch_size' parameter"),
    ("learning_rate", "slow", "'learning_rate' parameter"),
    ("learning_rate_init", 0, "'learning_rate_init' parameter"),
    ("power_t", -1, "'power_t' parameter"),
    ("max_iter", 0, "'max_iter' parameter"),
    ("shuffle", "yes", "'shuffle' parameter"),
    ("random_state", -1, "'random_state' parameter"),
    ("tol", -1, "'tol' parameter"),
    ("warm_start", "no", "'warm_start' parameter"),
    ("momentum", 2, "'momentum' parameter"),
    ("nesterovs_momentum", None, "'nesterovs_momentum' parameter"),
    ("early_stopping", None, "'early_stopping' parameter"),
    ("validation_fraction", 1, "'validation_fraction' parameter"),
    ("beta_1", 1, "'beta_1' parameter"),
    ("beta_2", 1, "'beta_2' parameter"),
    ("epsilon", 0, "'epsilon' parameter"),
    ("n_iter_no_change", 0, "'n_iter_no_change' parameter"),
    ("max_fun", 0, "'max_fun' parameter"),
    ("loss", "squared", "'loss' parameter"),
    ("loss", 3, "'loss' parameter"),
    ("dropout", 1.0, "'dropout' parameter"),
    ("dropout", [0.1, 0.2], "dropout must be one for all hidden layers, or 1 of them"),
    ("dropout", [-0.5], r"'dropout' parameter must hold numbers in \[0, 1\)"),
    ("dropout", ["a"], "'dropout' parameter"),
    ("batch_normalization", 1.5, "'batch_normalization' parameter"),
    ("callbacks", "stop", "'callbacks' parameter"),
    ("callbacks", [3], "callbacks must hold Callback objects"),
    ("restore_best_weights", "best", "'restore_best_weights' parameter"),
    ("n_threads", 0, "'n_threads' parameter"),
]


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(("name", "value", "message"), PARAMETERS)
def test_parameters(kind, name, value, message):
    estimator = kind(**{name: value})
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.fit(X, Y)
    assert not hasattr(estimator, "loss_")


def test_a_bad_refit_keeps_the_model():
    a = MLPClassifier(max_iter=2, warm_start=True)
    with pytest.warns(ConvergenceWarning):
        a.fit(X, Y)
    before = a.predict_proba(X)
    for settings in ({"activation": "relo"}, {"solver": "adm"}, {"loss": "x"}, {"hidden_layer_sizes": (7,)}):
        changed = a.get_params() | settings
        with pytest.raises(ValueError, match=r"parameter|the same features and hidden layers"):
            MLPClassifier.set_params(a, **changed).fit(X, Y)
        np.testing.assert_array_equal(a.predict_proba(X), before)
        a.set_params(activation="relu", solver="adam", loss="log_loss", hidden_layer_sizes=(100,))


def test_class_weight():
    with pytest.raises(InvalidParameterError, match="'class_weight' parameter"):
        MLPClassifier(class_weight="even").fit(X, Y)
    with pytest.raises(ValueError, match="not supported for partial_fit"):
        MLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X_val": X}, "given together"),
        ({"y_val": Y}, "given together"),
        ({"sample_weight_val": Y}, "without X_val"),
        ({"X_val": X[:, :2], "y_val": Y}, "2 features"),
        ({"X_val": X, "y_val": Y[:5]}, "inconsistent numbers of samples"),
        ({"X_val": X, "y_val": Y + 1}, "classes not in"),
        ({"X_val": X * np.nan, "y_val": Y}, "NaN"),
        ({"sample_weight": -np.ones(150)}, "Negative values in data"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
        ({"X_val": X, "y_val": Y, "sample_weight_val": np.ones(3)}, "sample_weight"),
    ],
)
def test_data(arguments, message):
    a = MLPClassifier()
    with pytest.raises(ValueError, match=message):
        a.fit(X, Y, **arguments)
    assert not hasattr(a, "model_")


def test_predicting():
    a = MLPRegressor(max_iter=1)
    with pytest.raises(NotFittedError):
        a.predict(X)
    with pytest.raises(AttributeError, match="model_"):
        _ = a.coefs_
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(1\) reached"):
        a.fit(X, Y)
    for x, message in (
        (X[:, :3], "3 features"),
        (X[0], "Expected 2D array"),
        (np.full((1, 4), np.nan), "NaN"),
        (np.full((1, 4), np.inf), "infinity"),
        (np.empty((0, 4)), "0 sample"),
        (np.array([["a"] * 4]), "could not convert"),
    ):
        with pytest.raises(ValueError, match=message):
            a.predict(x)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classes():
    a = MLPClassifier(max_iter=1)
    with pytest.raises(ValueError, match="classes must be passed"):
        a.partial_fit(X, Y)
    with pytest.raises(ValueError, match="Unknown label type"):
        a.fit(X, Y + 0.5)
    a.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="classes not in"):
        a.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="warm_start can only be used"):
        a.set_params(warm_start=True).fit(X, np.minimum(Y, 1))
    with pytest.warns(DataConversionWarning):
        MLPClassifier(max_iter=1).fit(X, Y[:, None])


def test_solvers_without_batches():
    for solver in ("lbfgs", cb.optimizers.LBFGS(), cb.optimizers.LevenbergMarquardt(), "levenberg_marquardt"):
        assert not hasattr(MLPClassifier(solver=solver), "partial_fit")
    assert hasattr(MLPClassifier(solver="adm"), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        MLPClassifier(solver="lbfgs").partial_fit(X, Y)
    with pytest.raises(ValueError, match="early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="regularizer"):
        MLPRegressor(solver="levenberg_marquardt", loss="mse").fit(X, Y)
    for settings, words in (({"max_iter": 3}, "max_iter"), ({"max_fun": 3}, "max_fun")):
        with pytest.warns(ConvergenceWarning, match=f"lbfgs failed to converge after .*{words}"):
            a = MLPRegressor(solver="lbfgs", **settings).fit(X, Y)
        assert a.n_iter_ <= 3
    MLPClassifier(solver="lbfgs", alpha=10, hidden_layer_sizes=()).fit(X, Y)


def test_small_data():
    with pytest.raises(ValueError, match="validation set is too small"):
        MLPClassifier(early_stopping=True).fit(X[48:53], Y[48:53] * 0)
    with pytest.warns(ConvergenceWarning):
        assert MLPClassifier(max_iter=1).fit(X[:1], Y[:1]).predict(X[:3]).tolist() == [0, 0, 0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_that_overflow():
    a = MLPRegressor(solver="sgd", learning_rate_init=1e300, max_iter=3)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        a.fit(X, Y)


def test_counts_are_not_negative():
    with pytest.raises(ValueError, match=r"y|must be"):
        MLPRegressor(loss="poisson").fit(X, Y - 1.0)
