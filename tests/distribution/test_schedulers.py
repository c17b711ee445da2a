"""Estimators in workers that Dask and joblib start: the same numbers, no more threads than each was given."""

import pickle
import sys

import numpy as np
import pytest

import cbackprop as cb

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install cbackprop[dask]")
joblib = pytest.importorskip("joblib")
pytest.importorskip("sklearn")

import cloudpickle  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402

from cbackprop.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

# Workers cannot import this file: they get its functions themselves. Dask does that with lambdas alone.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6))
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def search():
    estimator = MLPClassifier((8,), max_iter=15, random_state=0, tol=0)
    return GridSearchCV(estimator, {"alpha": [1e-4, 1e-2], "learning_rate_init": [1e-3, 1e-2]}, cv=3)


@pytest.mark.parametrize("backend", ["dask", "loky", "threading"])
@pytest.mark.filterwarnings("ignore:.*maximum iterations:Warning", "ignore:Stochastic Optimizer:Warning")
def test_a_search_by_workers_finds_the_same(cluster, backend):
    alone = search().fit(X, LABELS)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        by_workers = search().fit(X, LABELS)
    for name in ("mean_test_score", "split0_test_score", "params"):
        np.testing.assert_array_equal(alone.cv_results_[name], by_workers.cv_results_[name])
    for a, b in zip(alone.best_estimator_.coefs_, by_workers.best_estimator_.coefs_, strict=True):
        assert a.tobytes() == b.tobytes()


def most_threads():
    return cb.threads.limit()


def test_workers_use_the_threads_that_they_were_given(cluster):
    found = cluster.run(lambda: most_threads())
    assert len(found) == 2
    assert set(found.values()) == {1}
    with joblib.parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
        assert set(joblib.Parallel()(joblib.delayed(most_threads)() for _ in range(4))) == {1}


def trained(seed):
    cb.utils.set_random_seed(seed)
    model = cb.Sequential([cb.Input((6,)), cb.layers.Dense(5, "tanh"), cb.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.fit(X, LABELS, epochs=2, verbose=0)
    return model


def test_models_come_back_from_workers_and_train_on(cluster):
    models = cluster.gather(cluster.map(lambda seed: trained(seed), range(4), pure=False))
    for seed, model in enumerate(models):
        expected = trained(seed)
        for each in (model, expected):
            cb.utils.set_random_seed(9)
            each.fit(X, LABELS, epochs=1, verbose=0)
        for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.filterwarnings("ignore:.*maximum iterations:Warning", "ignore:Stochastic Optimizer:Warning")
def test_pickles_hold_weights_and_optimizer_but_no_data(kind):
    x = RNG.normal(size=(20_000, 30))
    estimator = kind(hidden_layer_sizes=(40,), max_iter=2, random_state=0)
    assert len(pickle.dumps(estimator)) < 2000
    estimator.fit(x, (x[:, 0] > 0).astype(float))
    numbers = sum(array.size for array in [*estimator.coefs_, *estimator.intercepts_])
    assert len(pickle.dumps(estimator)) < 40 * numbers + 30_000 < x.nbytes / 10
