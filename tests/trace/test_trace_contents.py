"""Contents of traces: the page's numbers, every kind of network, every optimizer; and refusals."""

import time

import numpy as np
import pytest
import random_models
from traced_models import SAMPLES, assert_same_step, state_of, xor_model

import cbackprop as cb
from cbackprop import layers, optimizers

ENGINES = ["compiled", "reference"]


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_of_the_page_on_backpropagation(engine):
    """By hand, in NumPy."""
    model, x, y = xor_model(engine=engine)
    trace = model.trace(x, y)
    w1, b1, w2, b2 = model.get_weights()
    z1 = x @ w1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ w2 + b2
    a2 = 1 / (1 + np.exp(-z2))
    above2 = (a2 - y) / (a2 * (1 - a2)) / 4
    delta2 = (a2 - y) / 4
    above1 = delta2 @ w2.T
    delta1 = above1 * (1 - a1**2)
    hidden, output = trace["hidden"], trace["output"]
    expected = [
        (hidden.z, z1), (hidden.a, a1), (hidden.slope, 1 - a1**2), (hidden.above, above1), (hidden.delta, delta1),
        (output.z, z2), (output.a, a2), (output.slope, a2 * (1 - a2)), (output.above, above2), (output.delta, delta2),
        (hidden.weight("kernel").gradient, x.T @ delta1), (hidden.weight("bias").gradient, delta1.sum(0)),
        (output.weight("kernel").gradient, a1.T @ delta2), (output.weight("kernel").step, -0.5 * a1.T @ delta2),
        (output.inputs[0], a1), (hidden.inputs[0], x), (trace.outputs[0].prediction, a2),
        (trace.outputs[0].samples, -(y * np.log(a2) + (1 - y) * np.log(1 - a2)).ravel()),
    ]  # fmt: skip
    for found, right in expected:
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-15)
    assert output.linked
    assert output.derived == ("slope", "above")
    assert not hidden.linked
    assert trace.loss == pytest.approx(trace.outputs[0].samples.mean(), rel=1e-12)
    assert trace.loss == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-12)
    trace.apply()
    assert trace.loss_after == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-12)


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "schedule": lambda: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
    "adam": lambda: optimizers.Adam(0.01),
    "clipped": lambda: optimizers.Adam(0.01, global_clipnorm=0.01, weight_decay=0.1),
    "average": lambda: optimizers.Adam(0.01, use_ema=True),
    "accumulating": lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "rmsprop": lambda: optimizers.RMSprop(0.01, centered=True, momentum=0.5),
    "plain rmsprop": lambda: optimizers.RMSprop(0.01),
    "adafactor": lambda: optimizers.Adafactor(0.01),
    "muon": lambda: optimizers.Muon(0.01),
    "lamb": lambda: optimizers.Lamb(0.01),
    "lbfgs": lambda: optimizers.LBFGS(),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_step_of_every_optimizer(make, engine):
    """Also after some steps, of which the optimizer remembers something."""
    model, x, y = xor_model(make(), "float32", engine=engine)
    for _ in range(3):
        model.train_on_batch(x, y)
        trace = model.trace(x, y, training=True)
        assert "hidden/kernel[0,1]" not in trace.explain(weight="hidden/kernel[0,1]")
    if not isinstance(model.optimizer, optimizers.LBFGS):  # whose memory is in no state that can be set
        assert_same_step(model, x, y, sample_weight=np.array([1.0, 2.0, 0.5, 1.0]))
    start = state_of(model)
    trace = model.trace(x, y, training=True)
    assert state_of(model) == start
    trace.apply()
    for variable in model.variables:
        assert variable.numpy().tobytes() == trace.weights[variable.path].after.tobytes()


@pytest.mark.parametrize("engine", ENGINES)
def test_dropout_draws_as_the_next_batch(engine):
    cb.utils.set_random_seed(1)
    model = cb.Sequential([cb.Input((6,)), layers.Dropout(0.5), layers.BatchNormalization(), layers.Dense(1)])
    model.compile("adam", "mse", engine=engine)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 6)), rng.normal(size=(8, 1))
    assert_same_step(model, x, y)
    active, inactive = model.trace(x, y, training=True), model.trace(x, y)
    assert (active["dropout"].a == 0).any()
    np.testing.assert_array_equal(inactive["dropout"].a, inactive["dropout"].inputs[0])
    inactive.apply()
    assert model.optimizer.iterations == 3


