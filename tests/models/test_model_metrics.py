"""model.metrics, as in Keras: the mean of the loss, the metrics of `compile`, and the means of outputs' losses."""

import copy
import math
import pickle

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, metrics

X, Y = np.linspace(-1, 1, 24).reshape(8, 3), np.linspace(0, 1, 8).reshape(8, 1)
ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])


def small(engine="compiled", **kwargs):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", **({"metrics": ["mae"]} | kwargs), engine=engine)
    return model


def names(model):
    return [metric.name for metric in model.metrics]


@pytest.mark.parametrize("built", [False, True])
def test_what_is_listed(built):
    model = cb.Sequential([*([cb.Input((3,))] if built else []), layers.Dense(1)])
    assert model.metrics == []
    model.compile("sgd", "mse")
    assert names(model) == ["loss"]
    model.compile("sgd", "mse", metrics=["mae", metrics.AUC()])
    assert names(model) == ["loss", "compile_metrics"]
    assert model.metrics == model.metrics
    assert [metric.name for metric in model.metrics[1].metrics] == (["mae", "auc"] if built else [])
    assert model.metrics[1].built == built
    assert model.metrics[1].result() == ({"mae": 0.0, "auc": 0.0} if built else {})
    model.compile("sgd", "mse", weighted_metrics=[])
    assert names(model) == ["loss", "compile_metrics"]


@ENGINES
def test_results_are_those_of_the_last_run(engine):
    model = small(engine)
    history = model.fit(X, Y, epochs=3, verbose=0).history
    loss, rest = model.metrics
    assert loss.result() == pytest.approx(history["loss"][-1])
    assert rest.result() == {"mae": pytest.approx(history["mae"][-1])}
    evaluated = model.evaluate(X[:4], Y[:4], verbose=0)
    assert [loss.result(), rest.result()["mae"]] == pytest.approx(evaluated)
    assert len(model.metrics_variables) == 4
    model.reset_metrics()
    assert loss.result() == rest.result()["mae"] == 0
    rest.update_state(Y, Y + 2)
    assert rest.result() == {"mae": pytest.approx(2.0)}
    loss.reset_state()
    rest.reset_state()
    assert rest.result() == {"mae": 0.0}


@ENGINES
def test_batches_of_fit_see_means_so_far(engine):
    seen = []

    class Look(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((self.model.metrics[0].result(), logs["loss"]))

    small(engine).fit(X, Y, batch_size=4, callbacks=[Look()], verbose=0)
    assert len(seen) == 2
    assert all(ours == pytest.approx(logged) for ours, logged in seen)


@ENGINES
def test_losses_of_outputs(engine):
    x = cb.Input((3,))
    model = cb.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)])
    model.compile("sgd", ["mse", "mae"], engine=engine)
    assert names(model) == ["loss", "a_loss", "b_loss"]
    history = model.fit(X, [Y, Y], verbose=0).history
    assert {metric.name: metric.result() for metric in model.metrics} == {
        name: pytest.approx(values[-1]) for name, values in history.items()
    }
    model.compile("sgd", ["mse", None], engine=engine)
    assert names(model) == ["loss"]


def test_a_model_within_a_model_keeps_its_metrics_to_itself():
    inner = small()
    x = cb.Input((3,))
    outer = cb.Model(x, layers.Dense(1)(inner(x)))
    assert outer.metrics == []
    outer.compile("sgd", "mse", metrics=["mse"])
    assert names(outer) == names(inner) == ["loss", "compile_metrics"]
    assert not set(outer.metrics) & set(inner.metrics)
    outer.fit(X, Y, verbose=0)
    assert inner.metrics[0].result() == 0


