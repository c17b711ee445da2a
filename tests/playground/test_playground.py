"""The playground: one page, which computes the same numbers as the engine."""

import json
import re
import subprocess
import sys

import browser
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, optimizers, playground
from cbackprop.cli import main


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "playground.html"
    playground.write(path)
    return path


def test_page_is_one_file(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    for name in ("http://www.w3.org/2000/svg",):  # a name, which no browser asks for
        text = text.replace(name, "")
    assert re.findall(r"https?://|\bsrc=|url\(|@import|\bfetch\(|XMLHttp|^import \{|^export ", text, re.MULTILINE) == []
    with pytest.raises(ValueError, match=r"must end in \.html"):
        playground.write(tmp_path / "page.txt")


def test_command(tmp_path, monkeypatch, capsys):
    assert main(["playground", "--html", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == playground.page()
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or False)
    assert main(["playground"]) == 0
    assert opened[0].startswith("file://")
    assert "no browser" in capsys.readouterr().err


RULES = {
    "sgd": lambda: optimizers.SGD(0.3),
    "momentum": lambda: optimizers.SGD(0.3, momentum=0.9),
    "adam": lambda: optimizers.Adam(0.3),
}


@pytest.mark.browser
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "linear"])
def test_numbers_are_those_of_the_engine(page, tmp_path, rule, activation):
    """Weights, loss and gradients of ten steps."""
    cb.config.set_floatx("float64")
    rng = np.random.default_rng(0)
    sizes = [2, 4, 3, 1]
    model = cb.Sequential(
        [cb.Input((2,)), *(layers.Dense(n, activation) for n in sizes[1:3]), layers.Dense(1, "sigmoid")]
    )
    model.compile(RULES[rule](), "binary_crossentropy")
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    x, y = rng.uniform(-1, 1, (7, 2)), rng.integers(2, size=(7, 1)).astype(float)
    given = [weight.ravel().tolist() for weight in model.get_weights()]
    script = f"""
      const {{ Network, Optimizer }} = window.playground;
      const network = new Network({sizes}, "{activation}"), optimizer = new Optimizer("{rule}", 0.3), found = [];
      const given = {json.dumps(given)};
      network.layers.forEach((layer, k) => {{ layer.W.set(given[2 * k]); layer.b.set(given[2 * k + 1]); }});
      for (let i = 0; i < 10; i++) {{
        const {{ loss, gradients }} = network.gradients({json.dumps(x.tolist())}, {json.dumps(y.ravel().tolist())});
        optimizer.step(network, gradients);
        found.push({{ loss, gradients: gradients.flatMap((g) => [Array.from(g.W), Array.from(g.b)]),
          weights: network.layers.flatMap((layer) => [Array.from(layer.W), Array.from(layer.b)]) }});
      }}
      return found;
    """
    found, asked = browser.evaluate(page, script, tmp_path / "profile")
    assert [address for address in asked if not address.startswith("data:")] == []
    for step in found:
        trace = model.trace(x, y)
        trace.apply()
        np.testing.assert_allclose(step["loss"], trace.loss, rtol=1e-10)
        paths = [variable.path for variable in model.variables]
        for path, gradient, weight in zip(paths, step["gradients"], step["weights"], strict=True):
            right = trace.weights[path]
            np.testing.assert_allclose(gradient, right.gradient.ravel(), rtol=1e-8, atol=1e-12)
            np.testing.assert_allclose(weight, right.after.ravel(), rtol=1e-8, atol=1e-11)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_learns_and_is_exported(page, tmp_path, width):
    """By the page's own controls; the script evaluates to the loss that the page shows."""
    script = """
      const by = (id) => document.getElementById(id);
      for (let i = 0; i < 200; i++) window.playground.epoch();
      by("step").click();
      by("export").click();
      return { facts: by("facts").textContent, script: by("script").textContent,
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        unlabelled: [...document.querySelectorAll("input, select, textarea, button")]
          .filter((e) => !e.closest("label") && !e.textContent.trim() && !e.ariaLabel).length };
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile", width=width)
    assert found["wide"] <= 0
    assert found["unlabelled"] == 0
    epoch, loss, right = re.fullmatch(
        r"epoch (\d+), step \d+, loss ([\d.]+), (\d) of 4 right", found["facts"]
    ).groups()  # fmt: skip
    assert (epoch, right) == ("201", "4")
    assert float(loss) < 0.05
    path = tmp_path / "exported.py"
    path.write_text(found["script"])
    printed = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stdout
    before, after = (json.loads(line) for line in printed.splitlines())
    assert before[0] == pytest.approx(float(loss), abs=1e-4)
    assert before[1] == 1.0
    assert after[0] < before[0]


@pytest.mark.browser
def test_data(page, tmp_path):
    """Spirals are those of the library; a CSV file is read, or refused with a sentence."""
    script = """
      const { SETS, parse } = window.playground, faults = [];
      for (const text of ["", "a,b", "1,2,x", "1,2\\n3,4", "p,q,kind\\n1,2,x\\n\\n3,4,y\\n5,z,x"]) {
        try { parse(text); faults.push(null); } catch (error) { faults.push(error.message); }
      }
      return { spirals: SETS.spirals(), circles: SETS.circles().length, faults,
        comma: parse("p, q, kind\\n1, 2, red\\n\\n-4, 0, blue\\n0, 1, red\\n"),
        decimal: parse('5;1,5;"a"\\r\\n5;2;"b"\\r\\n'),
        titled: parse("points\\r1,2,a\\r3,4,b").columns.map(({ name }) => name),
        large: parse("1e308,5e-324,a\\n-1e308,0,b\\n0,0,b").points };
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile")
    x, y = cb.datasets.spirals.load_data()
    points = np.array(found["spirals"])
    np.testing.assert_allclose(points[:, :2], x / 6.5, atol=1e-6)
    np.testing.assert_array_equal(points[:, 2], y)
    assert found["circles"] == 80
    # Each column is scaled to -1 ... 1, so that points are visible in any units.
    comma, decimal = found["comma"], found["decimal"]
    np.testing.assert_allclose(comma["points"], [[1, 1, 1], [-1, -1, 0], [0.6, 0, 1]], atol=1e-12)
    assert comma["kinds"] == ["blue", "red"]
    assert comma["columns"] == [{"name": "p", "from": -4, "to": 1}, {"name": "q", "from": 0, "to": 2}]
    assert decimal["points"] == [[0, -1, 0], [0, 1, 1]]
    assert decimal["kinds"] == ["a", "b"]
    assert found["titled"] == ["points", "number 2"]
    assert [point[0] for point in found["large"]] == [1, -1, 0]
    assert all(found["faults"])
    assert found["faults"][-1].startswith("Line 5 must be")  # as an editor counts, with the header and empty lines