@pytest.mark.parametrize("engine", ENGINES)
def test_shared_nested_several_inputs_and_outputs(engine):
    a, b = cb.Input((3,), name="a"), cb.Input((3,), name="b")
    inner = cb.Input((3,))
    encoder = cb.Model(inner, layers.Dense(2, "tanh", name="code")(inner), name="encoder")
    shared = layers.Dense(4, "relu", name="shared")
    first, second = shared(encoder(a)), shared(encoder(b))
    outputs = {
        "sum": layers.Dense(1, name="sum")(first + second),
        "class": layers.Dense(3, "softmax", name="class")(first),
    }
    model = cb.Model([a, b], outputs)
    losses = {"sum": "mae", "class": "categorical_crossentropy"}
    model.compile("adam", losses, loss_weights={"sum": 2.0, "class": 0.5}, engine=engine)
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(SAMPLES, 3)) for _ in range(2)]
    y = {"sum": rng.normal(size=(SAMPLES, 1)), "class": np.eye(3)[[0, 1, 2, 1, 0]]}
    trace = model.trace(x, y)
    assert [layer.title for layer in trace.layers if layer.calls > 1] == [
        "encoder/code (call 0)", "shared (call 0)", "encoder/code (call 1)", "shared (call 1)",
    ]  # fmt: skip
    np.testing.assert_array_equal(trace["shared", 0].inputs[0], trace["code", 0].a)
    assert trace["code", 1].sources == ["b"]
    per_call = [trace["shared", k].inputs[0].T @ trace["shared", k].delta for k in (0, 1)]
    np.testing.assert_allclose(trace["shared", 0].weight("kernel").gradient, sum(per_call), rtol=1e-5, atol=1e-7)
    named = {output.name: output for output in trace.outputs}
    weighted = 2.0 * named["sum"].mean + 0.5 * named["class"].mean
    assert trace.loss == pytest.approx(weighted, rel=1e-6)
    assert named["sum"].mean == pytest.approx(named["sum"].samples.mean(), rel=1e-6)
    assert "shared:1/delta" in trace.to_dict()
    assert_same_step(model, x, y)
    with pytest.raises(ValueError, match="called 2 times: give the number of the call"):
        trace["shared"]
    with pytest.raises(ValueError, match="must be at most 1, but is 2"):
        trace["shared", 2]
    for text in (str(trace), trace.to_latex(), trace._repr_html_()):
        assert "shared" in text or "W_" in text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_time_steps_of_recurrent_layers(kind, engine):
    """The last state is the output, and the deltas of all steps make the gradient of the kernel."""
    model = cb.Sequential([cb.Input((4, 3)), getattr(layers, kind)(2, name="cell"), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    rng = np.random.default_rng(0)
    trace = model.trace(rng.normal(size=(SAMPLES, 4, 3)), rng.normal(size=(SAMPLES, 1)))
    cell = trace["cell"]
    np.testing.assert_allclose(cell.times["h"][:, -1], cell.a, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cell.times["h"][:, :-1], cell.times["h before"][:, 1:], rtol=1e-6)
    made = np.einsum("stf,stw->fw", cell.inputs[0], cell.times["delta"])
    np.testing.assert_allclose(cell.weight("kernel").gradient, made, rtol=1e-4, atol=1e-6)


def test_states_that_last_stay():
    model = cb.Sequential([cb.Input((2, 1), batch_size=3), layers.LSTM(2, stateful=True), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((3, 2, 1)), np.ones((3, 1))
    model.train_on_batch(x, y)
    before = [state.numpy() for state in model.layers[0].states]
    trace = model.trace(x, y, training=True)
    for state, array in zip(before, model.layers[0].states, strict=True):
        np.testing.assert_array_equal(state, array.numpy())
    np.testing.assert_array_equal(trace.layers[0].times["h before"][:, 0], before[0])
    trace.apply()
    assert not np.array_equal(before[0], model.layers[0].states[0].numpy())


def test_masked_and_activity_regularized():
    x = cb.Input((4,), dtype="int32")
    h = layers.Embedding(5, 3, mask_zero=True, name="embedding")(x)
    h = layers.LSTM(2, return_sequences=True, activity_regularizer="l2", name="cell")(h)
    model = cb.Model(x, layers.Dense(1, kernel_regularizer="l2", name="last")(h))
    for engine in ENGINES:
        model.compile("adam", "mse", engine=engine)
        ids = np.array([[1, 2, 0, 0], [3, 4, 1, 2]])
        y = np.ones((2, 4, 1))
        assert_same_step(model, ids, y)
        trace = model.trace(ids, y)
        assert trace.loss > trace.outputs[0].mean
        assert trace.outputs[0].samples.mean() == pytest.approx(trace.outputs[0].mean, rel=1e-5)
        assert "regularizer" in trace.explain(weight="last/kernel[0,0]")


def test_sizes_from_data():
    x = cb.Input((None, 3))
    model = cb.Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D()(layers.Conv1D(2, 2, name="conv")(x))))
    model.compile("sgd", "mse")
    for length in (4, 6):
        trace = model.trace(np.ones((2, length, 3)), np.ones((2, 1)))
        assert trace["conv"].z.shape == (2, length - 1, 2)
        trace.apply()
    assert "central difference" in trace.explain(weight="conv/bias[1]")


@pytest.mark.parametrize("seed", range(12))
def test_random_models(seed):
    """Whatever the network is like, nothing changes, and then exactly the step is made."""
    cb.utils.set_random_seed(seed)
    model = random_models.random_model(seed)
    model.compile("adam", "mse")
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=(SAMPLES, *tensor.shape[1:])) for tensor in model.inputs]
    y = [rng.normal(size=(SAMPLES, *tensor.shape[1:])) for tensor in model.outputs]
    assert_same_step(model, x, y)


