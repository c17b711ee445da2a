"""Metrics that sum over batches, and means of any values, against those of Keras."""

import inspect
import warnings

import keras
import metric_cases
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cbackprop import metrics

EACH_CASE = pytest.mark.parametrize(("name", "options", "make"), metric_cases.TALLIES, ids=metric_cases.IDS)
KERAS_NAMES = keras.src.metrics.ALL_OBJECTS_DICT


def result(metric):
    return keras.ops.convert_to_numpy(metric.result())


@EACH_CASE
@pytest.mark.parametrize("weighted", [False, True])
def test_results_over_batches(name, options, make, weighted, rng):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    elementwise = make is metric_cases.numbers or name == "BinaryIoU"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that lose their fractions, and of R2 scores of few samples
        for y_true, y_pred, weights in metric_cases.batches(make, rng, weighted, elementwise):
            ours.update_state(y_true, y_pred, weights)
            theirs.update_state(y_true, y_pred, weights)
            found, expected = ours.result(), result(theirs)
            assert found.shape == expected.shape
            # Keras adds up float32 numbers
            assert_allclose(found, expected, rtol=4e-6, atol=1e-6)
    ours.reset_state()
    theirs.reset_state()
    y_true, y_pred = make(9, rng)
    ours.update_state(y_true, y_pred)
    theirs.update_state(y_true, y_pred)
    assert_allclose(ours.result(), result(theirs), rtol=4e-6, atol=1e-6)


@EACH_CASE
def test_configs_are_understood(name, options, make):
    theirs = getattr(keras.metrics, name)(**options)
    config = theirs.get_config()
    ours = getattr(metrics, name).from_config(config)
    found = ours.get_config()
    again = getattr(keras.metrics, name).from_config(found).get_config()
    for key, value in config.items():
        assert_same_value(found[key], value)
        assert_same_value(again[key], value)


def assert_same_value(found, value):
    """Keras makes weights of labels into a tensor of float32."""
    if hasattr(value, "detach"):
        assert_allclose(np.asarray(found), keras.ops.convert_to_numpy(value), rtol=1e-6)
    else:
        np.testing.assert_equal(found, value)


@pytest.mark.parametrize("name", sorted(metric_cases.all_tallies() | {"Mean", "Sum", "MeanMetricWrapper"}))
def test_arguments_and_defaults(name):
    ours = inspect.signature(getattr(metrics, name)).parameters.values()
    theirs = inspect.signature(getattr(keras.metrics, name)).parameters.values()
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]


def test_every_string_of_keras():
    """Every metric of Keras is here, under every string that Keras knows."""
    for key, thing in KERAS_NAMES.items():
        if thing is not keras.metrics.Metric:
            assert metrics.registry.find(key).__name__ == thing.__name__, key
    functions = [name for name in dir(keras.metrics) if name.islower() and callable(getattr(keras.metrics, name))]
    assert set(functions) <= set(metrics.__all__)


@pytest.mark.parametrize("name", ["Sum", "Mean"])
@pytest.mark.parametrize(
    ("shape", "weights"),
    [((4,), None), ((4, 3), None), ((4, 3, 2), (4,)), ((4, 3), (4, 1)), ((4, 3), (4, 3)), ((4,), (4, 1)), ((), None)],
)
def test_reductions(name, shape, weights, rng):
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for _ in range(2):
        values, w = rng.normal(size=shape), None if weights is None else rng.uniform(size=weights)
        ours.update_state(values, sample_weight=w)
        theirs.update_state(values, sample_weight=w)
        assert_allclose(ours.result(), result(theirs), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_of_a_function(weighted, rng):
    def error(y_true, y_pred, power=1):
        return abs(y_true - y_pred) ** power

    ours, theirs = (m.MeanMetricWrapper(error, power=2) for m in (metrics, keras.metrics))
    for y_true, y_pred, w in metric_cases.batches(metric_cases.values, rng, weighted):
        ours.update_state(y_true, y_pred, w)
        theirs.update_state(keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred), w)
        assert_allclose(ours.result(), result(theirs), rtol=2e-6)


def test_fit_gives_the_logs_of_keras(rng):
    """The same network on the same batches: metrics and weighted metrics of an evaluation."""
    x, w = rng.normal(size=(70, 5)).astype("f"), rng.integers(1, 4, size=70).astype("f")
    y = np.eye(4, dtype="f")[rng.integers(4, size=70)]
    logs, start = [], None
    for library, names in ((keras, keras.metrics), (__import__("cbackprop"), metrics)):
        model = library.Sequential([library.Input((5,)), library.layers.Dense(4, activation="softmax")])
        start = start or model.get_weights()
        model.set_weights(start)
        chosen = [
            [names.AUC(name="auc"), names.Recall(thresholds=[0.2, 0.4], name="recall"), names.F1Score(name="f1"), "mse"]
            for _ in range(2)
        ]
        model.compile("sgd", "categorical_crossentropy", metrics=chosen[0], weighted_metrics=chosen[1])
        model.fit(x, y, batch_size=16, shuffle=False, verbose=0, sample_weight=w)
        logs.append(model.evaluate(x, y, batch_size=16, verbose=0, sample_weight=w, return_dict=True))
    assert list(logs[0]) == list(logs[1])
    for name, value in logs[0].items():
        assert_allclose(logs[1][name], keras.ops.convert_to_numpy(value), rtol=2e-5, err_msg=name)
