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
        "δ2 from loss and sigmoid at once", "dL/dA2  (derived) (4,1)",
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
        "dL/da = 0.5181   from the loss  (derived)",
        "δ = dL/da·(a·(1 − a)) = 0.5181·0.5175·(1 − 0.5175) = 0.1294   (the engine goes from z to δ at once)",
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
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    (frame,) = data
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
      return { stages, seen, again: lines(), wide: document.documentElement.scrollWidth - innerWidth,
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


@pytest.mark.browser
def test_numbers_are_written_as_in_text(trace, tmp_path):
    numbers = [0, 1, -1, 0.1, -0.00001234567, 123456789.0, 1e-12, 3.14159265, 2.5e20, -0.99999999, 0.0001, 12346, 1e5]
    page = tmp_path / "step.html"
    trace.to_html(page)
    found, _ = browser.evaluate(page, f"return {json.dumps(numbers)}.map(window.trace.text);", tmp_path / "profile")
    assert found == [cb.trace.text.number(value) for value in numbers]