@pytest.mark.browser
def test_settings_that_are_wrong(page, tmp_path):
    """Each is refused with a sentence, and the network stays as it is. A batch size of -3 once hung the page."""
    wrong = {
        "units": ["13", "0", "a", "1,1,1,1,1", "2.5"],
        "rate": ["-1", ""],
        "batch": ["-3", "0.5", ""],
        "seed": ["-1", ""],
    }
    script = f"""
      const by = (id) => document.getElementById(id), found = [];
      const set = (id, value) => {{ by(id).value = value; by(id).dispatchEvent(new Event("change")); }};
      for (const [id, values] of Object.entries({json.dumps(wrong)})) {{
        const right = by(id).value;
        for (const value of values) {{
          set(id, value);
          by("step").click();
          found.push([id, by("wrong-setting").textContent, by(id).getAttribute("aria-invalid"),
            window.playground.state.network.sizes, window.playground.state.optimizer.rate]);
        }}
        set(id, right);
        found.push([id, by("wrong-setting").textContent, by(id).getAttribute("aria-invalid")]);
      }}
      set("units", "");
      return {{ found, none: window.playground.state.network.sizes }};
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile")
    names = {"units": "Hidden units", "rate": "The learning rate", "batch": "The batch size", "seed": "The seed"}
    for field, message, invalid, *kept in found["found"]:
        assert invalid == ("true" if kept else None)
        assert message.startswith(f"{names[field]} must be") if kept else message == ""
        assert kept in ([], [[2, 4, 3, 1], 0.03])
    assert found["none"] == [2, 1]


@pytest.mark.browser
def test_steps_of_an_epoch(page, tmp_path):
    """Three of XOR's four points and the fourth are two steps, and an epoch, whether one by one or at once."""
    script = """
      const by = (id) => document.getElementById(id), found = [by("facts").textContent];
      by("batch").value = "3";
      by("batch").dispatchEvent(new Event("change"));
      for (const id of ["one", "one", "one", "step", "step"]) {
        by(id).click();
        found.push(by("facts").textContent);
      }
      by("data").value = "drawn";
      by("data").dispatchEvent(new Event("change"));
      by("one").click();
      by("export").click();
      return [...found, by("place").textContent, by("script").hidden, by("facts").textContent];
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile")
    *found, said, hidden, empty = found
    assert said.startswith("A script needs points")
    assert hidden
    found.append(empty)
    counts = [[int(n) for n in re.match(r"epoch (\d+), step (\d+), ", facts).groups()] for facts in found]
    assert counts == [[0, 0], [0, 1], [1, 2], [1, 3], [2, 4], [3, 6], [0, 0]]
    losses = [re.search(r"loss ([\d.]+), ", facts)[1] for facts in found[:-1]]
    assert len(set(losses)) == 6  # that of the moment, within an epoch too
    assert found[-1].endswith("no points yet")


@pytest.mark.browser
def test_own_file(page, tmp_path):
    """The page says which class is which, and the script how the numbers were scaled."""
    script = """
      const by = (id) => document.getElementById(id);
      by("data").value = "csv";
      by("data").dispatchEvent(new Event("change"));
      by("csv").value = "height,mass,kind\\n170,60,cat\\n180,80,dog\\n165,50,cat\\n190,90,dog";
      by("use").click();
      by("export").click();
      return { kinds: by("kinds").textContent, script: by("script").textContent };
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile")
    assert found["kinds"] == (
        "Class 1 is dog, class 0 is cat. To the right: height, 165 to 190; upwards: mass, 50 to 90."
    )
    assert '# "height" is scaled from 165 ... 190 to -1 ... 1.' in found["script"]
    assert '# Class 0 is "cat", class 1 is "dog".' in found["script"]
    path = tmp_path / "exported.py"
    path.write_text(found["script"], encoding="utf-8")
    subprocess.run([sys.executable, path], capture_output=True, check=True)


