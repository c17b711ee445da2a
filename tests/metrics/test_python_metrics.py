"""Metrics of a user's own: classes and functions in Python, by themselves and in training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, metrics

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])


class Total(metrics.Metric):
    """Weighted sum of absolute errors. It keeps the arguments of its calls."""

    def __init__(self, name="total", fails_at=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.sum = self.add_weight(name="sum", dtype="float64")
        self.rows = self.add_variable((), "zeros", dtype="int64")
        self.calls = []
        self.fails_at = fails_at

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.calls.append((y_true, y_pred, sample_weight))
        if len(self.calls) == self.fails_at:
            raise ZeroDivisionError("on purpose")
        errors = np.abs(y_true - y_pred).sum(axis=-1)
        self.sum.assign_add(np.sum(errors if sample_weight is None else errors * sample_weight))
        self.rows += len(y_true)

    def result(self):
        return self.sum


class Several(Total):
    def result(self):
        return {"first": self.sum, "pair": np.array([1.0, 2.0])}


def error(y_true, y_pred):
    return np.abs(y_true - y_pred).sum(axis=-1)


def make(metric, engine="compiled", **options):
    cb.utils.set_random_seed(3)
    model = cb.Sequential([cb.Input((5,)), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[metric], engine=engine, **options)
    return model


def data(rng, samples=50):
    return rng.normal(size=(samples, 5)), rng.normal(size=(samples, 2)).astype("f"), rng.uniform(size=samples)


@EACH_ENGINE
def test_class_in_training(engine, rng):
    x, y, w = data(rng)
    plain, weighted = Total(), Total("weighted")
    model = make(plain, engine, weighted_metrics=[weighted])
    history = model.fit(x, y, batch_size=16, epochs=2, sample_weight=w, verbose=0, validation_data=(x, y)).history
    assert len(history["val_total"]) == 2
    assert [len(call[1]) for call in plain.calls[:4]] == [16, 16, 16, 2]
    assert all(call[2] is None for call in plain.calls)
    assert all(call[2] is not None and call[2].shape == call[0].shape[:1] for call in weighted.calls[:4])
    p = model.predict(x, verbose=0)
    logs = model.evaluate(x, y, sample_weight=w, verbose=0, return_dict=True)
    assert logs["total"] == pytest.approx(np.abs(y - p).sum(), rel=1e-5)
    assert logs["weighted"] == pytest.approx((np.abs(y - p).sum(axis=1) * w).sum(), rel=1e-5)


@EACH_ENGINE
@pytest.mark.parametrize("threads", [1, 2])
def test_arrays_stay_as_they_were(engine, threads, rng):
    """A metric may keep its arguments, and write to them."""
    cb.config.set_num_threads(threads)
    x, y, _ = data(rng)
    metric = Total()
    make(metric, engine).fit(x, y, batch_size=16, shuffle=False, verbose=0)
    assert_array_equal(np.concatenate([call[0] for call in metric.calls]), y)
    metric.calls[0][0][...] = 7
    metric.calls[0][1][...] = 7
    assert (y != 7).all()


@EACH_ENGINE
def test_validation_leaves_the_state_alone(engine, rng):
    """The metrics of an unfinished epoch go on after an evaluation."""
    x, y, _ = data(rng)
    seen = {}

    class Look(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen[batch] = logs["total"]
            self.model.evaluate(x, y, verbose=0)

    expected = make(Total(), engine).fit(x, y, batch_size=16, verbose=0, shuffle=False).history["total"]
    found = make(Total(), engine).fit(x, y, batch_size=16, verbose=0, shuffle=False, callbacks=[Look()])
    assert found.history["total"] == expected
    assert seen[0] < seen[3] == expected[0]


@EACH_ENGINE
@pytest.mark.parametrize("threads", [1, 3])
def test_exception_ends_fit(engine, threads, rng, every_step_is_shared):
    """The model is as the last finished step left it, and can be trained on."""
    cb.config.set_num_threads(threads)
    x, y, _ = data(rng, 200)
    metric = Total(fails_at=4)
    model = make(metric, engine)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        model.fit(x, y, batch_size=48, shuffle=False, verbose=0)
    assert model.optimizer.iterations == 3
    other = make(Total(), engine)
    other.fit(x[:144], y[:144], batch_size=48, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(ours, theirs)
    assert np.isfinite(model.fit(x, y, verbose=0).history["total"][0])


@EACH_ENGINE
def test_exception_ends_evaluate(engine, rng):
    x, y, _ = data(rng)
    model = make(Total(fails_at=2), engine)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        model.evaluate(x, y, batch_size=16, verbose=0)
    assert np.isfinite(model.evaluate(x, y, verbose=0)).all()


@EACH_ENGINE
def test_function_in_training(engine, rng):
    x, y, w = data(rng)
    model = make(error, engine, weighted_metrics=[error])
    logs = model.evaluate(x, y, sample_weight=w, batch_size=16, verbose=0, return_dict=True)
    errors = error(y, model.predict(x, verbose=0))
    assert logs["error"] == pytest.approx(errors.mean(), rel=1e-5)
    assert logs["weighted_error"] == pytest.approx((errors * w).sum() / w.sum(), rel=1e-5)


@EACH_ENGINE
def test_dicts_and_arrays(engine, rng):
    x, y, _ = data(rng)
    model = make(Several(), engine)
    history = model.fit(x, y, verbose=0, validation_data=(x, y)).history
    assert set(history) == {"loss", "first", "pair", "val_loss", "val_first", "val_pair"}
    loss, first, pair = model.evaluate(x, y, verbose=0)
    assert_array_equal(pair, [1.0, 2.0])
    assert first > 0
    assert loss > 0


@EACH_ENGINE
def test_class_numbers(engine, rng):
    """With a sparse loss a metric is given class numbers."""
    metric = metrics.MeanMetricWrapper(lambda t, p: p.argmax(-1) == t, name="right")
    model = cb.Sequential([cb.Input((3, 5)), layers.Dense(4, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", metrics=[metric, "accuracy"], engine=engine)
    x, y = rng.normal(size=(20, 3, 5)), rng.integers(4, size=(20, 3))
    logs = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    assert logs["right"] == pytest.approx(logs["accuracy"])


@EACH_ENGINE
@pytest.mark.parametrize("base", [metrics.BinaryAccuracy, metrics.Precision])
def test_subclass_of_a_compiled_metric(base, engine, rng):
    """What it does to a batch first is done in training too."""

    class Turned(base):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(1 - y_true, y_pred, sample_weight)

    x, y = rng.normal(size=(50, 5)), rng.integers(2, size=50)
    model = cb.Sequential([cb.Input((5,)), layers.Dense(1, activation="sigmoid")])
    model.compile(loss="bce", metrics=[Turned(name="turned")], engine=engine)
    found = model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)["turned"]
    assert found == pytest.approx(float(base()(1 - y, model.predict(x, verbose=0)[:, 0])))


def test_axis_of_a_correlation(rng):
    """Along the batch: batch by batch, in Python."""
    x, y, _ = data(rng)
    model = make(metrics.PearsonCorrelation(axis=0, name="r"))
    found = model.evaluate(x, y, batch_size=50, verbose=0, return_dict=True)["r"]
    p = model.predict(x, verbose=0)
    assert found == pytest.approx(np.mean([np.corrcoef(y[:, j], p[:, j])[0, 1] for j in range(2)]), rel=1e-5)


def test_no_metric_is_called_for_a_gradient_check(rng):
    x, y, _ = data(rng, 4)
    metric = Total()
    model = make(metric)
    model.check_gradients(x, y)
    assert metric.calls == []


# Variables


def test_variables():
    metric = Total()
    assert [variable.dtype for variable in metric.variables] == ["float64", "int64"]
    metric(np.ones((2, 2)), np.zeros((2, 2)))
    assert float(metric.sum) == 4
    assert int(metric.rows) == 2
    assert metric.sum + 1 == 5
    assert 8 / metric.sum == 2
    assert np.sqrt(metric.sum) == 2
    assert metric.sum > 3
    metric.sum.assign_sub(1)
    metric.sum *= 2
    assert metric.sum.value == 6
    assert metric.variables[0] is metric.sum
    metric.reset_state()
    assert metric.sum == 0
    assert metric.rows == 0


def test_variables_of_metrics_within():
    class Two(metrics.Metric):
        def __init__(self):
            super().__init__()
            self.a, self.b = metrics.Mean(), metrics.Sum()

        def update_state(self, y_true, y_pred):
            self.a.update_state(y_pred)
            self.b.update_state(y_pred)

        def result(self):
            return {"a": self.a.result(), "b": self.b.result()}

    metric = Two()
    assert len(metric.variables) == 3
    assert metric([0.0], [3.0]) == {"a": 3.0, "b": 3.0}
    saved = metric.snapshot()
    metric.reset_state()
    assert metric.result() == {"a": 0.0, "b": 0.0}
    metric.restore(saved)
    assert metric.result() == {"a": 3.0, "b": 3.0}


def test_config_of_a_class():
    metric = Total("mine", fails_at=3)
    assert metric.get_config() == {"name": "mine", "fails_at": 3, "dtype": "float32"}
    assert Total.from_config(metric.get_config()).fails_at == 3
    assert "Total" in repr(metric)

    class Careless(metrics.Metric):
        def __init__(self, forgotten=1):
            super().__init__()

    assert "Careless" in repr(Careless())
    assert Careless().get_config() == {}


def test_config_of_a_wrapper():
    metric = metrics.MeanMetricWrapper(metrics.binary_accuracy, name="b", threshold=0.3)
    again = metrics.MeanMetricWrapper.from_config(metric.get_config())
    assert again([[1]], [[0.4]]) == metric([[1]], [[0.4]]) == 1
    own = metrics.MeanMetricWrapper(error).get_config()
    with pytest.raises(TypeError, match=r"Unknown function 'error'.*custom_objects=\{'error': "):
        metrics.MeanMetricWrapper.from_config(own)
    with cb.saving.custom_object_scope({"error": error}):
        assert metrics.MeanMetricWrapper.from_config(own).fn is error
    with pytest.raises(TypeError, match="has no name"):
        metrics.MeanMetricWrapper(lambda y_true, y_pred: y_pred).get_config()


# Mistakes


@EACH_ENGINE
def test_functions_that_return_nothing(engine, rng):
    x, y, _ = data(rng)
    model = make(lambda y_true, y_pred: None, engine)
    with pytest.raises(TypeError, match="must return numbers, but its function returned None"):
        model.fit(x, y, verbose=0)
    assert model.optimizer.iterations == 0


@EACH_ENGINE
def test_functions_of_another_number_of_arguments(engine, rng):
    x, y, _ = data(rng)
    with pytest.raises(TypeError, match="argument"):
        make(lambda y_true: 0.0, engine).evaluate(x, y, verbose=0)


def test_metrics_that_define_nothing(rng):
    metric = metrics.Metric()
    with pytest.raises(NotImplementedError, match="Metric does not define result"):
        metric.result()
    with pytest.raises(NotImplementedError, match="Metric does not define update_state"):
        metric([1], [1])


def test_results_that_are_no_numbers(rng):
    class Text(Total):
        def result(self):
            return "good"

    x, y, _ = data(rng)
    with pytest.raises(TypeError, match="result of metric 'total' must be numbers"):
        make(Text()).evaluate(x, y, verbose=0)


def test_bad_variables():
    metric = Total()
    with pytest.raises(ValueError, match=r"has shape \(\), but got \(2,\)"):
        metric.sum.assign([1, 2])
    with pytest.raises(TypeError, match="real numbers"):
        metric.add_variable((), "zeros", dtype="complex64")
    with pytest.raises(ValueError, match="Unknown initializer"):
        metric.add_variable((), "nothing")


def test_bad_values():
    with pytest.raises(TypeError, match="values must hold real numbers"):
        metrics.Mean()(["a"])
    with pytest.raises(ValueError, match="sample_weight must fit"):
        metrics.Sum()([1.0, 2.0], sample_weight=[1, 2, 3])
    with pytest.raises(TypeError, match="fn must be a function"):
        metrics.MeanMetricWrapper(3)


def test_a_model_is_not_used_by_its_own_metric(rng):
    """The model is in the middle of a batch then."""
    x, y, _ = data(rng)
    model = make(lambda y_true, y_pred: model.predict(x, verbose=0))
    with pytest.raises(RuntimeError, match="in the middle of a batch"):
        model.fit(x, y, verbose=0)
    assert_allclose(model.predict(x, verbose=0).shape, (50, 2))


@EACH_ENGINE
@pytest.mark.parametrize("value", [[], (), [[1.0], [2.0, 3.0]], None, "high", (0.0, np.zeros(2))], ids=str)
def test_functions_that_return_no_numbers(value, engine):
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[lambda y_true, y_pred: value], engine=engine)
    before = model.get_weights()
    with pytest.raises(
        (TypeError, ValueError), match=r"Metric '<lambda>' must return numbers, but its function return"
    ):
        model.fit(np.ones((3, 2)), np.zeros((3, 1)), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert_array_equal(a, b)
