"""Traces as text, in figures, as LaTeX, in a notebook and as a page."""

import json
import re
from html.parser import HTMLParser

import browser
import layer_cases
import loss_cases
import numpy as np
import pytest
from traced_models import xor_model

import cbackprop as cb
from cbackprop import layers, optimizers
from cbackprop.trace.numbers import number as shown
from cbackprop.trace.page import page_of


@pytest.fixture
def trace():
    model, x, y = xor_model(optimizers.SGD(0.5, momentum=0.9))
    model.train_on_batch(x, y)
    model.set_weights([[[0.5, -0.4, 0.3], [-0.6, 0.2, 0.7]], [0.1, 0.0, -0.1], [[0.6], [-0.5], [0.4]], [0.05]])
    return model.trace(x, y)


def test_text(trace):
    text = str(trace)
    for product in (
        "X (4,2) @ W1 (2,3) + b1 (3) = Z1 (4,3)", "A1 (4,3) @ W2 (3,1) + b2 (1) = Z2 (4,1)",
        "A1ᵀ (3,4) @ δ2 (4,1) = dW2 (3,1)", "Xᵀ (2,4) @ δ1 (4,3) = dW1 (2,3)", "tanh(Z1) = A1 (4,3)",
        "δ2 from loss and sigmoid together", "dL/dA2  (derived) (4,1)",
    ):  # fmt: skip
        assert product in text
    for heading in ("1. Forward pass", "2. Loss", "3. Backward pass", "4. Update"):
        assert f"\n{heading}\n" in text
    for value in ("−0.4621", "0.537", "−0.1319", f"{trace.loss:.6f}"):
        assert value in text
    assert repr(trace) == f"<Trace of 'sequential': 4 samples, loss 0.709081 → {trace.loss_after:.6g}>"


@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH[::5])
def test_text_fits_80_columns(make, shapes):
    model = layer_cases.around(make, shapes, twice=True)
    model.compile("adam", "mse")
    trace = model.trace(*loss_cases.data_for(model, 3, np.random.default_rng(0), "mse"))
    assert max(map(len, str(trace).splitlines())) <= 80
    notebook = trace._repr_html_()
    check_html(notebook)
    assert "<script" not in notebook
    latex = trace.to_latex()
    assert latex.count("{") == latex.count("}")
    for name in ("align*", "pmatrix"):
        assert latex.count(rf"\begin{{{name}}}") == latex.count(rf"\end{{{name}}}")
    for weight in trace.weights:
        shape = trace.weights[weight].before.shape
        assert "w" in trace.explain(weight=f"{weight}[{','.join('0' * len(shape))}]")
    for layer in trace.layers:
        trace.explain((layer.name, layer.call), unit=0, sample=2)