def test_a_model_within_a_layer_keeps_its_metrics_to_itself():
    class Holder(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner, self.error = small(metrics=[metrics.MeanAbsoluteError()]), metrics.Mean("error")

        def call(self, x):
            return x

    holder = Holder()
    assert [metric.name for metric in holder.metrics] == ["error"]
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.seen = metrics.Sum("seen")
    model.compile("sgd", "mse")
    assert names(model) == ["loss", "seen"]


def test_metrics_of_layers_are_listed_last():
    class Counting(layers.Layer):
        def __init__(self):
            super().__init__()
            self.seen = metrics.Sum("seen")

        def call(self, x):
            return x

        def backward(self, inputs, outputs, delta):
            return delta

    model = cb.Sequential([cb.Input((3,)), Counting(), layers.Dense(1)])
    assert names(model) == ["seen"]
    model.compile("sgd", "mse", metrics=["mae"])
    assert names(model) == ["loss", "compile_metrics", "seen"]
    assert model.metrics_names == ["loss", "mae", "seen"]


class Seen(layers.Layer):
    """Counts samples, and takes the mean of its inputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.count, self.parts = metrics.Sum("count"), [metrics.Mean("all"), {"first": metrics.Mean("first")}]

    def call(self, x):
        self.count.update_state(np.ones(len(x)))
        self.parts[0].update_state(x)
        self.parts[1]["first"].update_state(x[:, 0])
        return x


@ENGINES
@pytest.mark.parametrize("nested", [False, True])
def test_metrics_of_layers_are_in_the_logs_and_begin_anew(nested, engine):
    layer = Seen()
    block = cb.Sequential([cb.Input((3,)), layer]) if nested else layer
    model = cb.Sequential([cb.Input((3,)), block, layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    so_far = []

    class Watch(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            so_far.append(logs["count"])

    validation = {"validation_data": (X[:3], Y[:3])}
    history = model.fit(X, Y, batch_size=5, epochs=2, callbacks=[Watch()], verbose=0, **validation).history
    assert history["count"] == [8, 8]
    assert history["val_count"] == [3, 3]
    assert history["all"] == pytest.approx([X.mean()] * 2)
    assert history["first"] == pytest.approx([X[:, 0].mean()] * 2)
    assert history["val_all"] == pytest.approx([X[:3].mean()] * 2)
    assert so_far == [5, 8, 5, 8]
    assert model.evaluate(X, Y, verbose=0)[1:] == pytest.approx([8, X.mean(), X[:, 0].mean()])
    assert model.metrics_names == ["loss", "count", "all", "first"]
    assert model.train_on_batch(X, Y, return_dict=True)["count"] == 8
    assert model.test_on_batch(X[:2], Y[:2], return_dict=True)["count"] == 2
    assert model.get_metrics_result()["count"] == 2
    model.reset_metrics()
    assert model.get_metrics_result() == {"loss": 0.0, "count": 0.0, "all": 0.0, "first": 0.0}


@ENGINES
def test_a_metric_of_a_layer_can_be_watched(engine):
    model = cb.Sequential([cb.Input((3,)), Seen(), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    stop = cb.callbacks.EarlyStopping("count", mode="max", patience=2)
    assert len(model.fit(X, Y, epochs=9, callbacks=[stop], verbose=0).epoch) == 3


@pytest.mark.parametrize("within", [lambda metric: metric, lambda metric: [metric], lambda metric: {"a": (metric,)}])
def test_metrics_given_to_a_layer_of_this_library(within):
    """They are found, although such layers are not searched unless they are given something of that kind."""
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2), layers.Dense(1)])
    first, second = cb.metrics.Mean("first"), cb.metrics.Mean("second")
    model.layers[0].seen = within(first)
    model.compile("sgd", "mse")
    assert first in model.metrics
    assert second not in model.metrics
    model.layers[1].seen = within(second)
    assert second in model.metrics
    assert copy.deepcopy(model).metrics[-1].name == "second"
    logs = model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0).history
    assert list(logs) == ["first", "loss", "second"]


@ENGINES
def test_compiled_anew_they_are_others(engine):
    model = small(engine)
    model.fit(X, Y, verbose=0)
    before = model.metrics
    model.compile("sgd", "mse", metrics=["mse"], engine=engine)
    assert model.metrics[0].result() == 0
    assert not set(before) & set(model.metrics)
    assert model.get_metrics_result() == {"loss": 0.0, "mse": 0.0}


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_its_own(duplicate):
    model = small()
    model.fit(X, Y, verbose=0)
    kept = model.metrics[0].result()
    other = duplicate(model)
    assert not set(other.metrics) & set(model.metrics)
    other.fit(X + 5, Y, verbose=0)
    assert model.metrics[0].result() == kept != other.metrics[0].result()
    assert other.metrics[1].metrics[0] is not model.metrics[1].metrics[0]


def test_variables_of_a_pickle_that_may_not_be_written_to_are_copied():
    metric = metrics.MeanAbsoluteError()
    metric.update_state(Y, Y + 1)
    for variable in metric.variables:
        variable._values.flags.writeable = False
    metric.update_state(Y, Y + 3)
    assert metric.result() == pytest.approx(2.0)


def test_a_loss_that_is_no_number():
    model = small()
    model.compile(cb.optimizers.SGD(1e30), "mse")
    with pytest.warns(RuntimeWarning, match="diverged"):
        model.fit(X, Y, batch_size=1, epochs=3, verbose=0)
    assert not math.isfinite(model.metrics[0].result())


def test_the_holder_has_no_config():
    with pytest.raises(NotImplementedError, match=r"has no config: see Model\.get_compile_config"):
        small().metrics[1].get_config()


def of_two_outputs(**settings):
    x = cb.Input((3,))
    model = cb.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)])
    model.compile("sgd", "mse", **settings)
    return model


MAE = metrics.MeanAbsoluteError()
TWICE = {
    "outputs": ({"metrics": [[MAE], [MAE]]}, "in metrics of output 'a' and in metrics of output 'b'"),
    "by name": ({"metrics": {"a": MAE, "b": MAE}}, "in metrics of output 'a' and in metrics of output 'b'"),
    "weighted": (
        {"metrics": [[MAE], []], "weighted_metrics": [[MAE], []]},
        "in metrics of output 'a' and in weighted_metrics of output 'a'",
    ),
    "one output": ({"metrics": [[], [MAE, MAE]]}, "in metrics of output 'b' and in metrics of output 'b'"),
}


@pytest.mark.parametrize("name", TWICE)
def test_one_object_for_several_metrics(name):
    """Keras adds up the values of all of them, so that none of the numbers matches its name."""
    settings, places = TWICE[name]
    with pytest.raises(ValueError, match=f"metric 'mean_absolute_error' is one object, but given twice: {places}"):
        of_two_outputs(**settings)


@ENGINES
def test_one_object_that_computes_in_python_is_shared_as_in_keras(engine):
    class Rows(metrics.Metric):
        def __init__(self):
            super().__init__(name="rows")
            self.count = self.add_weight(shape=(), initializer="zeros", name="count")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.count.assign_add(len(y_true))

        def result(self):
            return self.count

    shared = Rows()
    logs = of_two_outputs(metrics=[[shared], [shared]], engine=engine).evaluate(X, [Y, Y], verbose=0, return_dict=True)
    assert logs["a_rows"] == logs["b_rows"] == 16
    logs = of_two_outputs(metrics=[[Rows()], [Rows()]], engine=engine).evaluate(X, [Y, Y], verbose=0, return_dict=True)
    assert logs["a_rows"] == logs["b_rows"] == 8


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_loss_and_metrics_are_attributes(engine):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    assert (model.loss, model.metrics) == (None, [])
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=[cb.metrics.MeanSquaredError()], engine=engine)
    assert model.loss == "mse"
    assert [metric.name for metric in model.metrics] == ["loss", "compile_metrics"]
    assert [metric.name for metric in model.metrics[1].metrics] == ["mae", "mean_squared_error"]
    x, y = np.ones((6, 3)), np.zeros((6, 2))
    history = model.fit(x, y, epochs=2, verbose=0).history
    last = {name: pytest.approx(values[-1]) for name, values in history.items()}
    assert model.metrics[0].result() == last.pop("loss")
    assert model.metrics[1].result() == last
    a, b = cb.Input((3,)), layers.Dense(1, name="v")
    two = cb.Model(a, [layers.Dense(2, name="u")(a), b(a)])
    losses = {"u": "mse", "v": cb.losses.Huber()}
    two.compile("sgd", losses, metrics={"v": ["mae"]})
    assert two.loss == losses
    assert [metric.name for metric in two.metrics] == ["loss", "compile_metrics", "u_loss", "v_loss"]
    assert [metric.name for metric in two.metrics[1].metrics] == ["mae"]
