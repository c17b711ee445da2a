"""Targets and weights of every kind: those of users' own losses, missing ones, weights of elements and of classes."""

import inspect
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from target_models import ENGINES, ROWS, inputs, model_of

import cbackprop as cb
from cbackprop import layers, losses, metrics

WITH_MISSING = {
    name: cls
    for name, cls in losses.registry
    if inspect.isclass(cls) and "missing" in inspect.signature(cls.__init__).parameters
}


# Targets as users gave them


def survival(y_true, y_pred):
    """Exponential survival times y_true[:, 0]; y_true[:, 1] says whether the end was observed."""
    time, ended = y_true[:, :1], y_true[:, 1:]
    return (np.exp(y_pred) * time - ended * y_pred)[:, 0], np.exp(y_pred) * time - ended


def clipped_policy(y_true, y_pred):
    """PPO: action, advantage and old log-probability in three columns; logits of three actions."""
    rows, action = np.arange(len(y_pred)), y_true[:, 0].astype(int)
    p = np.exp(y_pred - y_pred.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    ratio = p[rows, action] / np.exp(y_true[:, 2])
    held = np.clip(ratio, 0.8, 1.2)
    slope = np.where(ratio * y_true[:, 1] <= held * y_true[:, 1], -ratio * y_true[:, 1], 0)
    gradient = -p * slope[:, np.newaxis]
    gradient[rows, action] += slope
    return -np.minimum(ratio * y_true[:, 1], held * y_true[:, 1]), gradient


def pinball(y_true, y_pred):
    """Several quantiles of one target a sample."""
    quantiles, error = np.array([0.1, 0.5, 0.9]), y_true.reshape(-1, 1) - y_pred
    return np.maximum(quantiles * error, (quantiles - 1) * error), np.where(error > 0, -quantiles, 1 - quantiles)


def without_missing(y_true, y_pred):
    there = ~np.isnan(y_true)
    error = np.where(there, y_pred - np.nan_to_num(y_true), 0)
    return (error**2).sum() / there.sum(), 2 * error / there.sum()


def own_targets(name):
    rng = np.random.default_rng(3)
    if name == "survival":
        return np.c_[rng.exponential(size=ROWS), rng.integers(0, 2, ROWS)]
    if name == "policy":
        return np.c_[rng.integers(0, 3, ROWS), rng.normal(size=ROWS), np.log(rng.uniform(0.2, 0.5, ROWS))]
    if name == "quantiles":
        return rng.normal(size=ROWS)
    missing = rng.normal(size=(ROWS, 3))
    missing[rng.random((ROWS, 3)) < 0.4] = np.nan
    return missing


OWN = {
    "survival": (survival, 1),
    "policy": (clipped_policy, 3),
    "quantiles": (pinball, 3),
    "missing": (without_missing, 3),
}


@ENGINES
@pytest.mark.parametrize("name", OWN)
def test_a_loss_of_ones_own_gets_targets_as_they_are(name, engine):
    function, units = OWN[name]
    x, y = inputs(), own_targets(name)
    seen = []

    def loss(y_true, y_pred):
        seen.append(y_true)
        return function(y_true, y_pred)

    model = model_of(loss, engine, units)
    expected = float(losses.FunctionLoss(function)(y, model.predict(x, verbose=0)))
    assert model.evaluate(x, y, batch_size=ROWS, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert_allclose(seen[-1], y, rtol=1e-6)
    assert seen[-1].dtype == np.float32
    assert model.check_gradients(x, y).max_relative_error < 1e-6
    assert [g.shape for g in model.gradients(x, y)] == [w.shape for w in model.get_weights()]
    history = model.fit(x, y, epochs=3, batch_size=8, validation_split=0.25, verbose=0).history
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    assert np.isfinite(model.train_on_batch(x, y))


@pytest.mark.parametrize("name", OWN)
def test_engines_agree_on_own_losses(name):
    function, units = OWN[name]
    x, y = inputs(), own_targets(name)
    found = [model_of(function, engine, units) for engine in ("compiled", "reference")]
    for model in found:
        model.fit(x, y, epochs=3, batch_size=7, shuffle=False, verbose=0)
    for ours, twin in zip(*(model.get_weights() for model in found), strict=True):
        assert_allclose(ours, twin, rtol=1e-4, atol=1e-6)


@ENGINES
def test_one_number_a_sample_does_not_broadcast(engine):
    """y of shape (n,) and predictions of shape (n, 1) would become (n, n)."""
    shapes = []

    def loss(y_true, y_pred):
        shapes.append(y_true.shape)
        return ((y_true - y_pred) ** 2)[:, 0], 2 * (y_pred - y_true)

    model_of(loss, engine, 1).fit(inputs(), np.ones(ROWS), batch_size=8, epochs=1, verbose=0)
    assert set(shapes) == {(8, 1)}


@ENGINES
def test_targets_with_more_axes_and_metrics_that_get_them_too(engine):
    class Seen(metrics.Metric):
        def update_state(self, y_true, y_pred, sample_weight=None):
            shapes.append(y_true.shape)

        def result(self):
            return 0.0

    shapes = []
    model = model_of(lambda y, p: ((p - y[:, 0]) ** 2, 2 * (p - y[:, 0])), engine, metrics=[Seen()])
    model.fit(inputs(), np.ones((ROWS, 2, 3)), batch_size=12, verbose=0)
    assert set(shapes) == {(12, 2, 3)}
    with pytest.raises(ValueError, match="y must have the shape of the predictions"):
        model_of(survival, engine, 1, metrics=["mae"]).fit(inputs(), np.ones((ROWS, 2)), verbose=0)


def test_targets_checked_where_the_class_says_so():
    class Checked(losses.Loss):
        target_kind = "values"

        def call(self, y_true, y_pred):
            return ((y_true - y_pred) ** 2).mean(axis=-1), 2 * (y_pred - y_true) / y_pred.shape[-1]

    with pytest.raises(ValueError, match="y must have the shape of the predictions"):
        model_of(Checked()).fit(inputs(), np.ones((ROWS, 2)), verbose=0)
    with pytest.raises(ValueError, match="y must be finite"):
        model_of(Checked()).fit(inputs(), np.full((ROWS, 3), np.nan), verbose=0)


# Missing targets


def case_of(loss, rng):
    """The width and activation of predictions, and targets, some of which are missing."""
    if loss.target_kind == "half":
        y = rng.normal(size=(ROWS, 2))
        y[::3, 1] = np.nan
        return 4, None, y
    if loss.target_kind == "index":
        y = rng.integers(0, 3, ROWS).astype(float)
        y[::3] = np.nan
        return 3, "softmax", y
    low, _ = loss.target_limits or (-1, 1)
    y = rng.uniform(max(low, 0.1), 1, size=(ROWS, 3))
    if low == -1 and loss.target_limits:
        y = np.sign(y - 0.5)
    y[rng.random(y.shape) < 0.3] = np.nan
    return 3, "sigmoid" if loss.link != "softmax" else "softmax", y


def expected_of(cls, y, p, w, reduction):
    """The loss of present targets: of elements if a row is a mean over them, otherwise of rows without NaN."""
    loss = cls(reduction=None, dtype="float64")
    if loss.elementwise:
        there = ~np.isnan(y)
        values, weights = loss(y[there][:, np.newaxis], p[there][:, np.newaxis]), np.repeat(w, 3)[there.ravel()]
        share = 3
    else:
        there = ~np.isnan(y.reshape(len(y), -1)).any(axis=1)
        values, weights, share = loss(y[there], p[there]), w[there], 1
    total = (values * weights).sum()
    return (
        total / {"sum": share, "sum_over_batch_size": len(values), "mean_with_sample_weight": weights.sum()}[reduction]
    )


@ENGINES
@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
@pytest.mark.parametrize("name", WITH_MISSING)
def test_missing_targets_are_left_out(name, reduction, engine):
    rng = np.random.default_rng(1)
    cls, w = WITH_MISSING[name], rng.uniform(0.5, 2, ROWS)
    cb.config.set_floatx("float64")
    loss = cls(missing="ignore", reduction=reduction)
    units, activation, y = case_of(loss, rng)
    model, x = model_of(loss, engine, units, activation), inputs()
    p = model.predict(x, verbose=0)
    expected = expected_of(cls, y, p, w, reduction)
    assert_allclose(model.evaluate(x, y, sample_weight=w, batch_size=ROWS, verbose=0), expected, rtol=1e-9)
    assert_allclose(loss(y, p, sample_weight=w), expected, rtol=1e-9)
    assert model.check_gradients(x, y, sample_weight=w).max_relative_error < 1e-6
    with pytest.raises(ValueError, match="must be finite, but got nan"):
        cls()(y, p)
    with pytest.raises(ValueError, match="must be finite, but got inf"):
        loss(np.where(np.isnan(y), np.inf, y), p)
    again = losses.deserialize(losses.serialize(loss))
    assert again.missing == "ignore"


@ENGINES
@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_without_any_target_teaches_nothing(engine, threads, every_step_is_shared):
    cb.config.set_num_threads(threads)
    y = np.full((ROWS, 3), np.nan)
    model = model_of(losses.MeanSquaredError(missing="ignore"), engine, metrics=["mae"])
    before = model.get_weights()
    with pytest.warns(UserWarning, match="All targets of output 'dense.*' are missing"):
        assert model.fit(inputs(), y, batch_size=6, verbose=0).history == {"loss": [0.0], "mae": [0.0]}
    for a, b in zip(before, model.get_weights(), strict=True):
        assert (a == b).all()


@ENGINES
def test_metrics_leave_out_what_their_loss_leaves_out(engine):
    y = own_targets("missing")
    there = ~np.isnan(y)
    several = ["mae", "mse", metrics.RootMeanSquaredError(), metrics.R2Score(class_aggregation=None)]
    model = model_of(losses.MeanSquaredError(missing="ignore"), engine, metrics=several)
    logs = model.evaluate(inputs(), y, verbose=0, return_dict=True)
    p = model.predict(inputs(), verbose=0)
    errors = (p - y)[there]
    assert_allclose(logs["mae"], abs(errors).mean(), rtol=1e-5)
    assert_allclose([logs["mse"], logs["root_mean_squared_error"] ** 2], (errors**2).mean(), rtol=1e-5)
    for k in range(3):
        t = y[there[:, k], k]
        r2 = 1 - ((p[there[:, k], k] - t) ** 2).sum() / ((t - t.mean()) ** 2).sum()
        assert_allclose(logs["r2_score"][k], r2, rtol=1e-4)


@ENGINES
def test_metrics_of_labels_of_which_some_are_missing(engine):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, (ROWS, 3)).astype(float)
    y[rng.random(y.shape) < 0.3] = np.nan
    there = ~np.isnan(y)
    chosen = [metrics.AUC(), metrics.Precision(), metrics.BinaryAccuracy(), metrics.F1Score(threshold=0.5)]
    loss = losses.BinaryCrossentropy(missing="ignore")
    model = model_of(loss, engine, activation="sigmoid", metrics=chosen)
    logs = model.evaluate(inputs(), y, verbose=0, return_dict=True)
    p = model.predict(inputs(), verbose=0)
    for metric in chosen[:3]:
        fresh = type(metric)()
        fresh.update_state(y[there], p[there])
        assert_allclose(logs[metric.name], fresh.result(), rtol=1e-6)
    for k in range(3):
        one = metrics.F1Score(threshold=0.5)
        one.update_state(y[there[:, k], k : k + 1], p[there[:, k], k : k + 1])
        assert_allclose(logs["f1_score"][k], one.result()[0], rtol=1e-6)


@ENGINES
def test_missing_targets_with_masks_and_several_outputs(engine):
    """Masked and missing rows are left out together, for each output separately."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(6, 4, 2))
    x[:3, 2:] = 0
    masked = cb.Input((4, 2))
    hidden = layers.Masking()(masked)
    model = cb.Model(masked, [layers.Dense(2, name="a")(hidden), layers.Dense(3, "softmax", name="b")(hidden)])
    sparse = losses.SparseCategoricalCrossentropy(missing="ignore")
    model.compile("sgd", {"a": losses.MeanAbsoluteError(missing="ignore"), "b": sparse}, engine=engine)
    ya, yb = rng.normal(size=(6, 4, 2)), rng.integers(0, 3, (6, 4)).astype(float)
    ya[rng.random(ya.shape) < 0.3], yb[rng.random(yb.shape) < 0.3] = np.nan, np.nan
    w = rng.uniform(0.5, 2, (6, 4))
    logs = model.evaluate(x, {"a": ya, "b": yb}, sample_weight={"a": w}, batch_size=6, verbose=0, return_dict=True)
    pa, pb = model.predict(x, verbose=0)
    shown = (x != 0).any(axis=-1)
    there = shown[..., np.newaxis] & ~np.isnan(ya)
    assert_allclose(logs["a_loss"], (abs(pa - ya) * w[..., np.newaxis])[there].mean(), rtol=1e-5)
    there = shown & ~np.isnan(yb)
    picked = pb[there][np.arange(there.sum()), yb[there].astype(int)]
    assert_allclose(logs["b_loss"], -np.log(picked).mean(), rtol=1e-5)
    assert model.check_gradients(x, {"a": ya, "b": yb}, sample_weight={"a": w}).max_relative_error < 1e-6


def test_missing_is_ignore_or_none():
    for cls in WITH_MISSING.values():
        with pytest.raises(ValueError, match="missing must be"):
            cls(missing="drop")


@ENGINES
@pytest.mark.parametrize("ignored", [-1, 255, 1])
def test_rows_of_an_ignored_class_do_not_count(ignored, engine):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, ROWS)
    y[::4] = ignored
    loss = losses.SparseCategoricalCrossentropy(ignore_class=ignored)
    chosen = ["accuracy", metrics.SparseCategoricalCrossentropy(ignore_class=ignored)]
    model = model_of(loss, engine, activation="softmax", metrics=chosen)
    logs = model.evaluate(inputs(), y, batch_size=ROWS, verbose=0, return_dict=True)
    p, there = model.predict(inputs(), verbose=0), y != ignored
    expected = losses.SparseCategoricalCrossentropy()(y[there], p[there])
    assert_allclose([logs["loss"], loss(y, p)], expected, rtol=1e-5)
    # Keras's metric counts such rows as 0 without sample weights, and leaves them out with sample weights.
    assert_allclose(logs["sparse_categorical_crossentropy"], expected * there.mean(), rtol=1e-5)
    alone = metrics.SparseCategoricalCrossentropy(ignore_class=ignored)
    assert_allclose(alone(y, p), expected * there.mean(), rtol=1e-5)
    alone.reset_state()
    assert_allclose(alone(y, p, sample_weight=np.ones(ROWS)), expected, rtol=1e-5)
    model.compile("sgd", loss, weighted_metrics=chosen[1:], engine=engine)
    logs = model.evaluate(inputs(), y, sample_weight=np.ones(ROWS), verbose=0, return_dict=True)
    assert_allclose(logs["sparse_categorical_crossentropy"], expected, rtol=1e-5)
    model.compile("sgd", loss, metrics=["accuracy"], engine=engine)
    logs = model.evaluate(inputs(), y, verbose=0, return_dict=True)
    assert_allclose(logs["accuracy"], (p.argmax(axis=1) == y).mean(), rtol=1e-6)
    assert model.check_gradients(inputs(), y).max_relative_error < 1e-6
    values = losses.sparse_categorical_crossentropy(y, p, ignore_class=ignored)
    assert (values[~there] == 0).all()
    with pytest.raises(ValueError, match=r"classes in \[0, 3\), but got 7"):
        model.evaluate(inputs(), np.where(there, y, 7), verbose=0)


# Several quantiles


@ENGINES
@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1)])
def test_several_quantiles_of_one_target(shape, engine):
    y, loss = np.random.default_rng(6).normal(size=shape), losses.Quantile([0.1, 0.5, 0.9])
    model = model_of(loss, engine)
    error, q = y.reshape(-1, 1) - model.predict(inputs(), verbose=0), np.array([0.1, 0.5, 0.9])
    expected = np.maximum(q * error, (q - 1) * error).mean()
    assert_allclose(model.evaluate(inputs(), y, batch_size=ROWS, verbose=0), expected, rtol=1e-5)
    assert_allclose(loss(y, model.predict(inputs(), verbose=0)), expected, rtol=1e-5)
    assert model.check_gradients(inputs(), y).max_relative_error < 1e-6
    assert losses.deserialize(losses.serialize(loss)).quantile == [0.1, 0.5, 0.9]
    with pytest.raises(ValueError, match="has 3 quantiles"):
        model_of(loss, engine, units=2).fit(inputs(), y, verbose=0)
    with pytest.raises(ValueError, match="has 3 quantiles"):
        loss(y, np.ones((ROWS, 2)))


# Weights of any sign, of elements, of classes


@ENGINES
@pytest.mark.parametrize("activation", ["softmax", None])
def test_advantages_as_targets_of_crossentropy(activation, engine):
    """The policy gradient: one-hot actions times advantages of any sign."""
    rng = np.random.default_rng(9)
    y = np.eye(3)[rng.integers(0, 3, ROWS)] * rng.normal(size=(ROWS, 1))
    loss = losses.CategoricalCrossentropy(from_logits=activation is None)
    model = model_of(loss, engine, activation=activation)
    p = model.predict(inputs(), verbose=0)
    if activation is None:
        p = np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)
    found = model.evaluate(inputs(), y, batch_size=ROWS, verbose=0)
    assert_allclose(found, -(y * np.log(p)).sum(axis=1).mean(), rtol=1e-5)
    assert model.check_gradients(inputs(), y).max_relative_error < 1e-6


def test_a_warning_tells_of_targets_that_are_no_probabilities():
    with pytest.warns(UserWarning, match=r"y_true holds 2, but .* expects probabilities in \[0, 1\]"):
        losses.BinaryCrossentropy()([[2.0]], [[0.5]])
    with pytest.warns(UserWarning, match=r"y holds -1, but .* expects probabilities"):
        model_of("binary_crossentropy", activation="sigmoid").evaluate(inputs(), np.full((ROWS, 3), -1), verbose=0)


@ENGINES
def test_a_warning_tells_of_a_softmax_of_one_unit(engine):
    model = model_of("mse", engine, 1, "softmax")
    with pytest.warns(UserWarning, match="softmax over an axis of size 1, which is always 1.*'sigmoid'") as caught:
        model.fit(inputs(), np.ones((ROWS, 1)), epochs=2, verbose=0)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(inputs(), np.ones((ROWS, 1)), epochs=2, verbose=0)


@ENGINES
def test_a_warning_tells_of_accuracy_of_several_labels(engine):
    y = np.random.default_rng(14).integers(0, 2, (ROWS, 3))
    model = model_of("binary_crossentropy", engine, activation="sigmoid", metrics=["accuracy"])
    with pytest.warns(UserWarning, match="metric 'accuracy' compares the largest label.*use 'binary_accuracy'"):
        model.fit(inputs(), y, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(inputs(), np.eye(3)[np.arange(ROWS) % 3], verbose=0)
        model_of("binary_crossentropy", engine, activation="sigmoid", metrics=["binary_accuracy"]).fit(
            inputs(), y, verbose=0
        )


def test_shapes_of_weights_and_predictions_that_keras_takes():
    y, p = np.array([0.0, 1, 1, 0, 0]), np.array([0.2, 0.1, 0.5, 0.0, 0.2])
    assert metrics.Precision(top_k=3)(y, p) == pytest.approx(1 / 3)
    assert metrics.Recall(top_k=3)(y, p) == pytest.approx(0.5)
    counts = metrics.TrueNegatives()
    counts.update_state(np.zeros((2, 3)), np.full((2, 3), 0.1), sample_weight=[[1.0, 2.0, 3.0]])
    assert counts.result() == 12
    assert losses.MeanSquaredError()([[1.0], [2.0]], [[0.0], [0.0]], sample_weight=[[1.0, 0.5]]) == 1.5
    assert losses.MeanSquaredError()([[1.0], [2.0]], [[0.0], [0.0]], sample_weight=[[1.0], [0.5]]) == 1.5
    with pytest.warns(UserWarning, match="weights are of type float.*int.*casting"):
        metrics.MeanIoU(2).update_state([0, 1], [0, 1], sample_weight=[0.5, 1.5])
    error = losses.FunctionLoss(lambda t, p: ((t - p) ** 2, 2 * (p - t)), reduction=None)(y, p)
    assert_allclose(error, (y - p) ** 2, rtol=1e-6)
    with pytest.raises(ValueError, match="Invalid value for argument `reduction`"):
        losses.MeanSquaredError(reduction="average")


@pytest.mark.parametrize("weight", [None, -1.0])
def test_an_optimizer_of_squares_refuses_what_makes_none(weight):
    """Missing targets and negative weights have no square root of a weighted error."""
    y = np.ones((ROWS, 3))
    loss = losses.MeanSquaredError(missing=None if weight else "ignore")
    model = model_of(loss)
    model.compile(cb.optimizers.LevenbergMarquardt(), loss)
    with pytest.raises(ValueError, match=r"missing targets|not negative"):
        model.fit(inputs(), y, sample_weight=None if weight is None else np.full(ROWS, weight), verbose=0)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_a_crossentropy_of_one_class_is_told(loss):
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1, activation="sigmoid")])
    with pytest.warns(SyntaxWarning, match="of one unit is always 0.*binary_crossentropy"):
        model.compile("sgd", loss)