class Balanced(HTMLParser):
    """Whether every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in ("br", "meta", "input", "link", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check_html(text):
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []


def test_figures_of_a_unit(trace):
    assert trace.explain("hidden", unit=0, sample=1).splitlines() == [
        "sample 1, unit 0 of 'hidden'",
        "z = 0.5·0 − 0.6·1 + 0.1 = −0.5",
        "a = tanh(z) = −0.4621",
        "dL/da = 0.6·(−0.1319) = −0.07916",
        "δ = dL/da·(1 − a²) = −0.07916·(1 − 0.4621²) = −0.06226",
    ]
    assert trace.explain("output", sample=0).splitlines() == [
        "sample 0, unit 0 of 'output'",
        "z = 0.6·0.09967 − 0.5·0 + 0.4·(−0.09967) + 0.05 = 0.06993",
        "a = sigmoid(z) = 0.5175",
        "dL/da = (ŷ − y)/(ŷ·(1 − ŷ))/n = (0.5175 − 0)/(0.5175·(1 − 0.5175))/4 = 0.5181   from the loss  (derived)",
        "δ = dL/da·(a·(1 − a)) = 0.5181·0.5175·(1 − 0.5175) = 0.1294   (the engine computes δ directly from z)",
    ]


def test_figures_of_a_weight(trace):
    lines = trace.explain(weight="hidden/kernel[1,0]").splitlines()
    gradient = "0·0.07685 + 1·(−0.06226) + 0·(−0.03682) + 1·0.09107"
    assert lines[0] == f"dL/dw = sum over 4 samples of x·δ = {gradient} = 0.02881"
    assert lines[1] == "SGD: v ← μ·v − η·g;  w ← w + v"
    assert lines[2].startswith("v ← μ·v − η·g = 0.9·(−0.0144) − 0.5·0.02881 = ")
    assert lines[3].startswith("w ← w + v = −0.6 − ")
    assert lines[4] == "central difference of the loss, in float64: 0.0288096"
    assert trace.explain(weight="hidden/kernel[1,0]") == trace.explain(weight=" hidden/kernel [ 1 , 0 ] ")


LOSSES = {
    "mse": ("2·(ŷ − y)/n", "tanh", lambda rng: rng.normal(size=(5, 3))),
    "binary_crossentropy": ("(ŷ − y)/(ŷ·(1 − ŷ))/n", "sigmoid", lambda rng: rng.integers(2, size=(5, 3))),
    "categorical_crossentropy": ("(1 − y/ŷ)/n", "softmax", lambda rng: np.eye(3)[rng.integers(3, size=5)]),
    "sparse_categorical_crossentropy": ("(1 − y/ŷ)/n", "softmax", lambda rng: rng.integers(3, size=5)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_figures_of_a_loss(loss, dtype):
    """How dL/da follows from prediction and target; with sample weights nothing is claimed."""
    cb.config.set_floatx(dtype)
    symbols, activation, targets = LOSSES[loss]
    rng = np.random.default_rng(0)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3, activation, name="output")])
    model.compile("sgd", loss)
    x, y = rng.normal(size=(5, 4)), targets(rng)
    trace = model.trace(x, y)
    page = page_of([trace])
    for sample, unit in np.ndindex(5, 3):
        (line,) = [line for line in trace.explain("output", unit, sample).splitlines() if line.startswith("dL/da")]
        name, formula, figures, found = line.partition("   ")[0].split(" = ")
        assert (name, formula) == ("dL/da", symbols)
        assert evaluated(figures) == pytest.approx(evaluated(found), rel=5e-3, abs=2e-5)  # of four digits
        assert f"{formula} = {figures}" in page
    weighted = model.trace(x, y, sample_weight=[3, 3, 3, 3, 3])
    assert "ŷ" not in weighted.explain("output", 1, 1)


def test_traces_are_short_where_python_shows_them(trace):
    """In a terminal and in a notebook: what there is, and of which shape, instead of all numbers."""
    assert repr(trace["hidden"]) == (
        "<LayerTrace 'hidden': Dense, tanh; z (4,3), a (4,3), slope (4,3), above (4,3), delta (4,3), "
        "kernel (2,3), bias (3)>"
    )
    assert repr(trace.weights["hidden/bias"]) == (
        "<WeightTrace 'hidden/bias' (3): before, after, gradient; memory momentum>"
    )
    assert repr(trace.outputs) == "[<Judged 'output': BinaryCrossentropy 0.7091, prediction (4,1)>]"
    assert repr(trace["hidden"].parts).startswith("[<Part 'hidden")


def test_layers_without_activation_are_not_called_linear(trace):
    """An LSTM is not linear: it has activations inside."""
    recurrent = traced((4, 2), layers.LSTM(3, name="cell"))
    for found, heading in ((recurrent, "cell: LSTM"), (recurrent, "end: Dense"), (trace, "hidden: Dense, tanh")):
        assert f"{heading}<" in found._repr_html_()
        assert heading in str(found).splitlines()
        assert "linear" not in found._repr_html_()


def test_both_factors_are_marked(trace):
    lines = str(trace).splitlines()
    assert "  dL/dA2  (derived) (4,1)" in lines
    assert "  f'(Z2) = a·(1 − a)  (derived) (4,1)" in lines
    assert "  f'(Z1) = 1 − a² (4,3)" in lines


@pytest.mark.parametrize("rule", ["adam", "rmsprop"])
def test_figures_of_a_rule(rule):
    """The step of a weight, with each number in its place, comes to the new weight."""
    cb.config.set_floatx("float64")
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1, name="unit")])
    model.compile(rule, "mse")
    for _ in range(2):
        trace = model.trace([[1.0, 2.0]], [[1.0]])
        trace.apply()
    line = trace.explain(weight="unit/kernel[1,0]").splitlines()[-2]
    figures, short, found = line.split(" = ")[1:]
    rooted = re.sub(r"√([\d.]+(?:e−\d+)?|\([^()]*\))", r"(\1)**0.5", figures)
    assert rooted != figures
    assert evaluated(rooted) == pytest.approx(evaluated(found), rel=2e-3)
    assert evaluated(short) == pytest.approx(evaluated(found), rel=2e-3)


def traced(inputs, *chain, loss="mse", samples=2):
    """A trace of layers one after the other, with a Dense at the end."""
    cb.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    model = cb.Sequential([cb.Input(inputs), *chain, layers.Flatten(), layers.Dense(1, name="end")])
    model.compile("adam", loss)
    return model.trace(rng.normal(size=(samples, *inputs)), rng.normal(size=(samples, 1)))


def evaluated(text):
    """The number that a sum in figures comes to."""
    return eval(text.replace("\N{MINUS SIGN}", "-").replace("·", "*"))  # figures only


def test_figures_of_a_convolution():
    """z is the sum over the patch, and a gradient that over positions; long sums are cut."""
    trace = traced((5, 5, 1), layers.Conv2D(2, 2, strides=2, activation="tanh", name="conv"))
    layer = trace["conv"]
    kernel, x = layer.weight("kernel").before, layer.inputs[0]
    line = trace.explain("conv", unit=(1, 0, 1), sample=1).splitlines()[1]
    assert line.startswith("z = ")
    assert line.endswith(f" = {shown(layer.z[1, 1, 0, 1])}  (Conv2D)")
    patch = (x[1, 2:4, :2, 0] * kernel[:, :, 0, 1]).sum()
    assert evaluated(line[4:].split(" = ")[0]) == pytest.approx(patch, abs=2e-3)
    (first, *_) = trace.explain(weight="conv/kernel[0,1,0,1]").splitlines()
    assert first.startswith("dL/dw = sum over 8 positions of x·δ = ")
    assert "… (2 more)" in first
    assert first.endswith(f" = {shown(layer.weight('kernel').gradient[0, 1, 0, 1])}  (Conv2D)")


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        (lambda: layers.MaxPooling1D(2), "output = 1·"),
        (lambda: layers.AveragePooling1D(2), "output = 0.5·"),
        (lambda: layers.Cropping1D(1), "output = 1·"),
        (lambda: layers.LayerNormalization(), "output = "),
        (lambda: layers.DepthwiseConv1D(2), "z = "),
        (lambda: layers.Dropout(0.5), "output = 1·"),
    ],
)
def test_figures_of_other_layers(layer, line):
    trace = traced((6, 3), layer())
    found = trace.explain(trace.layers[0].name, unit=1, sample=0).splitlines()[1]
    assert found.startswith(line)
    assert ("·" in found) == (trace.layers[0].kind != "LayerNormalization")


CELLS = {
    "SimpleRNN": lambda: layers.SimpleRNN(3, name="cell"),
    "LSTM": lambda: layers.LSTM(3, name="cell"),
    "GRU": lambda: layers.GRU(3, name="cell"),
    "GRU, reset before": lambda: layers.GRU(3, reset_after=False, name="cell"),
    "backwards": lambda: layers.LSTM(3, go_backwards=True, return_sequences=True, name="cell"),
    "another function": lambda: layers.GRU(3, activation="softsign", recurrent_activation="hard_sigmoid", name="cell"),
}


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
def test_figures_of_a_time_step(make):
    """Each sum that is shown comes to the number beside it, and h is the output."""
    trace = traced((4, 2), make())
    lines = trace.explain("cell", unit=1, sample=1).splitlines()
    assert lines[1].startswith("time step ")
    sums = [line for line in lines[2:] if line.startswith("z") and " + " in line]
    assert len(sums) == {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[trace["cell"].kind]
    for line in sums:
        _, terms, total = line.removesuffix("   (with r·h)").split(" = ")
        assert evaluated(terms) == pytest.approx(evaluated(total), abs=2e-3)
    (state,) = [line for line in lines if line.startswith("h ← ")]
    a = trace["cell"].a[1]
    assert state.endswith(f" = {shown(a[1] if a.ndim == 1 else a[0, 1])}")
    assert trace.explain("cell", unit=1, sample=1, time=0).splitlines()[1] == "time step 0 (0 to 3)"
    for time, error in ((4, ValueError), (-1, ValueError), ("a", TypeError)):
        with pytest.raises(error, match="time must be"):
            trace.explain("cell", time=time)
    with pytest.raises(ValueError, match="time can only be used for LSTM"):
        trace.explain("end", time=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_time_step_of_a_unit(kind, backwards, dtype):
    """In a sequence of outputs a unit has a time step: its arithmetic is shown, and ends with its output."""
    cb.config.set_floatx(dtype)
    trace = traced((5, 2), kind(3, return_sequences=True, go_backwards=backwards, name="cell"))
    a, times = trace["cell"].a[1], []
    for place in range(5):
        lines = trace.explain("cell", unit=(place, 1), sample=1).splitlines()
        assert lines[0] == f"sample 1, unit ({place}, 1) of 'cell'"
        time = int(re.fullmatch(r"time step (\d) \(0 to 4\)", lines[1])[1])
        times.append(time)
        (state,) = [line for line in lines if line.startswith("h ← ")]
        assert state.endswith(f" = {shown(a[place, 1])}")
        assert any(line.startswith("dL/da = ") for line in lines)
        assert trace.explain("cell", unit=1, sample=1, time=time).splitlines() == lines
        assert "dL/da" not in trace.explain("cell", unit=(place, 1), sample=1, time=(time + 1) % 5)
    assert sorted(times) == list(range(5))


def test_heads_of_attention():
    trace = traced((4, 3), around_attention(layers.MultiHeadAttention(2, 3, use_bias=False, name="attention")))
    found = trace["attention"]
    assert [x.shape for x in (*found.inputs, found.a)] == [(2, 4, 3), (2, 4, 3)]
    heads = {name: array.shape for name, array in found.heads.items()}
    assert heads == dict.fromkeys(["queries", "keys", "values"], (2, 4, 2, 3)) | dict.fromkeys(
        ["scores", "weights", "dL/dweights", "dL/dscores"], (2, 2, 4, 4)
    )
    q = np.einsum("btf,fhn->bthn", found.inputs[0], found.weight("query/kernel").before)
    np.testing.assert_allclose(found.heads["queries"], q, rtol=1e-4, atol=1e-6)
    scores = np.einsum("bthn,bshn->bhts", q, found.heads["keys"]) / np.sqrt(3)
    np.testing.assert_allclose(found.heads["scores"], scores, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.heads["weights"].sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(found.heads["dL/dscores"].sum(axis=-1), 0, atol=1e-6)
    text = str(trace)
    assert "W1 of query  query/kernel (3,2,3)" in text
    assert "each head: weights (2,2,4,4)" in text.partition("3. Backward pass")[0]
    assert "each head: dL/dscores (2,2,4,4)" in text.partition("3. Backward pass")[2]
    assert r"W_{1,\text{query}}" in trace.to_latex()


def around_attention(attention):
    """A model that looks at its own sequence."""
    x = cb.Input((4, 3))
    return cb.Model(x, attention(x, x))


def test_weights_of_one_name_are_told_apart():
    trace = traced((4, 2), layers.Bidirectional(layers.GRU(2), name="both"))
    names = [weight.name for weight in trace["both"].weights]
    assert "forward_gru/kernel" in names
    assert len(set(names)) == 6
    found = trace.to_dict()
    for name in names:
        assert found[f"both/{name}"].shape == found[f"both/d{name}"].shape
    assert "U1 of backward_gru" in str(trace)
    assert {name.split()[0] for name in trace["both"].times} == {"forward_gru", "backward_gru"}


RULES = {
    "sgd": lambda: optimizers.SGD(0.1),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.1),
}


@pytest.mark.parametrize("make", RULES.values(), ids=RULES)
def test_line_of_the_optimizer_is_its_rule(make):
    """In figures, where the formula gives what the engine has computed; it does for each of these."""
    model, x, y = xor_model(make())
    for _ in range(3):
        model.train_on_batch(x, y)
    lines = model.trace(x, y).explain(weight="hidden/bias[1]").splitlines()
    assert lines[-2].startswith("w ← w")
    model.optimizer.clipvalue = 1e-6  # now it does not
    lines = model.trace(x, y).explain(weight="hidden/bias[1]").splitlines()
    assert not lines[-2].startswith("w ← w")
    assert "=" in lines[-2]


def test_names_are_no_markup():
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1, name="a&b_c")], name="m & n")
    model.compile("sgd", "mse")
    trace = model.trace([[1.0, 2.0]], [[1.0]])
    assert "a&amp;b_c" in trace._repr_html_()
    assert r"m \& n" in trace.to_latex()


def test_page_is_one_file(trace, tmp_path):
    page = tmp_path / "step.html"
    trace.to_html(page)
    text = page.read_text(encoding="utf-8")
    check_html(re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL).replace("<!doctype html>", ""))
    svg = "http://www.w3.org/2000/svg"  # a name, which no browser asks for
    assert re.findall(r"https?://[^\"' )]+", text.replace(svg, "")) == []
    assert re.findall(r"\b(?:src|href)=|url\(|@import|fetch\(|XMLHttp", text) == []
    (frame,) = data_of(page)
    assert frame["loss"] == pytest.approx(trace.loss, rel=1e-8)
    hidden = frame["layers"][0]
    np.testing.assert_allclose(hidden["arrays"]["delta"]["values"], trace["hidden"].delta.ravel(), rtol=1e-8)
    for name in ("step.txt", "step"):
        with pytest.raises(ValueError, match=r"must end in \.html"):
            trace.to_html(tmp_path / name)
    with pytest.raises(TypeError, match="path must be"):
        trace.to_html(3)


def test_page_of_large_and_infinite_numbers(tmp_path):
    model = cb.Sequential([cb.Input((60, 60)), layers.Flatten(), layers.Dense(2)], name="</script>")
    model.compile(optimizers.SGD(1e38), "mse")
    page = tmp_path / "large.html"
    model.trace(np.ones((2, 60, 60)), np.full((2, 2), 1e5)).to_html(page)
    text = page.read_text(encoding="utf-8")
    assert len(text) < 200_000
    assert text.count("</script>") == 2
    assert "NaN" not in re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]


@pytest.mark.browser
def test_page_of_a_sequence_fits_a_phone(tmp_path):
    """Wide tables scroll on their own, not the page, in each part of the step; the update shows the memory."""
    page = tmp_path / "step.html"
    traced((5, 3), layers.LSTM(4, return_sequences=True, name="lstm")).to_html(page)
    script = """
      const wide = [document.documentElement.scrollWidth - document.documentElement.clientWidth];
      for (let i = 0; i < 12; i++) {
        document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
        wide.push(document.documentElement.scrollWidth - document.documentElement.clientWidth);
      }
      return { wide, names: [...document.querySelectorAll("h3")].map((name) => name.textContent) };
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile", width=390)
    assert max(found["wide"]) <= 0
    assert "m of Adam (3,16)" in found["names"]
    assert "v of Adam (3,16)" in found["names"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_page_in_a_browser(trace, tmp_path, width):
    """Each step is reached by keys; each unit and connection shows the trace's numbers; nothing is asked for."""
    page = tmp_path / "step.html"
    trace.to_html(page)
    script = """
      const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      const stages = [document.getElementById("stage").textContent];
      for (let i = 0; i < 6; i++) { press("ArrowRight"); stages.push(document.getElementById("stage").textContent); }
      for (let i = 0; i < 6; i++) press("ArrowLeft");
      const lines = () => [...document.querySelectorAll("#equation p")].map((line) => line.textContent);
      const seen = {};
      for (const label of [...document.querySelectorAll("[data-choice]")].map((each) => each.dataset.choice)) {
        const group = [...document.querySelectorAll("[data-choice]")].find((each) => each.dataset.choice === label);
        group.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
        seen[label] = lines();
      }
      const select = document.getElementById("sample");
      select.value = "1";
      select.dispatchEvent(new Event("change"));
      return { stages, seen, again: lines(),
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        focusable: document.querySelectorAll("[tabindex='0'][role=button]").length };
    """
    found, asked = browser.evaluate(page, script, tmp_path / "profile", width=width)
    assert asked == []
    assert found["wide"] <= 0
    assert found["stages"][3] == "2. Loss: 0.7091"
    assert found["stages"][6].startswith("4. Update: loss 0.7091 → ")
    assert found["focusable"] == 6 + 9  # units and connections
    assert len(found["seen"]) == 15
    of_weights = [lines for key, lines in found["seen"].items() if json.loads(key)["what"] == "weight"]
    for path in ("hidden/kernel", "output/kernel"):
        weight = trace.weights[path]
        for index in np.ndindex(weight.before.shape):
            gradient = cb.trace.text.number(weight.gradient[index])
            after = cb.trace.text.number(weight.after[index])
            assert any(lines[1].endswith(f"= {gradient}") and lines[-1].endswith(f"= {after}") for lines in of_weights)
    assert found["again"][1].startswith("a = sigmoid(z) = 0.4722")


def data_of(page):
    """The steps that a page shows."""
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_central_differences_on_the_page(trace, tmp_path):
    """Of few weights, and of a single step, as a film would take long."""
    page = tmp_path / "step.html"
    trace.to_html(page)
    for layer, part in zip(trace.layers, data_of(page)[0]["layers"], strict=True):
        kernel, bias = part["weights"]
        assert "differences" not in bias
        np.testing.assert_allclose(kernel["differences"], layer.weights[0].gradient.ravel(), rtol=1e-4, atol=1e-7)
    model = cb.Sequential([cb.Input((70,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.trace(np.ones((2, 70)), np.ones((2, 1))).to_html(page)
    assert "differences" not in data_of(page)[0]["layers"][0]["weights"][0]


@pytest.mark.browser
def test_page_explains_units_of_recurrent_layers(tmp_path):
    """Their arithmetic is that of `explain`, and each weight that is drawn has its central difference."""
    trace = traced((3, 2), layers.LSTM(2, name="lstm"))
    page = tmp_path / "step.html"
    trace.to_html(page)
    script = """
      const press = (element) => element.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
      const of = (what) => [...document.querySelectorAll("[data-choice]")].filter((each) => {
        const choice = JSON.parse(each.dataset.choice);
        return choice.what === what && (what === "weight" || choice.layer === "lstm");
      });
      const lines = () => [...document.querySelectorAll("#equation p")].map((line) => line.textContent);
      const units = of("unit").map((_, i) => { press(of("unit")[i]); return lines(); });
      const weights = of("weight").map((_, i) => { press(of("weight")[i]); return lines(); });
      return { units, weights };
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile")
    assert found["units"] == [trace.explain("lstm", unit=unit).splitlines()[1:] for unit in range(2)]
    assert found["weights"]
    for lines in found["weights"]:
        assert any(line.startswith("central difference of the loss, in float64: ") for line in lines)


@pytest.mark.browser
def test_numbers_are_written_as_in_text(trace, tmp_path):
    numbers = [0, 1, -1, 0.1, -0.00001234567, 123456789.0, 1e-12, 3.14159265, 2.5e20, -0.99999999, 0.0001, 12346, 1e5]
    page = tmp_path / "step.html"
    trace.to_html(page)
    found, _ = browser.evaluate(page, f"return {json.dumps(numbers)}.map(window.trace.text);", tmp_path / "profile")
    assert found == [cb.trace.text.number(value) for value in numbers]
