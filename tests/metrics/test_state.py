"""The variables of metrics: Keras's names and order, and metrics within metrics."""

import copy
import pickle

import numpy as np
import pytest
from metric_cases import IDS, TALLIES
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import metrics

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])
ROW_MEANS = {name: cls for name, cls in metrics.registry if issubclass(cls, metrics.RowMean)}
FOUR = "true_positives false_positives true_negatives false_negatives"
SCORE = "true_positives false_positives false_negatives intermediate_weights"
# The names of the variables after a batch, as Keras 3.15 has them.
NAMES = {
    **dict.fromkeys(("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"), "accumulator"),
    "Precision": "true_positives false_positives",
    "Recall": "true_positives false_negatives",
    **dict.fromkeys(("SensitivityAtSpecificity", "SpecificityAtSensitivity"), FOUR),
    **dict.fromkeys(("PrecisionAtRecall", "RecallAtPrecision", "AUC"), FOUR),
    **dict.fromkeys(("FBetaScore", "F1Score"), SCORE),
    **dict.fromkeys(("IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU", "BinaryIoU"), "total_confusion_matrix"),
    "R2Score": "num_samples squared_sum sum residual count",
}


@pytest.mark.parametrize("name", ROW_MEANS)
def test_means_of_rows_have_a_total_and_a_count(name):
    variables = ROW_MEANS[name]().variables
    assert [variable.name for variable in variables] == ["total", "count"]
    assert [variable.shape for variable in variables] == [(), ()]


@pytest.mark.parametrize(("name", "options", "make"), TALLIES, ids=IDS)
def test_sums_are_variables(name, options, make, rng):
    """The result is computed from the variables. The variables of two metrics add up to those for all batches."""
    one, other, both = (getattr(metrics, name)(**options) for _ in range(3))
    first, second = make(20, rng), make(30, rng)
    one.update_state(*first)
    other.update_state(*second)
    both.update_state(*first)
    both.update_state(*second)
    assert " ".join(variable.name for variable in both.variables) == NAMES[name]
    for mine, theirs, all_of_them in zip(one.variables, other.variables, both.variables, strict=True):
        mine.assign_add(theirs.numpy())
        assert_allclose(mine.numpy(), all_of_them.numpy(), rtol=1e-12, atol=1e-12)
    assert_allclose(one.result(), both.result(), rtol=1e-6)
    for variable in one.variables:
        variable.assign(np.zeros(variable.shape))
    fresh = getattr(metrics, name)(**options)
    assert_array_equal(one.result(), fresh.result())


@pytest.mark.parametrize(("name", "options", "make"), TALLIES, ids=IDS)
def test_copies_and_snapshots_carry_the_state(name, options, make, rng):
    metric = getattr(metrics, name)(**options)
    metric.update_state(*make(20, rng))
    twins = copy.deepcopy(metric), pickle.loads(pickle.dumps(metric)), getattr(metrics, name)(**options)
    twins[2].restore(metric.snapshot())
    metric.update_state(*(batch := make(20, rng)))
    for twin in twins:
        twin.update_state(*batch)
        assert_array_equal(twin.result(), metric.result())
        assert all(variable.numpy().any() for variable in twin.variables[:1])


def test_the_matrix_and_the_counts_are_attributes():
    iou = metrics.MeanIoU(3)
    iou.update_state([0, 1, 2, 2], [0, 1, 1, 2])
    assert iou.total_cm.numpy().tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    auc = metrics.AUC(num_thresholds=3)
    auc.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    assert auc.true_positives.numpy().tolist() == [2, 1, 0]
    assert auc.false_negatives.numpy().tolist() == [0, 1, 2]
    assert metrics.AUC(multi_label=True, num_labels=2, num_thresholds=5).true_positives.shape == (5, 2)
    assert metrics.AUC(multi_label=True).variables == []


class Wrapper(metrics.Metric):
    """The mean absolute error, by a metric inside; in a list and a dict two more that count."""

    def __init__(self, name="wrapper", **kwargs):
        super().__init__(name=name, **kwargs)
        self.own = self.add_weight(name="own")
        self.inner = metrics.MeanAbsoluteError()
        self.others = [metrics.Sum(), {"deep": metrics.R2Score()}]

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.inner.update_state(y_true, y_pred, sample_weight)
        self.others[0].update_state(np.ones(len(y_pred)))
        self.others[1]["deep"].update_state(y_true, y_pred)
        self.own.assign_add(1.0)

    def result(self):
        r2 = self.others[1]["deep"].result()
        return {"error": self.inner.result(), "rows": self.others[0].result(), "r2": r2, "batches": self.own}


def test_metrics_inside_of_a_metric_are_forgotten_with_it():
    metric = Wrapper()
    names = ["own", "total", "count", "total", "num_samples"]
    assert [variable.name for variable in metric.variables] == names
    metric.update_state([[1.0], [2.0]], [[2.0], [4.0]])
    assert float(metric.inner.result()) == 1.5
    metric.reset_state()
    assert all(not variable.numpy().any() for variable in metric.variables)
    metric.update_state([[1.0], [2.0]], [[1.5], [2.5]])
    result = metric.result()
    assert (float(result["error"]), float(result["rows"]), float(result["batches"])) == (0.5, 2.0, 1.0)


@EACH_ENGINE
def test_metrics_inside_of_a_metric_in_fit(engine, rng):
    """For each epoch and for validation data, they give the same results as the same metrics alone."""
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 1))
    model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[Wrapper(), "mae", "r2_score"], engine=engine)
    history = model.fit(x, y, epochs=3, batch_size=8, validation_data=(x[:10], y[:10]), verbose=0).history
    assert history["rows"] == [40] * 3
    assert history["batches"] == [5] * 3
    assert history["val_rows"] == [10] * 3
    for prefix in ("", "val_"):
        assert_allclose(history[prefix + "error"], history[prefix + "mae"], rtol=1e-6)
        assert_allclose(history[prefix + "r2"], history[prefix + "r2_score"], rtol=1e-5, atol=1e-6)


@EACH_ENGINE
def test_an_evaluation_within_an_epoch_leaves_metrics_inside_of_metrics_alone(engine, rng):
    x, y = rng.normal(size=(24, 3)), rng.normal(size=(24, 1))

    class Look(cb.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.evaluate(x, y, verbose=0)

    def run(callbacks):
        cb.utils.set_random_seed(0)
        model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=[Wrapper()], engine=engine)
        return model.fit(x, y, epochs=2, batch_size=8, verbose=0, callbacks=callbacks).history

    assert run([Look()]) == run([])


@pytest.mark.parametrize("curve", ["ROC", "PR", "PRGAIN"])
def test_the_area_under_no_curve_is_nan(curve):
    metric = metrics.AUC(curve=curve)
    assert metric.result() == 0
    with pytest.warns(UserWarning, match="needs labels of both classes"):
        assert np.isnan(metric([0, 0], [0.2, 0.7]))
    assert np.isfinite(metric([1, 0], [0.9, 0.7]))
    if curve != "PR":
        metric.reset_state()
        with pytest.warns(UserWarning, match="'auc' is NaN"):
            assert np.isnan(metric([1, 1], [0.2, 0.7]))
    labels = metrics.AUC(curve=curve, multi_label=True)
    with pytest.warns(UserWarning, match="needs labels of both classes"):
        assert np.isnan(labels([[0, 1], [0, 0]], [[0.2, 0.7], [0.1, 0.3]]))
