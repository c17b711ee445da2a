"""Metrics that sum over batches: kernels against twins, in training, on any number of threads, and mistakes."""

import importlib
import json
import warnings

import metric_cases
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, metrics
from cbackprop.engine.room import Room
from cbackprop.reference.metrics.tally import metric_twin

EACH_CASE = pytest.mark.parametrize(("name", "options", "make"), metric_cases.TALLIES, ids=metric_cases.IDS)
# Those that a network of 4 outputs can be judged by
IN_TRAINING = [case for case in metric_cases.TALLIES if case[2] is not metric_cases.numbers]
SAMPLES, BATCH = 333, 131


@pytest.fixture(autouse=True)
def quiet():
    """R2 scores of too few samples say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_every_metric_has_a_case():
    assert {name for name, _, _ in metric_cases.TALLIES} == metric_cases.all_tallies()


@EACH_CASE
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_kernel_agrees_with_twin(name, options, make, dtype, weighted, rng):
    metric = getattr(metrics, name)(**options)
    kernel = twin = None
    for y_true, y_pred, weights in metric_cases.batches(make, rng, weighted):
        y_pred = y_pred.astype(dtype)
        index = metric.target_kind == "index"
        y_true = y_true if index else y_true.astype(dtype)
        kernel = kernel or metric.tally(y_pred.shape[1], dtype)
        twin = twin or metric_twin(metric, y_pred.shape[1])
        w = None if weights is None else weights.astype(float) / 2
        (kernel.add_classes if index else kernel.add)(y_true, y_pred, w)
        twin.update(y_true, y_pred, w)
        assert_allclose(kernel.snapshot(), twin.snapshot(), rtol=1e-6 if dtype == "float32" else 1e-12)


@EACH_CASE
def test_config_round_trip(name, options, make, rng):
    metric = getattr(metrics, name)(**options)
    again = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
    assert again.get_config() == metric.get_config()
    y_true, y_pred = make(20, rng)
    assert_array_equal(again(y_true, y_pred), metric(y_true, y_pred))
    assert repr(metric).startswith(name + "(")


@EACH_CASE
def test_before_and_after_batches(name, options, make, rng):
    metric = getattr(metrics, name)(**options)
    before = metric.result()
    assert np.isfinite(before).all()
    metric.update_state(*make(20, rng))
    first = metric.result()
    metric.reset_state()
    assert_array_equal(metric.result(), before)
    metric.update_state(*make(5, np.random.default_rng(9)))
    saved = metric.snapshot()
    metric.update_state(*make(20, rng))
    metric.restore(saved)
    expected = getattr(metrics, name)(**options)(*make(5, np.random.default_rng(9)))
    assert_array_equal(metric.result(), expected)
    assert first.dtype == metric.float_type


@pytest.mark.parametrize("name", ["Precision", "AUC", "R2Score", "BinaryIoU"])
def test_weights_of_elements(name, rng):
    """A weight for each element is a batch of single elements with their weights."""
    options = {"dtype": "float64"}
    y_true, y_pred, w = next(iter(metric_cases.batches(metric_cases.labels, rng, True, True)))
    whole, single = getattr(metrics, name)(**options), getattr(metrics, name)(**options)
    found = whole(y_true, y_pred, w)
    if name == "R2Score":
        columns = [getattr(metrics, name)(**options)(y_true[:, [j]], y_pred[:, [j]], w[:, j]) for j in range(4)]
        assert_allclose(found, np.mean(columns))
    else:
        assert_allclose(found, single(y_true.ravel(), y_pred.ravel(), w.ravel()))


def test_equal_predictions_of_the_top_k():
    """Among equal predictions the first count, and NaN is never among the largest."""
    metric = metrics.TruePositives(0.0)
    metric.top_k = 2
    assert metric([[1, 1, 1, 1]], [[0.5, 0.5, 0.5, 0.5]]) == 2
    tally = metrics.Precision(top_k=3).tally(4, "float64")
    tally.add(np.ones((1, 4)), np.array([[np.nan, 1.0, np.nan, np.nan]]))
    assert tally.snapshot().sum() == 4


def test_predictions_of_a_network_that_diverged():
    """NaN and infinity count somewhere, and nothing breaks."""
    y_pred = np.array([[np.nan, np.inf, -np.inf, 1e300]])
    for name, options, _ in metric_cases.TALLIES:
        metric = getattr(metrics, name)(**options)
        tally = metric.tally(4, "float64")
        if metric.target_kind == "index":
            tally.add_classes(np.array([3]), y_pred)
        else:
            tally.add(np.ones((1, 4)), y_pred)


# In training


def trained(threads, engine="compiled", dtype="float32"):
    cb.config.set_floatx(dtype)
    cb.config.set_num_threads(threads)
    cb.utils.set_random_seed(1)
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(SAMPLES, 20)), np.eye(4)[rng.integers(4, size=SAMPLES)]
    w = rng.uniform(0.5, 2, size=SAMPLES)
    model = cb.Sequential([cb.Input((20,)), layers.Dense(20, activation="relu"), layers.Dense(4, activation="softmax")])
    cases = [case for case in IN_TRAINING if case[2] is not metric_cases.sparse]
    plain = [getattr(metrics, name)(name=f"m{i}", **options) for i, (name, options, _) in enumerate(cases)]
    weighted = [getattr(metrics, name)(name=f"w{i}", **options) for i, (name, options, _) in enumerate(cases)]
    model.compile("adam", "categorical_crossentropy", metrics=plain, weighted_metrics=weighted, engine=engine)
    history = model.fit(x, y, sample_weight=w, batch_size=BATCH, epochs=2, verbose=0, validation_split=0.1)
    logs = model.evaluate(x, y, sample_weight=w, batch_size=50, verbose=0, return_dict=True)
    p = model.predict(x, verbose=0)
    for i, (name, options, _) in enumerate(cases):
        alone = getattr(metrics, name)(**options)
        assert_allclose(logs[f"m{i}"], alone(y, p), rtol=1e-5, atol=1e-6, err_msg=name)
        alone.reset_state()
        assert_allclose(logs[f"w{i}"], alone(y, p, w), rtol=1e-5, atol=1e-6, err_msg=name)
    return np.concatenate([np.ravel(one) for values in history.history.values() for one in values])


@pytest.mark.parametrize("in_blocks", [False, True])
def test_same_numbers_on_any_number_of_threads(in_blocks, monkeypatch, every_step_is_shared):
    if in_blocks:
        monkeypatch.setattr(Room, "samples_of_block", lambda self: 48)
    alone = trained(1)
    for threads in (2, 3):
        assert_array_equal(trained(threads), alone)


def test_engines_agree():
    assert_allclose(trained(1, dtype="float64"), trained(1, "reference", "float64"), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_class_numbers_and_several_rows(engine, rng):
    """Targets that are class numbers, for a prediction at each of 3 places."""
    x, y = rng.normal(size=(50, 3, 5)), rng.integers(4, size=(50, 3))
    model = cb.Sequential([cb.Input((3, 5)), layers.Dense(4, activation="softmax")])
    metric = metrics.MeanIoU(4, sparse_y_pred=False, name="iou")
    model.compile(loss="sparse_categorical_crossentropy", metrics=[metric, "accuracy"], engine=engine)
    logs = model.evaluate(x, y, batch_size=7, verbose=0, return_dict=True)
    alone = metrics.MeanIoU(4, sparse_y_pred=False)
    assert logs["iou"] == pytest.approx(float(alone(y, model.predict(x, verbose=0))), rel=1e-6)


def test_arrays_in_logs_and_on_the_display(rng, capsys):
    model = cb.Sequential([cb.Input((5,)), layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "bce", metrics=[metrics.Precision(thresholds=[0.2, 0.5], name="p"), "auc"])
    x, y = rng.normal(size=(40, 5)), rng.integers(2, size=40)
    history = model.fit(x, y, epochs=2, validation_data=(x, y), verbose=2)
    assert [value.shape for value in history.history["val_p"]] == [(2,), (2,)]
    assert "p: [" in capsys.readouterr().out
    loss, *others = model.evaluate(x, y, verbose=0)
    assert others[0].shape == (2,)
    assert isinstance(others[1], float)
    assert isinstance(loss, float)


# Mistakes


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("Precision", {"thresholds": 1.5}, ValueError, "thresholds must be at least 0 and at most 1, but got 1.5"),
        ("Recall", {"thresholds": [0.5, -0.1]}, ValueError, "thresholds must be"),
        ("Recall", {"thresholds": []}, ValueError, "at least one threshold"),
        ("TruePositives", {"thresholds": "half"}, TypeError, "thresholds must be a number"),
        ("Precision", {"top_k": 0}, ValueError, "top_k must be at least 1"),
        ("Precision", {"class_id": -1}, ValueError, "class_id must be at least 0"),
        ("AUC", {"curve": "LIFT"}, ValueError, "curve must be one of"),
        ("AUC", {"summation_method": 3}, ValueError, "summation_method must be one of"),
        ("AUC", {"num_thresholds": 1}, ValueError, "num_thresholds must be at least 2"),
        ("AUC", {"num_labels": 3}, ValueError, "multi_label=True"),
        ("AUC", {"thresholds": [2]}, ValueError, "thresholds must be"),
        ("AUC", {"label_weights": [-1]}, ValueError, "label_weights must be at least 0"),
        ("PrecisionAtRecall", {"recall": 1.1}, ValueError, "recall must be"),
        ("RecallAtPrecision", {"precision": -1}, ValueError, "precision must be"),
        ("SensitivityAtSpecificity", {"specificity": 2}, ValueError, "specificity must be"),
        ("SpecificityAtSensitivity", {"sensitivity": 2}, ValueError, "sensitivity must be"),
        ("SpecificityAtSensitivity", {"sensitivity": 0.5, "num_thresholds": 0}, ValueError, "num_thresholds must be"),
        ("F1Score", {"average": "mean"}, ValueError, "average must be one of"),
        ("F1Score", {"threshold": 0}, ValueError, "threshold must be greater than 0"),
        ("F1Score", {"threshold": 1}, ValueError, r"threshold must be a float, but got 1 of type int: write 1\.0\."),
        ("FBetaScore", {"beta": 0}, ValueError, "beta must be greater than 0"),
        ("FBetaScore", {"beta": 2}, ValueError, r"beta must be a float, but got 2 of type int: write 2\.0\."),
        ("FBetaScore", {"threshold": "a"}, ValueError, "threshold must be a number"),
        ("IoU", {"num_classes": 2, "target_class_ids": [2]}, ValueError, "target_class_ids must be"),
        ("IoU", {"num_classes": 2, "target_class_ids": []}, ValueError, "at least one class"),
        ("IoU", {"num_classes": 2, "target_class_ids": 1}, TypeError, "must be a list of classes"),
        ("MeanIoU", {"num_classes": 0}, ValueError, "num_classes must be at least 1"),
        ("MeanIoU", {"num_classes": 2, "axis": 1}, ValueError, "axis must be -1"),
        ("MeanIoU", {"num_classes": 2, "dtype": "float16"}, ValueError, "dtype"),
        ("BinaryIoU", {"threshold": "a"}, TypeError, "threshold must be a number"),
        ("R2Score", {"class_aggregation": "sum"}, ValueError, "class_aggregation must be one of"),
        ("R2Score", {"num_regressors": -1}, ValueError, "num_regressors must be at least 0"),
    ],
)
def test_bad_arguments(name, options, error, message):
    with pytest.raises(error, match=message):
        getattr(metrics, name)(**options)


@EACH_CASE
def test_bad_batches_change_nothing(name, options, make, rng):
    metric = getattr(metrics, name)(**options)
    y_true, y_pred = make(10, rng)
    before = metric(y_true, y_pred)
    y_pred = y_pred.astype(float)
    wrong = np.where(np.arange(y_pred.size).reshape(y_pred.shape) == 3, np.nan, y_pred)
    for args, message in [
        ((y_true, wrong), "^y_pred must be finite"),
        ((y_true[:5], y_pred), "^y_true must"),
        ((y_true, y_pred, np.ones(9)), "^sample_weight must have one weight"),
        ((y_true * np.nan, y_pred), "^y_true must be finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            metric.update_state(*args)
    with pytest.raises(TypeError, match=r"^y_pred must hold real numbers"):
        metric.update_state(y_true, y_pred.astype(str))
    assert_array_equal(metric.result(), before)


def test_predictions_that_do_not_fit(rng):
    y = np.ones((3, 2, 2))
    for metric, message in [
        (metrics.F1Score(), "predictions with 2 axes"),
        (metrics.R2Score(), "predictions with 2 axes"),
        (metrics.AUC(multi_label=True), "predictions with 2 axes"),
        (metrics.Precision(top_k=3), "top_k is 3"),
        (metrics.Precision(class_id=2), "class_id is 2"),
        (metrics.OneHotMeanIoU(3), "num_classes is 3"),
        (metrics.AUC(label_weights=[1.0]), "label_weights has 1 entries"),
    ]:
        with pytest.raises(ValueError, match=message):
            metric.update_state(y, y)
        model = cb.Sequential([cb.Input((2, 2)), layers.Dense(2)])
        with pytest.raises(ValueError, match=message):
            model.compile(loss="mse", metrics=[metric])
    metric = metrics.F1Score()
    metric.update_state(np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="rows of 2 elements as before"):
        metric.update_state(np.ones((3, 4)), np.ones((3, 4)))


def test_kernel_checks_its_arrays():
    tally = metrics.Precision().tally(3, "float64")
    x = np.zeros((2, 3))
    for args, message in [
        ((x[:1], x), "does not fit"),
        ((x.astype("f"), x.astype("f")), "expected 'double' but got 'float'"),
        ((x[:, :2].copy(), x[:, :2].copy()), "width"),
        ((x, x, np.ones(3)), "weights do not fit"),
    ]:
        with pytest.raises(ValueError, match=message):
            tally.add(*args)
    with pytest.raises(ValueError, match="does not fit"):
        tally.add_classes(np.zeros(2, np.int64), x)
    with pytest.raises(ValueError, match="Expected 4 sums"):
        tally.restore(np.zeros(3))
    head = importlib.import_module("cbackprop.compiled.engine.head").Head
    with pytest.raises(ValueError, match="does not fit the output"):
        head(1, 4, None, "sum", 1.0, [tally])
