"""From the same first weights come the same numbers as from scikit-learn's own estimators."""

import inspect
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn import neural_network as theirs
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.preprocessing import scale

from cbackprop import sklearn as ours
from cbackprop.sklearn.scores import accuracy, r2

pytestmark = pytest.mark.filterwarnings("ignore")

KINDS = ("MLPClassifier", "MLPRegressor")


def iris():
    return load_iris(return_X_y=True)


def two_classes():
    x, y = load_iris(return_X_y=True)
    return x[50:], np.array(["no", "yes"])[y[50:] - 1]


def labels():
    return make_multilabel_classification(120, 6, n_classes=4, random_state=0)


def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return x[:180], y[:180] / 100


def outputs():
    x, y = diabetes()
    return x, np.c_[y, -y, x[:, 0]]


def counts():
    x, _ = diabetes()
    return scale(x), np.random.RandomState(0).poisson(np.exp(3 * x[:, 2]))


# Each with fewer samples than 200, a batch, or in the order of the data: theirs and ours shuffle by different rules.
CASES = [
    ("MLPClassifier", iris, {}),
    ("MLPClassifier", iris, {"activation": "logistic", "hidden_layer_sizes": (7, 5)}),
    ("MLPClassifier", iris, {"activation": "tanh", "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3}),
    ("MLPClassifier", iris, {"solver": "sgd"}),
    ("MLPClassifier", iris, {"solver": "sgd", "momentum": 0.5, "nesterovs_momentum": False}),
    ("MLPClassifier", iris, {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1}),
    ("MLPClassifier", iris, {"solver": "sgd", "learning_rate": "adaptive", "tol": 1e-2}),
    ("MLPClassifier", iris, {"shuffle": False, "batch_size": 40, "alpha": 3.0}),
    ("MLPClassifier", iris, {"shuffle": False, "batch_size": 40, "early_stopping": True}),
    ("MLPClassifier", two_classes, {"early_stopping": True, "validation_fraction": 0.3, "learning_rate_init": 0.01}),
    ("MLPClassifier", two_classes, {"hidden_layer_sizes": 3, "activation": "identity", "n_iter_no_change": 3}),
    ("MLPClassifier", labels, {"alpha": 1.0}),
    ("MLPClassifier", labels, {"early_stopping": True, "learning_rate_init": 0.01}),
    ("MLPRegressor", diabetes, {"alpha": 2.0}),
    ("MLPRegressor", diabetes, {"early_stopping": True, "learning_rate_init": 0.02}),
    ("MLPRegressor", diabetes, {"n_iter_no_change": np.inf, "hidden_layer_sizes": ()}),
    ("MLPRegressor", outputs, {"shuffle": False, "batch_size": 50}),
    ("MLPRegressor", outputs, {"early_stopping": True, "learning_rate_init": 0.02}),
]


def pair(kind, settings, **more):
    settings = {"random_state": 3, "max_iter": 60} | settings
    return [getattr(library, kind)(**settings, **more) for library in (ours, theirs)]


def assert_same(a, b, x, rtol=1e-7):
    assert (a.n_iter_, a.t_, a.n_layers_, a.n_outputs_, a.out_activation_) == (
        b.n_iter_,
        b.t_,
        b.n_layers_,
        b.n_outputs_,
        b.out_activation_,
    )
    for mine, other in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=1e-9)
    np.testing.assert_array_equal(a.predict(x), b.predict(x)) if hasattr(a, "classes_") else None
    method = "predict_proba" if hasattr(a, "classes_") else "predict"
    np.testing.assert_allclose(getattr(a, method)(x), getattr(b, method)(x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(("kind", "data", "settings"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_fit(kind, data, settings, weighted):
    x, y = data()
    weight = np.random.RandomState(1).uniform(0.1, 2, len(x)) if weighted else None
    a, b = (estimator.fit(x, y, weight) for estimator in pair(kind, settings))
    assert_same(a, b, x)
    # With weights and several outputs, theirs is the mean over batches of weighted means, ours that over samples.
    rtol = 2e-2 if weighted and a.n_outputs_ > 1 and kind == "MLPRegressor" else 1e-7
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=rtol)
    for name in ("loss_", "best_loss_", "best_validation_score_", "validation_scores_"):
        mine, other = getattr(a, name), getattr(b, name)
        assert (mine is None) == (other is None)
        if mine is not None:
            np.testing.assert_allclose(mine, other, rtol=rtol, err_msg=name)
    assert a.score(x, y) == pytest.approx(b.score(x, y), abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_float32(kind):
    x, y = iris() if kind == "MLPClassifier" else diabetes()
    x = x.astype(np.float32)
    a, b = (estimator.fit(x, y) for estimator in pair(kind, {"max_iter": 20}))
    assert_same(a, b, x, rtol=2e-3)
    assert a._outputs(x).dtype == np.float32
    assert a.model_.dtype == "float32"


def test_poisson():
    """The logarithm is taken of 1e-7 more than the prediction, as in Keras; theirs of the prediction."""
    x, y = counts()
    a, b = (estimator.fit(x, y) for estimator in pair("MLPRegressor", {"loss": "poisson", "max_iter": 30}))
    assert a.out_activation_ == b.out_activation_ == "exp"
    for mine, other in zip(a.coefs_, b.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-5)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_warm_start_and_partial_fit(solver):
    x, y = iris()
    settings = {"solver": solver, "max_iter": 7}
    a, b = pair("MLPClassifier", settings, warm_start=True)
    for _ in range(3):
        assert_same(a.fit(x, y), b.fit(x, y), x)
    assert len(a.loss_curve_) == len(b.loss_curve_) == 21
    a, b = pair("MLPClassifier", settings)
    for begin in (0, 50, 20, 100):  # of different sizes, and not all with all classes
        part = slice(begin, begin + 30 + begin // 5)
        for estimator in (a, b):
            estimator.partial_fit(x[part], y[part], classes=[0, 1, 2])
    assert_same(a, b, x)
    a, b = pair("MLPRegressor", settings)
    for begin in (0, 50, 20):
        assert_same(
            a.partial_fit(x[begin:][:40], x[begin:][:40, 0]), b.partial_fit(x[begin:][:40], x[begin:][:40, 0]), x
        )


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_sparse(layout):
    from scipy import sparse

    x, y = iris()
    x = np.where(x > 2, x, 0)
    a, b = (e.fit(sparse.csr_matrix(x).asformat(layout), y) for e in pair("MLPClassifier", {"max_iter": 20}))
    assert_same(a, b, sparse.csr_matrix(x))
    np.testing.assert_allclose(a.predict_proba(sparse.csc_matrix(x)), a.predict_proba(x), rtol=1e-12)


@pytest.mark.parametrize("data", [iris, two_classes])
def test_lbfgs_finds_the_one_optimum(data):
    """Without hidden layers there is one only, if anything of the weights is asked for."""
    x, y = data()
    settings = {"solver": "lbfgs", "hidden_layer_sizes": (), "alpha": 1.0, "tol": 1e-6, "max_iter": 2000}
    a, b = (estimator.fit(scale(x), y) for estimator in pair("MLPClassifier", settings))
    assert a.loss_ == pytest.approx(b.loss_, rel=1e-8)
    assert a.n_iter_ < 2000
    for mine, other in zip(a.coefs_, b.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-4)


@pytest.mark.parametrize(
    ("kind", "data"), [("MLPClassifier", iris), ("MLPRegressor", diabetes), ("MLPRegressor", outputs)]
)
def test_lbfgs_is_no_worse(kind, data):
    x, y = data()
    settings = {"solver": "lbfgs", "activation": "tanh", "max_iter": 200, "alpha": 0.1, "hidden_layer_sizes": (8,)}
    losses = np.array(
        [[e.fit(scale(x), y).loss_ for e in pair(kind, settings | {"random_state": seed})] for seed in range(4)]
    )
    assert losses[:, 0].mean() <= 1.1 * losses[:, 1].mean()


def test_loss_of_lbfgs_is_theirs():
    """Of the same weights: after no step at all."""
    x, y = outputs()
    a, b = (estimator.fit(x, y) for estimator in pair("MLPRegressor", {"solver": "lbfgs", "tol": 1e9}))
    assert a.loss_ == pytest.approx(b.loss_, rel=1e-6)
    assert not hasattr(a, "loss_curve_")


@pytest.mark.parametrize("kind", KINDS)
def test_arguments(kind):
    """Theirs in their order, with their defaults, and then ours."""
    mine, other = (inspect.signature(getattr(library, kind)).parameters for library in (ours, theirs))
    assert list(mine)[: len(other)] == list(other)
    for name, parameter in other.items():
        assert (mine[name].default, mine[name].kind) == (parameter.default, parameter.kind), name
    for name in list(mine)[len(other) :]:
        assert mine[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert f"\n{name} : " in inspect.getdoc(getattr(ours, kind))
    assert set(getattr(ours, kind)._parameter_constraints) == set(mine)


@pytest.mark.parametrize("kind", KINDS)
def test_attributes(kind):
    """Whatever theirs has that is public, ours has too."""
    x, y = iris() if kind == "MLPClassifier" else diabetes()
    mine, other = (e.fit(x, y) for e in pair(kind, {"max_iter": 2, "early_stopping": True}))
    missing = {name for name in dir(other) if not name.startswith("_") and not hasattr(mine, name)}
    assert missing == set()


def test_scores(rng):
    weight = rng.uniform(size=20)
    targets, predictions = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    targets[:, 1] = 1
    predictions[:, 2] = targets[:, 2] = 0.5
    for w in (None, weight):
        assert r2(targets, predictions, w) == pytest.approx(r2_score(targets, predictions, sample_weight=w))
        right = predictions[:, 0] > 0
        assert accuracy(right, w) == pytest.approx(accuracy_score(np.ones(20), right, sample_weight=w))
    assert np.isnan(r2(targets[:1], predictions[:1], None))


def test_log_loss():
    x, y = iris()
    a = ours.MLPClassifier(max_iter=1, alpha=0, solver="sgd", learning_rate_init=1e-12, random_state=0).fit(x, y)
    assert a.loss_ == pytest.approx(log_loss(y, a.predict_proba(x)), rel=1e-6)


@pytest.mark.parametrize("sizes", [(), (5,), (5, 4)], ids=str)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("MLPClassifier", iris),
        ("MLPClassifier", two_classes),
        ("MLPClassifier", labels),
        ("MLPRegressor", diabetes),
        ("MLPRegressor", outputs),
    ],
)
def test_first_weights(kind, data, activation, sizes):
    x, y = data()
    settings = {"activation": activation, "hidden_layer_sizes": sizes, "solver": "sgd", "learning_rate_init": 1e-300}
    a, b = (estimator.fit(x, y) for estimator in pair(kind, settings | {"max_iter": 1}))
    for mine, other in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_first_weights_of_names_of_this_library():
    """A list of activations goes by its last; "sigmoid" is what theirs calls logistic."""
    x, y = iris()
    settings = {"solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1, "random_state": 3}
    for sizes, names in (((), "sigmoid"), ((4,), ["sigmoid"]), ((4, 3), ["sigmoid", "sigmoid"])):
        a = ours.MLPClassifier(sizes, names, **settings).fit(x, y)
        b = theirs.MLPClassifier(sizes, "logistic", **settings).fit(x, y)
        for mine, other in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit_never_warns_of_convergence(kind):
    x, y = iris()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a, b = pair(kind, {"max_iter": 1})
        for _ in range(3):
            more = {"classes": [0, 1, 2]} if kind == "MLPClassifier" else {}
            a.partial_fit(x, y, **more)
            b.partial_fit(x, y, **more)
    assert_same(a, b, x)
    for estimator in (a, b):
        with pytest.warns(ConvergenceWarning):
            estimator.fit(x, y)


def test_labels_of_a_sparse_matrix_are_predicted_as_one():
    x, y = labels()
    settings = {"max_iter": 30}
    for estimator in pair("MLPClassifier", settings):
        dense = estimator.fit(x, y).predict(x)
        assert isinstance(dense, np.ndarray)
        sparse = estimator.fit(x, csr_matrix(y)).predict(x)
        assert issparse(sparse)
        assert sparse.format == "csr"
        np.testing.assert_array_equal(sparse.toarray(), dense)
        assert sparse.toarray().dtype == dense.dtype
        assert estimator.score(x, csr_matrix(y)) == estimator.score(x, y)
    a, b = pair("MLPClassifier", {})
    for estimator in (a, b):
        estimator.partial_fit(x, csr_matrix(y), classes=np.arange(y.shape[1]))
    assert issparse(a.predict(x))
    assert issparse(b.predict(x))


def test_classes_too_small_to_split():
    x, y = np.arange(8.0).reshape(4, 2), [0, 0, 0, 1]
    messages = []
    for estimator in pair("MLPClassifier", {"early_stopping": True}):
        with pytest.raises(ValueError, match="only 1 member") as raised:
            estimator.fit(x, y)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
