"""Estimators and `fit_many` in workers that Ray starts: the same numbers, no more threads than each was given."""

import sys

import numpy as np
import pytest

import cbackprop as cb

ray = pytest.importorskip("ray", reason="needs Ray: pip install cbackprop[ray]")
joblib = pytest.importorskip("joblib")
pytest.importorskip("sklearn")

from ray.util.joblib import register_ray  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402

from cbackprop.sklearn import MLPClassifier  # noqa: E402

# Workers cannot import this file: they get its functions themselves.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6))
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # Workers first look for modules where this process is. They would find the source, which may not be built.
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("OMP_NUM_THREADS", raising=False)  # workers would inherit it
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
        register_ray()
        yield
        ray.shutdown()


def search():
    estimator = MLPClassifier((8,), max_iter=15, random_state=0, tol=0)
    return GridSearchCV(estimator, {"alpha": [1e-4, 1e-2]}, cv=3)


@pytest.mark.filterwarnings("ignore::Warning")  # of Ray's own code, and of fits that are short
def test_a_search_by_workers_finds_the_same(cluster):
    alone = search().fit(X, LABELS)
    with joblib.parallel_config(backend="ray", n_jobs=2):
        by_workers = search().fit(X, LABELS)
    for name in ("mean_test_score", "split0_test_score", "params"):
        np.testing.assert_array_equal(alone.cv_results_[name], by_workers.cv_results_[name])
    for a, b in zip(alone.best_estimator_.coefs_, by_workers.best_estimator_.coefs_, strict=True):
        assert a.tobytes() == b.tobytes()


def models(seeds):
    made = []
    for seed in seeds:
        cb.utils.set_random_seed(seed)
        model = cb.Sequential([cb.Input((6,)), cb.layers.Dense(5, "tanh"), cb.layers.Dense(1, "sigmoid")])
        model.compile("adam", "binary_crossentropy")
        made.append(model)
    cb.fit_many(made, X, LABELS, epochs=2, verbose=0)
    return [model.get_weights() for model in made], cb.threads.limit()


@pytest.mark.filterwarnings("ignore::Warning")
def test_fit_many_by_workers_trains_the_same_with_the_threads_that_each_was_given(cluster):
    with joblib.parallel_config(backend="ray", n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(models)(range(begin, begin + 3)) for begin in (0, 3))
    for begin, (weights, threads) in zip((0, 3), found, strict=True):
        assert threads == 1
        for model, expected in zip(weights, models(range(begin, begin + 3))[0], strict=True):
            for a, b in zip(model, expected, strict=True):
                assert a.tobytes() == b.tobytes()


def test_a_task_has_the_threads_that_it_asked_for(cluster):
    limits = ray.get([ray.remote(num_cpus=1)(cb.threads.limit).remote() for _ in range(2)])
    assert limits == [1, 1]


def test_models_come_back_from_tasks_and_train_on(cluster):
    def train():
        cb.utils.set_random_seed(3)
        model = cb.Sequential([cb.Input((6,)), cb.layers.Dense(1, "sigmoid")])
        model.compile("adam", "binary_crossentropy")
        model.fit(X, LABELS, epochs=1, verbose=0)
        return model

    both = [ray.get(ray.remote(train).remote()), train()]
    for model in both:
        cb.utils.set_random_seed(9)
        model.fit(X, LABELS, epochs=1, verbose=0)
    for a, b in zip(*(model.get_weights() for model in both), strict=True):
        assert a.tobytes() == b.tobytes()