@pytest.mark.browser
def test_script_of_a_network_that_has_diverged(page, tmp_path):
    """Its weights are numbers in Python too, and so is a batch size that a script could not hold."""
    script = """
      const by = (id) => document.getElementById(id), { state } = window.playground;
      by("batch").value = "1e30";
      by("batch").dispatchEvent(new Event("change"));
      window.playground.epoch();
      state.network.layers[0].W.set([NaN, Infinity, -Infinity]);
      by("export").click();
      return by("script").textContent;
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile")
    assert '[float("nan"), float("inf"), float("-inf")' in found
    assert "batch_size=4," in found


@pytest.mark.browser
def test_points_are_drawn_with_keys(page, tmp_path):
    """Arrows move a cross, and points stand where it was; the page says so, and does not scroll."""
    script = """
      const by = (id) => document.getElementById(id), plane = by("plane"), said = [];
      by("data").value = "drawn";
      by("data").dispatchEvent(new Event("change"));
      plane.focus();
      const press = (key, options = {}) => {
        const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options });
        document.activeElement.dispatchEvent(event);
        said.push(by("place").textContent);
        return event.defaultPrevented;
      };
      const points = () => window.playground.state.points.map((point) => [...point]);
      const shown = () => [...by("points").children].map(
        (circle) => [circle.getAttribute("cx"), circle.getAttribute("cy"), circle.className.baseVal]);
      const empty = press("Backspace");
      for (let i = 0; i < 3; i++) press("ArrowRight", { shiftKey: true });
      press("ArrowUp");
      press("1");
      for (let i = 0; i < 40; i++) press("ArrowLeft");
      press("ArrowDown", { shiftKey: true });
      press("0");
      by("class").value = "0";
      press("Enter");
      for (let i = 0; i < 20; i++) press("ArrowRight");
      press(" ");
      const drawn = points(), circles = shown(), crossed = getComputedStyle(by("cross")).display;
      press("1");
      press("Delete");
      const removed = points(), others = [press("Tab"), press("a"), press("1", { ctrlKey: true })];
      for (let i = 0; i < 20; i++) press("ArrowDown", { shiftKey: true });
      const edge = window.playground.state.cross;
      const box = plane.getBoundingClientRect();
      const at = { bubbles: true, clientX: box.left + box.width * 3 / 4, clientY: box.top + box.height / 4 };
      plane.dispatchEvent(new MouseEvent("click", at));
      plane.blur();
      const clicked = points().at(-1), hidden = getComputedStyle(by("cross")).display;
      by("step").click();
      return { drawn, circles, crossed, hidden, removed, others, empty, edge, said, clicked,
        learned: by("facts").textContent };
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile")
    assert found["drawn"] == [[0.6, 0.05, 1], [-1.2, -0.15, 0], [-1.2, -0.15, 0], [-0.2, -0.15, 0]]
    places = [[float(x), float(y), kind] for x, y, kind in found["circles"]]
    assert [kind for *_, kind in places] == ["one", "zero", "zero", "zero"]
    right = [[100 + 100 * p / 1.2, 100 - 100 * q / 1.2] for p, q, _ in found["drawn"]]
    np.testing.assert_allclose([place[:2] for place in places], right)
    assert found["removed"] == found["drawn"]  # of two points in one place, the later one went
    assert (found["crossed"], found["hidden"]) == ("inline", "none")
    assert found["empty"]
    assert found["others"] == [False] * 3
    assert found["edge"] == [-0.2, -1.2]
    np.testing.assert_allclose(found["clicked"], [0.6, 0.6, 0], atol=2.4 / 300)  # a pixel of a plane of 300
    assert found["said"][3:6] == [
        "cross at (0.60, 0.00)",
        "cross at (0.60, 0.05)",
        "point of class 1 at (0.60, 0.05), 1 point",
    ]
    assert "removed the point at (-0.20, -0.15), 4 points" in found["said"]
    assert found["learned"].startswith("epoch 1, step 1, loss 0.")


