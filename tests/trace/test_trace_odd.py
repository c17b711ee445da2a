"""Traces of models that have changed or diverged, and of those with odd names."""

import copy
import pickle
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from traced_models import state_of, xor_model

import cbackprop as cb
from cbackprop import layers, optimizers
from cbackprop.models.gradient_check import Probe

WEIGHT = "hidden/kernel[0,0]"
CELLS = [layers.LSTM, layers.GRU, layers.SimpleRNN]


def shown(trace):
    """Everything that a trace can show; no warning is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts = [str(trace), trace.to_latex(), trace._repr_html_(), *map(str, trace.to_dict().values())]
        texts += [trace.explain((layer.name, layer.call)) for layer in trace.layers]
        for path, weight in trace.weights.items():
            texts.append(trace.explain(weight=f"{path}[{','.join('0' * weight.before.ndim)}]"))
    return "\n".join(texts)


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 5.0), ("beta_1", 0.1), ("epsilon", 10.0), ("clipnorm", 1e-4), ("weight_decay", 0.5)],
)
def test_apply_makes_no_step_with_other_settings(name, value):
    model, x, y = xor_model(optimizers.Adam(0.1))
    trace = model.trace(x, y)
    before = getattr(model.optimizer, name)
    before = before.numpy() if name == "learning_rate" else before
    setattr(model.optimizer, name, value)
    start = state_of(model)
    with pytest.raises(RuntimeError, match="Trace again"):
        trace.apply()
    assert state_of(model) == start
    setattr(model.optimizer, name, before)
    trace.apply()
    assert [v.numpy().tobytes() for v in model.variables] == [w.after.tobytes() for w in trace.weights.values()]


def test_steps_of_a_diverged_model():
    model, x, y = xor_model(optimizers.Adam(0.1), dtype="float32")
    for value in (np.nan, np.inf, 3e38):
        model.set_weights([np.full(w.shape, value) for w in model.get_weights()])
        for _ in range(2):
            trace = model.trace(x, y)
            shown(trace)
            trace.apply()


def test_memory_of_a_diverged_optimizer():
    model = cb.Sequential([cb.Input((1,)), layers.Dense(1, kernel_initializer="ones", name="unit")])
    model.compile(optimizers.SGD(1e30, momentum=0.9), "mse")
    for _ in range(3):
        trace = model.trace([[1e9]], [[0.0]])
        before = str(trace).partition(", before and after\n")[2].split()[0]
        assert before == ("nan" if trace.rule.iteration > 1 else "−inf" if trace.rule.iteration else "0")
        shown(trace)
        trace.apply()


@pytest.mark.parametrize("cell", CELLS)
def test_time_steps_of_a_diverged_model(cell, tmp_path):
    model = cb.Sequential([cb.Input((3, 2)), cell(2, name="cell"), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.set_weights([w * np.nan for w in model.get_weights()])
    trace = model.trace(np.ones((2, 3, 2)), np.ones((2, 1)))
    assert "time step 2" in trace.explain("cell")
    assert "time step 1" in trace.explain("cell", time=1)
    trace.to_html(tmp_path / "page.html")


def test_central_difference_is_of_the_loss_of_the_trace():
    model, x, y = xor_model(optimizers.SGD(0.1))
    trace = model.trace(x, y)
    expected = model.trace(x, y).explain(weight=WEIGHT)
    for settings in (("adam", "mae"), (None, None)):
        model.compile(*settings)
        assert trace.explain(weight=WEIGHT) == expected


def test_no_central_difference_of_other_layers():
    model, x, y = xor_model()
    trace = model.trace(x, y)
    model.layers[0].activation = "relu"
    with pytest.raises(RuntimeError, match="Trace again"):
        trace.explain(weight=WEIGHT)


def test_a_pickled_trace(tmp_path):
    """It has all numbers, but not the model. A copy has both."""
    model = cb.Sequential([cb.Input((6, 2)), layers.Conv1D(2, 3), layers.LSTM(3), layers.Dense(1)])
    model.compile(optimizers.Adam(0.1), "mse")
    x, y = np.linspace(-1, 1, 36).reshape(3, 6, 2), np.ones((3, 1))
    film = cb.callbacks.Trace(x, y)
    model.fit(x, y, verbose=0, callbacks=[film])
    trace = model.trace(x, y)
    again = pickle.loads(pickle.dumps(trace))
    for path in ("dense/kernel[0,0]", "conv1d/kernel[0,0,0]"):
        lines = trace.explain(weight=path).splitlines()
        assert "central difference" in lines[-1]
        assert again.explain(weight=path).splitlines()[1:] == lines[1:-1]
    expected = trace.to_dict()
    for other in (again, pickle.loads(pickle.dumps(film)).traces[-1]):
        for name, value in other.to_dict().items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)
        assert shown(other)
        other.to_html(tmp_path / "page.html")
        with pytest.raises(RuntimeError, match="read from a pickle, without its model"):
            other.apply()
    copied = copy.deepcopy(trace)
    assert copied.explain(weight=WEIGHT.replace("hidden", "dense")) == trace.explain(weight="dense/kernel[0,0]")
    copied.apply()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(trace.loss_after)


def test_threads_ask_one_trace(monkeypatch):
    model, x, y = xor_model()
    trace = model.trace(x, y)
    wanted = [f"hidden/kernel[{i},{j}]" for i in range(2) for j in range(3)]
    expected = [trace.explain(weight=weight) for weight in wanted]
    loss = Probe.loss
    # Another thread comes between the two losses of a difference.
    monkeypatch.setattr(Probe, "loss", lambda probe: (time.sleep(0.001), loss(probe))[1])
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda weight: trace.explain(weight=weight), wanted * 3))
    assert found == expected * 3


def test_who_writes_into_a_trace_changes_nothing_else():
    model, x, y = xor_model(optimizers.Adam(0.1))
    model.train_on_batch(x, y)
    trace, other = model.trace(x, y), model.trace(x, y)
    expected = other.explain(weight=WEIGHT).splitlines()[-1]
    for array in trace.to_dict().values():
        if isinstance(array, np.ndarray):
            array[...] = 7
    assert trace.explain(weight=WEIGHT).splitlines()[-1] == expected
    trace.apply()
    assert [v.numpy().tobytes() for v in model.variables] == [w.after.tobytes() for w in other.weights.values()]


class Raising(layers.Layer):
    at = None

    def call(self, inputs):
        if Raising.at is not None:
            Raising.at -= 1
            if Raising.at < 0:
                raise KeyError("mine")
        return inputs * 1.0

    def backward(self, inputs, outputs, delta):
        return delta


def test_central_difference_after_an_exception():
    model = cb.Sequential([cb.Input((2,)), layers.Dense(2, "tanh", name="hidden"), Raising(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((2, 2)), np.ones((2, 1))
    trace = model.trace(x, y)
    expected = trace.explain(weight=WEIGHT)
    for at in (0, 1):
        Raising.at = at
        with pytest.raises(KeyError, match="mine"):
            trace.explain(weight=WEIGHT)
        Raising.at = None
        assert trace.explain(weight=WEIGHT) == expected
        assert trace.explain(weight="hidden/kernel[1,1]") == model.trace(x, y).explain(weight="hidden/kernel[1,1]")


def nested_of_one_name():
    inner = cb.Sequential([cb.Input((2,)), layers.Dense(2, "tanh", name="unit")], name="inner")
    x = cb.Input((2,))
    model = cb.Model(x, layers.Dense(2, name="unit")(inner(x)))
    model.compile("sgd", "mse")
    return model


def test_weights_of_one_path_are_told_apart():
    model = nested_of_one_name()
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.ones((2, 2))
    assert len({variable.path for variable in model.variables}) == 2
    trace = model.trace(x, y)
    assert list(trace.weights) == ["inner/unit/kernel", "inner/unit/bias", "unit/kernel", "unit/bias"]
    for weight, gradient in zip(trace.weights.values(), model.gradients(x, y), strict=True):
        assert weight.gradient.tobytes() == gradient.tobytes()
        lines = trace.explain(weight=f"{weight.path}[{','.join('0' * weight.before.ndim)}]").splitlines()
        assert lines[0].startswith("dL/dw = sum over 2 samples")  # not over those of both layers
        found = float(lines[-1].rpartition(" ")[2].replace("−", "-"))
        assert abs(found - weight.gradient.ravel()[0]) < 1e-5 * max(1, abs(found))


@pytest.mark.parametrize("masked", [False, True])
def test_figures_of_a_masked_mean(masked):
    x = cb.Input((4, 2))
    h = layers.Masking()(x) if masked else x
    model = cb.Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D(name="mean")(h)))
    model.compile("sgd", "mse")
    samples = np.arange(1.0, 25).reshape(3, 4, 2)
    samples[1, 2:] = 0
    trace = model.trace(samples, np.ones((3, 1)))
    last = "0.5·9 + 0.5·11 + 0 = 10" if masked else "0.25·9 + 0.25·11 + 0.25·0 + 0.25·0 + 0 = 5"
    found = trace.explain("mean", sample=1).splitlines()[1]
    assert found.startswith(f"output = {last.replace(' + 0 =', ' =')}")


@pytest.mark.parametrize(
    "name", ["a[0]", "[0]", " a ", "a/b", "é漢", "</script>", "{{data}}", "{{script}}", "a'b\"c", "\\", "%$#_{}", "\n"]
)
def test_odd_names(name, tmp_path):
    model = cb.Sequential([cb.Input((2,)), layers.Dense(2, "tanh", name=name), layers.Dense(1)], name=name)
    model.compile("sgd", "mse")
    trace = model.trace(np.ones((2, 2)), np.ones((2, 1)))
    shown(trace)
    page = tmp_path / "page.html"
    trace.to_html(page)
    text = page.read_text(encoding="utf-8")
    assert text.count('"lossAfter"') == 1
    assert text.count("</script>") == 2


@pytest.mark.parametrize("index", ["1 0", "0,,0", "1.0,0", "-1,0", "٣,0", "1" * 5000 + ",0", "x", "0;0"])
def test_what_is_no_index(index):
    model, x, y = xor_model()
    with pytest.raises(ValueError, match="weight must be a path and an index"):
        model.trace(x, y).explain(weight=f"hidden/kernel[{index}]")


@pytest.mark.parametrize("call", [True, 0.0, np.nan, "a", [0], np.array([0, 1])])
def test_what_is_no_number_of_a_call(call):
    model, x, y = xor_model()
    trace = model.trace(x, y)
    with pytest.raises(TypeError, match="call must be an integer"):
        trace["hidden", call]
    assert trace["hidden", np.int64(0)] is trace["hidden"]


def test_what_is_no_page(tmp_path):
    model, x, y = xor_model()
    trace = model.trace(x, y)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        trace.to_html(tmp_path / "folder.html")
    with pytest.raises(ValueError, match="path must not contain a zero byte"):
        trace.to_html(f"{tmp_path}/\0.html")


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_samples(engine, dtype, tmp_path):
    cb.config.set_floatx(dtype)
    dense = np.array([[0, 2, 0], [1, 0, 3], [0, 0, 0.5]], dtype)
    x, y = csr_matrix(dense), np.ones((3, 1))
    model = cb.Sequential([cb.Input((3,), sparse=True), layers.Dense(1, name="unit")])
    model.compile(optimizers.SGD(0.1), "mse", engine=engine)
    trace = model.trace(x, y)
    shown(trace)
    trace.to_html(tmp_path / "page.html")
    for index in range(3):
        found = float(trace.explain(weight=f"unit/kernel[{index},0]").rpartition(" ")[2].replace("−", "-"))
        assert found == pytest.approx(trace["unit"].weight("kernel").gradient[index, 0], abs=1e-5)
    x.data[:] = 9  # the step is that of the trace, whatever the matrix holds later
    trace.apply()
    assert [v.numpy().tobytes() for v in model.variables] == [w.after.tobytes() for w in trace.weights.values()]