def test_layers_in_python():
    class Double(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

        def backward(self, inputs, outputs, delta):
            return 2 * delta

    model = cb.Sequential([cb.Input((2,)), layers.Dense(2, name="first"), Double(name="double"), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((3, 2)), np.ones((3, 1))
    trace = model.trace(x, y)
    np.testing.assert_array_equal(trace["double"].a, 2 * trace["first"].a)
    np.testing.assert_array_equal(trace["first"].delta, 2 * trace["double"].delta)
    assert_same_step(model, x, y)


def test_frozen_layers_get_no_delta():
    model, x, y = xor_model()
    model.layers[0].trainable = False
    model.compile("sgd", "binary_crossentropy")
    trace = model.trace(x, y)
    assert trace["hidden"].delta is None
    assert trace.weights["hidden/kernel"].gradient is None
    assert not trace.weights["hidden/kernel"].step.any()
    assert "not trained" in trace.explain(weight="hidden/kernel[0,0]")
    assert "dL/da is not computed" in trace.explain("hidden")


def test_metrics_and_means_stay():
    model, x, y = xor_model(metrics=["accuracy"])
    model.evaluate(x, y, verbose=0)
    before = [metric.result() for metric in model.metrics]
    random_state = cb.random.state()
    model.trace(x, y)
    assert [metric.result() for metric in model.metrics] == before
    assert cb.random.state() == random_state


@pytest.mark.parametrize("engine", ENGINES)
def test_first_step(engine):
    """There is no optimizer state yet, and after the trace there is none."""
    stepped, x, y = xor_model(optimizers.Adam(0.1), engine=engine)
    stepped.train_on_batch(x, y)
    model, x, y = xor_model(optimizers.Adam(0.1), engine=engine)
    start = state_of(model)
    trace = model.trace(x, y, training=True)
    assert state_of(model) == start
    assert not trace.weights["output/bias"].memory_before["m"].any()
    trace.apply()
    assert state_of(model) == state_of(stepped)


def test_apply_only_once():
    model, x, y = xor_model()
    trace = model.trace(x, y)
    x += 1  # the trace has its own copy
    trace.apply()
    with pytest.raises(RuntimeError, match="has changed since the trace was made"):
        trace.apply()
    trace = model.trace(x, y)
    model.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="Trace again"):
        trace.apply()


@pytest.mark.parametrize("engine", ENGINES)
def test_bad_input(engine):
    model, x, y = xor_model(engine=engine)
    start = state_of(model)
    with pytest.raises(ValueError, match="shape"):
        model.trace(np.ones((4, 3)), y)
    with pytest.raises(ValueError, match="samples"):
        model.trace(x, y[:3])
    with pytest.raises(ValueError, match="training"):
        model.trace(x, y, training="yes")
    with pytest.raises((TypeError, ValueError)):
        model.trace(x * np.nan, y)
    assert state_of(model) == start
    with pytest.raises(RuntimeError, match="Call compile before trace"):
        cb.Sequential([cb.Input((2,)), layers.Dense(1)]).trace(x, y)
    for settings, message in (({"optimizer": None, "loss": "mse"}, "optimizer"), ({"optimizer": "sgd"}, "loss")):
        model.compile(**settings)
        with pytest.raises(ValueError, match=message):
            model.trace(x, y)


def test_bad_questions():
    model, x, y = xor_model()
    trace = model.trace(x, y)
    wrong = [
        ({}, ValueError, "either a layer or weight"),
        ({"layer": "hidden", "weight": "hidden/bias[0]"}, ValueError, "not both"),
        ({"layer": "hiden"}, ValueError, "'hidden'"),
        ({"layer": 3}, TypeError, "the name of a layer"),
        ({"layer": "hidden", "unit": 3}, ValueError, "unit must be less than 3"),
        ({"layer": "hidden", "unit": -1}, ValueError, "unit"),
        ({"layer": "hidden", "unit": (0, 0)}, ValueError, "an entry for each axis"),
        ({"layer": "hidden", "unit": 1.5}, TypeError, "unit"),
        ({"layer": "hidden", "sample": 4}, ValueError, "sample must be less than 4"),
        ({"weight": 1}, TypeError, "weight must be a string"),
        ({"weight": "hidden/kernel"}, ValueError, r"the shape \(2, 3\)"),
        ({"weight": "hidden/kernel[2,0]"}, ValueError, r"the shape \(2, 3\)"),
        ({"weight": "hidden/kernle[0,0]"}, ValueError, "'hidden/kernel'"),
        ({"weight": "hidden/kernel[a]"}, ValueError, "a path and an index"),
    ]
    for arguments, kind, message in wrong:
        with pytest.raises(kind, match=message):
            trace.explain(**arguments)
    with pytest.raises(ValueError, match=r"has no weight 'gamma': it has 'kernel', 'bias'"):
        trace["hidden"].weight("gamma")


def test_large_network_takes_no_more_than_ten_steps():
    model = cb.Sequential([cb.Input((1000,)), layers.Dense(800, "relu"), layers.Dense(250, "relu"), layers.Dense(10)])
    model.compile("adam", "mse")
    assert model.count_params() > 1_000_000
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 1000)), rng.normal(size=(64, 10))

    runs = [lambda: model.train_on_batch(x, y), lambda: model.trace(x, y)]
    times = [[], []]
    for number in range(12):
        for run, found in zip(runs, times, strict=True):
            begin = time.process_time()  # another process on this processor counts for nothing
            run()
            if number > 1:
                found.append(time.process_time() - begin)
    step, trace = map(min, times)
    assert trace < 10 * step, f"{trace / step:.1f} steps"


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_central_difference_is_that_of_the_trace(engine):
    """At the weights, the states and the random numbers of the trace, whatever the model has done since."""
    x = cb.Input(batch_shape=(3, 4, 2))
    hidden = layers.Dropout(0.3, seed=1)(layers.LSTM(3, stateful=True, name="lstm")(x))
    model = cb.Model(x, layers.Dense(1, name="end")(hidden))
    model.compile("adam", "mse", engine=engine)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 1))
    model.fit(*data, batch_size=3, verbose=0)
    trace = model.trace(*data, training=True)
    model.fit(*data, batch_size=3, epochs=5, verbose=0)
    for path, index in (("lstm/lstm_cell/kernel", (1, 2)), ("end/kernel", (0, 0)), ("end/bias", (0,))):
        line = trace.explain(weight=f"{path}{list(index)}").splitlines()[-1]
        assert line.startswith("central difference")
        found = float(line.rpartition(" ")[2].replace("−", "-"))
        assert found == pytest.approx(trace.weights[path].gradient[index], rel=1e-3, abs=1e-7)