@pytest.mark.browser
def test_numbers_are_there_without_a_mouse(page, tmp_path):
    """All weights, biases and gradients, as text that a keyboard reaches."""
    script = """
      const by = (id) => document.getElementById(id);
      by("weights").querySelector("summary").click();
      await new Promise((done) => setTimeout(done, 50));
      const read = () => [...document.querySelectorAll("#numbers td")].map(
        (cell) => [...cell.childNodes].map((part) => part.textContent));
      const before = read();
      by("step").click();
      const { network, last } = window.playground.state;
      const layers = network.layers.map(({ W, b }, k) => [W, b, last.gradients[k].W, last.gradients[k].b]);
      return { before, after: read(), captions: [...document.querySelectorAll("caption")].map((c) => c.textContent),
        reached: by("numbers").tabIndex,
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        layers: layers.map((arrays) => arrays.map((array) => [...array])) };
    """
    found, _ = browser.evaluate(page, script, tmp_path / "profile", width=390)
    expected = []
    for kernel, bias, *gradients in found["layers"]:
        expected += [[f"unit {unit}"] for unit in range(len(bias))]
        expected += zip(kernel + bias, gradients[0] + gradients[1], strict=True)
    assert len(found["before"]) == len(found["after"]) == len(expected) == 2 * 4 + 4 * 3 + 3 + 2 * 8
    assert all(len(cell) == 1 or cell[1] == "" for cell in found["before"])
    for shown, right in zip(found["after"], expected, strict=True):
        if len(right) == 1:
            assert shown == right
        else:
            np.testing.assert_allclose([float(number) for number in shown], right, rtol=0.006)
    assert found["captions"] == ["Layer 1, tanh", "Layer 2, tanh", "Layer 3, sigmoid"]
    assert found["reached"] == 0
    assert found["wide"] <= 0
