"""Features that scikit-learn's own estimators do not have."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale
from sklearn.utils.class_weight import compute_class_weight

import cbackprop as cb
from cbackprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = scale(load_iris().data), load_iris().target
DIABETES = scale(load_diabetes().data), scale(load_diabetes().target)


def layer_names(estimator):
    return [type(layer).__name__ for layer in estimator.model_.layers]


def activations(estimator):
    layers = [layer for layer in estimator.model_.layers if hasattr(layer, "activation")]
    return [layer.activation.__name__ for layer in layers]


def test_activation_of_each_layer():
    a = MLPClassifier((6, 5, 4), ["gelu", "logistic", cb.activations.silu], max_iter=2).fit(*IRIS)
    assert activations(a) == ["gelu", "sigmoid", "silu", "softmax"]
    a = MLPRegressor(hidden_layer_sizes=np.array([6, 5]), activation=np.array(["relu", "tanh"]), max_iter=1)
    assert activations(a.fit(*DIABETES)) == ["relu", "tanh", "linear"]
    assert activations(MLPRegressor(activation="swish", max_iter=1).fit(*DIABETES)) == ["silu", "linear"]


def test_dropout_and_batch_normalization():
    settings = {"hidden_layer_sizes": (20, 10), "max_iter": 100, "random_state": 0, "learning_rate_init": 0.01}
    dropping = MLPClassifier(dropout=[0.0, 0.5], **settings).fit(*IRIS)
    assert layer_names(dropping) == ["Dense", "Dense", "Dropout", "Dense"]
    everywhere = MLPClassifier(dropout=0.2, batch_normalization=True, **settings).fit(*IRIS)
    block = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert layer_names(everywhere) == [*block, *block, "Dense"]
    for estimator in (dropping, everywhere):
        assert estimator.score(*IRIS) > 0.9
        np.testing.assert_array_equal(estimator.predict_proba(IRIS[0]), estimator.predict_proba(IRIS[0]))
        again = type(estimator)(**estimator.get_params()).fit(*IRIS)
        assert again.loss_curve_ == estimator.loss_curve_
    assert dropping.loss_curve_ != MLPClassifier(**settings).fit(*IRIS).loss_curve_
    assert len(everywhere.coefs_) == len(everywhere.intercepts_) == 3


def test_class_weight():
    x, y = IRIS
    x, y = x[20:], y[20:]
    weights = compute_class_weight("balanced", classes=np.arange(3), y=y)
    settings = {"max_iter": 5, "random_state": 0}
    expected = MLPClassifier(**settings).fit(x, y, sample_weight=weights[y])
    for class_weight in ("balanced", dict(enumerate(weights))):
        found = MLPClassifier(class_weight=class_weight, **settings).fit(x, y)
        np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])
    own = np.random.RandomState(0).uniform(size=len(x))
    both = MLPClassifier(class_weight="balanced", **settings).fit(x, y, sample_weight=own)
    product = MLPClassifier(**settings).fit(x, y, sample_weight=own * weights[y])
    np.testing.assert_array_equal(both.coefs_[0], product.coefs_[0])
    part = MLPClassifier(class_weight={0: 3.0}, **settings).partial_fit(x, y, classes=[0, 1, 2])
    same = MLPClassifier(**settings).partial_fit(x, y, np.where(y == 0, 3.0, 1.0), classes=[0, 1, 2])
    np.testing.assert_array_equal(part.coefs_[0], same.coefs_[0])


def test_class_weight_of_labels_and_early_stopping():
    x, y = make_multilabel_classification(100, 5, n_classes=3, random_state=0)
    MLPClassifier(class_weight="balanced", early_stopping=True, max_iter=5).fit(x, y)
    x, y = IRIS
    a = MLPClassifier(class_weight="balanced", early_stopping=True, max_iter=5, random_state=0).fit(x, y)
    b = MLPClassifier(class_weight="balanced", early_stopping=True, max_iter=5, random_state=0)
    b.fit(x, y, sample_weight=np.ones(len(x)))
    assert a.validation_scores_ == b.validation_scores_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(("kind", "data"), [(MLPClassifier, IRIS), (MLPRegressor, DIABETES)])
def test_validation_data(kind, data, early_stopping):
    x, y = data
    order = np.random.RandomState(0).permutation(len(x))
    x, y = x[order], y[order]
    x, x_val, y, y_val = x[:100], x[100:], y[:100], y[100:]
    a = kind(early_stopping=early_stopping, max_iter=150, learning_rate_init=0.01, random_state=0)
    a.fit(x, y, X_val=x_val, y_val=y_val)
    assert len(a.validation_scores_) == a.n_iter_
    assert a.best_validation_score_ == max(a.validation_scores_)
    expected = a.best_validation_score_ if early_stopping else a.validation_scores_[-1]
    assert a.score(x_val, y_val) == pytest.approx(expected, rel=1e-12)
    best = kind(**a.get_params() | {"restore_best_weights": True}).fit(x, y, X_val=x_val, y_val=y_val)
    assert best.score(x_val, y_val) == pytest.approx(a.best_validation_score_, rel=1e-12)
    weight = np.linspace(0.1, 1, len(x_val))
    a.fit(x, y, X_val=x_val, y_val=y_val, sample_weight_val=weight)
    expected = a.best_validation_score_ if early_stopping else a.validation_scores_[-1]
    assert a.score(x_val, y_val, weight) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("solver", ["lbfgs", "levenberg_marquardt"])
def test_validation_data_of_solvers_that_look_at_all_samples(solver):
    x, y = DIABETES
    x, x_val, y, y_val = x[:60], x[60:], y[:60], y[60:]
    logs = []
    settings = {"solver": solver, "hidden_layer_sizes": 6, "random_state": 1, "max_iter": 40, "alpha": 0, "tol": 1e-9}
    log = cb.callbacks.LambdaCallback(on_epoch_end=lambda epoch, found: logs.append(dict(found)))
    a = MLPRegressor(**settings, callbacks=log).fit(x, y, X_val=x_val, y_val=y_val)
    assert len(a.validation_scores_) == a.n_iter_ == len(logs)
    assert [entry["val_score"] for entry in logs] == a.validation_scores_
    assert "val_loss" in logs[0]
    assert a.score(x_val, y_val) == pytest.approx(a.validation_scores_[-1], rel=1e-12)
    assert a.best_validation_score_ == max(a.validation_scores_) > a.validation_scores_[-1]
    best = MLPRegressor(**settings, restore_best_weights=True).fit(x, y, X_val=x_val, y_val=y_val)
    assert best.n_iter_ == a.n_iter_
    assert best.score(x_val, y_val) == pytest.approx(a.best_validation_score_, rel=1e-12)
    stopped = MLPRegressor(**settings, early_stopping=True, n_iter_no_change=2).fit(x, y, X_val=x_val, y_val=y_val)
    assert stopped.n_iter_ < a.n_iter_
    assert stopped.validation_scores_ == a.validation_scores_[: stopped.n_iter_]
    assert stopped.score(x_val, y_val) == pytest.approx(stopped.best_validation_score_, rel=1e-12)


def test_restore_best_weights_of_the_lowest_loss():
    spoil = cb.optimizers.schedules.PiecewiseConstantDecay([460], [0.01, 3.0])
    settings = {"learning_rate": spoil, "max_iter": 25, "random_state": 0, "batch_size": 20}
    last, best = (MLPRegressor(restore_best_weights=b, **settings).fit(*DIABETES) for b in (False, True))
    assert last.loss_curve_ == best.loss_curve_
    errors = [np.mean((e.predict(DIABETES[0]) - DIABETES[1]) ** 2) / 2 for e in (last, best)]
    assert errors[1] < 1 < errors[0]


def test_callbacks():
    logs = []
    log = cb.callbacks.LambdaCallback(on_epoch_end=lambda epoch, found: logs.append(dict(found)))
    stop = cb.callbacks.EarlyStopping(monitor="val_loss", patience=0, min_delta=10.0)
    a = MLPClassifier(callbacks=[log, stop], max_iter=50)
    x, y = IRIS
    a.fit(x[::2], y[::2], X_val=x[1::2], y_val=y[1::2])
    assert a.n_iter_ == 2 == len(logs)
    assert [entry["loss"] for entry in logs] == a.loss_curve_
    assert set(logs[0]) == {"loss", "val_loss", "val_score"}
    assert [entry["val_score"] for entry in logs] == a.validation_scores_
    MLPRegressor(callbacks=log, max_iter=3).fit(*DIABETES)
    assert len(logs) == 5


def test_stopping_by_a_callback_is_no_warning(recwarn):
    class Stop(cb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    MLPClassifier(callbacks=Stop(), max_iter=1).fit(*IRIS)
    assert not [w for w in recwarn if issubclass(w.category, ConvergenceWarning)]


def squared(y_true, y_pred):
    return ((y_pred - y_true) ** 2).mean(axis=1), 2 * (y_pred - y_true) / y_pred.shape[1]


@pytest.mark.parametrize("loss", ["huber", "mae", cb.losses.LogCosh(), cb.losses.huber, squared, "MeanSquaredError"])
def test_losses_of_regression(loss):
    a = MLPRegressor(loss=loss, max_iter=150, learning_rate_init=0.01, random_state=0).fit(*DIABETES)
    assert a.score(*DIABETES) > 0.5
    assert a.loss_curve_[-1] < a.loss_curve_[0]
    assert a.out_activation_ == "identity"


@pytest.mark.parametrize(
    "loss",
    ["categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy", squared],
)
def test_losses_of_classes(loss):
    a = MLPClassifier(loss=loss, max_iter=100, learning_rate_init=0.01, random_state=0).fit(*IRIS)
    assert a.score(*IRIS) > 0.9
    assert a.predict_proba(IRIS[0]).sum(axis=1) == pytest.approx(1)
    a.set_params(early_stopping=True).fit(*IRIS)
    assert a.best_validation_score_ > 0.8


def test_loss_of_two_classes():
    x, y = load_breast_cancer(return_X_y=True)
    a = MLPClassifier(loss="binary_focal_crossentropy", max_iter=50).fit(scale(x), y)
    assert a.score(scale(x), y) > 0.95


def test_weights_of_a_loss_by_name_are_divided_by():
    x, y = DIABETES
    weight = np.random.RandomState(0).uniform(1, 9, len(x))
    settings = {"max_iter": 3, "shuffle": False, "random_state": 0, "alpha": 0}
    a = MLPRegressor(**settings).fit(x, y, weight)
    b = MLPRegressor(loss="mse", **settings).fit(x, y, weight)
    np.testing.assert_allclose(b.loss_curve_[0], 2 * a.loss_curve_[0], rtol=1e-2)


@pytest.mark.parametrize(
    "solver",
    [
        "rmsprop",
        "adamw",
        cb.optimizers.Nadam(0.01),
        cb.optimizers.SGD(cb.optimizers.schedules.CosineDecay(0.1, 200), momentum=0.9),
        cb.optimizers.LBFGS(),
        "levenberg_marquardt",
    ],
    ids=repr,
)
def test_solvers(solver):
    rate = {} if isinstance(solver, cb.Optimizer) else {"learning_rate_init": 0.01}
    a = MLPRegressor(hidden_layer_sizes=5, solver=solver, alpha=0, max_iter=60, loss="mse", random_state=0, **rate)
    a.fit(*DIABETES)
    assert a.score(*DIABETES) > 0.5
    if isinstance(solver, cb.Optimizer):
        assert solver.batches == 0
        assert a.model_.optimizer is not solver
        assert type(a.model_.optimizer) is type(solver)


def test_another_solver_goes_on_from_the_weights():
    settings = {"hidden_layer_sizes": 5, "random_state": 0, "max_iter": 100, "learning_rate_init": 1e-4}
    a = MLPRegressor(solver="lbfgs", **settings).fit(*DIABETES)
    before = a.score(*DIABETES)
    a.set_params(solver="adam").partial_fit(*DIABETES)
    assert a.score(*DIABETES) == pytest.approx(before, abs=0.01)
    assert type(a.model_.optimizer) is cb.optimizers.Adam
    a.set_params(solver="lbfgs", warm_start=True, max_iter=5).fit(*DIABETES)
    a.set_params(solver="sgd", max_iter=3).fit(*DIABETES)
    assert len(a.loss_curve_) == 4
    assert a.score(*DIABETES) > before - 0.01


def test_learning_rate_schedule():
    schedule = cb.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.0])
    a = MLPRegressor(solver="sgd", learning_rate=schedule, momentum=0, max_iter=4, batch_size=442)
    a.set_params(random_state=0).fit(*DIABETES)
    assert a.loss_curve_[2] < a.loss_curve_[0]
    longer = MLPRegressor(**a.get_params() | {"max_iter": 9}).fit(*DIABETES)
    np.testing.assert_array_equal(a.coefs_[0], longer.coefs_[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_types_are_kept(dtype):
    x, y = IRIS[0].astype(dtype), IRIS[1]
    a = MLPClassifier(max_iter=5).fit(x, y)
    b = MLPRegressor(max_iter=5).fit(x, x[:, :2])
    assert {w.dtype for e in (a, b) for w in [*e.coefs_, *e.intercepts_]} == {np.dtype(dtype)}
    assert a.predict_proba(x).dtype == a.predict_log_proba(x).dtype == b.predict(x).dtype == dtype
    other = np.float64 if dtype == np.float32 else np.float32
    assert b.predict(x.astype(other)).dtype == dtype
    assert MLPRegressor(max_iter=1).fit((x * 10).astype(int), y).predict((x * 10).astype(int)).dtype == np.float64


def test_threads_change_no_bit():
    settings = {"hidden_layer_sizes": (100, 100), "max_iter": 2, "random_state": 0}
    x = np.random.RandomState(0).normal(size=(1000, 40))
    seen = []
    note = cb.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.append(cb.config.get_num_threads()))
    one, two = (MLPRegressor(n_threads=n, callbacks=note, **settings).fit(x, x[:, 0]) for n in (1, 2))
    assert seen == [1, 2]
    assert one.predict(x).tobytes() == two.predict(x).tobytes()
    assert cb.config.get_num_threads() == "auto"


def test_coefficients_can_be_written():
    a = MLPRegressor(hidden_layer_sizes=(), max_iter=1).fit(*DIABETES)
    x = DIABETES[0]
    a.coefs_[0][:] = 0
    a.intercepts_[0] = [2.0]
    np.testing.assert_array_equal(a.predict(x), np.full(len(x), 2.0))
    a.coefs_ = [np.eye(10)[:, :1]]
    np.testing.assert_allclose(a.predict(x), x[:, 0] + 2)
    with pytest.raises(ValueError, match="shape"):
        a.coefs_[0] = np.zeros(3)
    with pytest.raises(ValueError, match="Expected 1 arrays, one for each layer, but got 0"):
        a.intercepts_ = []
    assert isinstance(a.coefs_, list)
    np.testing.assert_array_equal(a.model_.get_weights()[0], a.coefs_[0])


def test_same_seed_same_numbers_and_no_other_generator_moves():
    settings = {"max_iter": 3, "batch_size": 20, "dropout": 0.3}
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002 - the global one is what must not move
    state = cb.random.state()
    fits = [MLPClassifier(random_state=s, **settings).fit(*IRIS).loss_curve_ for s in (1, 1, 2)]
    assert cb.random.state() == state
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
    assert fits[0] == fits[1] != fits[2]
    orders = []
    for seed in (1, 2):
        a = MLPRegressor(hidden_layer_sizes=(), batch_size=20, random_state=seed).partial_fit(*DIABETES)
        a.coefs_[0][:] = 0
        a.intercepts_[0][:] = 0
        a.set_params(warm_start=True, max_iter=1).fit(*DIABETES)
        orders.append(a.loss_)
    assert orders[0] != orders[1]
    state = np.random.RandomState(1)
    fits = [MLPClassifier(random_state=state, **settings).fit(*IRIS).loss_curve_ for _ in range(2)]
    assert fits[0] != fits[1]


def test_model_is_a_model():
    a = MLPClassifier(hidden_layer_sizes=4, max_iter=2).fit(*IRIS)
    assert a.model_.check_gradients(IRIS[0][:5], IRIS[1][:5]).max_relative_error < 1e-6
    np.testing.assert_array_equal(a.model_.predict(IRIS[0], verbose=0), a.predict_proba(IRIS[0]))


def test_interrupted():
    class Interrupt(cb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    a = MLPClassifier(callbacks=Interrupt())
    with pytest.warns(UserWarning, match="Training interrupted by user") as told:
        a.fit(*IRIS)
    assert told[0].filename == __file__
    assert a.n_iter_ == 3 == len(a.loss_curve_)
    assert a.predict(IRIS[0]).shape == (150,)


def test_verbose(capsys):
    MLPRegressor(verbose=True, early_stopping=True, max_iter=100, tol=1, n_iter_no_change=2).fit(*DIABETES)
    out = capsys.readouterr().out
    assert out.startswith("Iteration 1, loss = ")
    assert "Validation score: " in out
    assert "for 2 consecutive epochs. Stopping." in out
    MLPClassifier(verbose=True, solver="lbfgs", max_iter=3).fit(*IRIS)
    assert capsys.readouterr().out.count("Iteration") == 3
    settings = {"solver": "sgd", "learning_rate": "adaptive", "tol": 10, "n_iter_no_change": 1}
    MLPClassifier(verbose=True, **settings).fit(*IRIS)
    out = capsys.readouterr().out
    assert "Setting learning rate to 0.000200" in out
    assert out.endswith("Learning rate too small. Stopping.\n")
