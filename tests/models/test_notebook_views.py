"""Views of models, histories, gradient checks and models of tables in notebooks, and as text."""

import re
from html.parser import HTMLParser

import browser
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, tables

VOID = ("br",)


class Checker(HTMLParser):
    """Texts of a page whose elements are closed in the right order."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def texts_of(page):
    """The texts, of a page that names no color but a transparent gray: it is right in light and in dark."""
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert not re.search(r"(?<!-)color:(?!transparent)|#[0-9a-f]{3}", page)
    assert "<script" not in page
    return checker.texts


@pytest.fixture
def trained():
    cb.utils.set_random_seed(0)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2, name="<b>")])
    model.compile("adam", "mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(8, 3))
    return model, x, model.fit(x, x[:, :2], epochs=12, verbose=0, validation_split=0.25)


def test_a_history(trained):
    history = trained[2]
    texts = texts_of(history._repr_html_())
    assert texts[:3] == ["History of ", "12", " epochs, the last 10"]
    assert texts[3:8] == ["Epoch", "loss", "val_loss", "mae", "val_mae"]
    assert texts[8:10] == ["3", f"{history.history['loss'][2]:.4f}"]
    lowest = min(history.history["val_loss"])
    epoch = 1 + history.history["val_loss"].index(lowest)
    assert texts[-1] == f"lowest val_loss: {lowest:.4f} in epoch {epoch}"
    assert texts_of(cb.callbacks.History()._repr_html_())[1] == "0"


def test_a_history_of_values_that_come_and_go(trained):
    history = cb.callbacks.History()
    history.on_epoch_end(0, {"loss": 1.0})
    history.on_epoch_end(1, {"loss": 0.5, "late": 3.0})
    assert texts_of(history._repr_html_())[4:-1] == ["loss", "late", "1", "1.0000", "2", "0.5000", "3.0000"]


def test_a_check_of_gradients(trained):
    model, x, _ = trained
    report = model.check_gradients(x, x[:, :2])
    texts = texts_of(report._repr_html_())
    assert texts[0] == "8 gradients checked; largest relative error "
    assert set(report.errors) <= set(texts)
    assert "<b>/kernel" in texts


def test_a_model_of_tables():
    table = {
        "<i>": np.arange(40) ** 2,
        "price": [f"{row},5 €" for row in range(40)],
        "flat": [1] * 40,
        "y": ["a", "b"] * 20,
    }
    with pytest.warns(UserWarning, match="price"):
        model = tables.build(table, "y")
    texts = texts_of(model._repr_html_())
    assert texts[:2] == ["TableModel for ", "y"]
    assert texts[6:9] == ["<i>", "number", "1"]
    assert "decimal comma, unit '€'" in texts
    assert "left out, is constant" in texts
    assert "predicted class" in texts


def test_texts():
    assert repr(cb.optimizers.Adam()) == "Adam(learning_rate=0.001)"
    assert repr(cb.optimizers.SGD(momentum=0.9)) == "SGD(learning_rate=0.01, momentum=0.9)"
    schedule = cb.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    assert "learning_rate=ExponentialDecay(" in repr(cb.optimizers.Adam(schedule))
    assert repr(cb.Variable([1.0, 2.5])).endswith("trainable=True value=[1. , 2.5]>")
    large = repr(cb.Variable("zeros", shape=(1000, 1000)))
    assert "shape=(1000, 1000)" in large
    assert len(large) < 300


@pytest.mark.browser
def test_views_are_legible_on_light_and_dark(tmp_path):
    """Texts contrast with their background by WCAG's 4.5 to 1, and a narrow page does not become wider."""
    cb.utils.set_random_seed(0)
    x, y = cb.datasets.xor.load_data()
    model = cb.Sequential([cb.Input((2,)), layers.Dense(3, "tanh"), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0)
    shown = [history, model.check_gradients(x, y), model.trace(x, y), model]
    views = "".join(each._repr_html_() for each in shown)
    script = """
      const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
      const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
      const parts = (color) => { const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
      const over = ([r, g, b, a], under) => [r, g, b].map((v, i) => a * v + (1 - a) * under[i]);
      const behind = (element) => !element ? [255, 255, 255]
        : over(parts(getComputedStyle(element).backgroundColor), behind(element.parentElement));
      const opacity = (element) =>
        !element ? 1 : Number(getComputedStyle(element).opacity) * opacity(element.parentElement);
      let least = Infinity, texts = 0;
      const walk = document.createTreeWalker(document.getElementById("views"), NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const element = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
        if (!text) continue;
        const under = behind(element), [r, g, b, a] = parts(getComputedStyle(element).color);
        const lights = [light(over([r, g, b, a * opacity(element)], under)), light(under)];
        least = Math.min(least, (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05));
        texts++;
      }
      const main = document.getElementById("views");
      return { least, texts, wide: main.scrollWidth - main.clientWidth };
    """
    for name, colors in {"light": "#fff;color:#000", "dark": "#111;color:#eee"}.items():
        page = tmp_path / f"{name}.html"
        body = f"<body style='background:{colors}'><main id='views' style='width:360px'>{views}</main></body>"
        page.write_text(f"<html><head></head>{body}</html>", encoding="utf-8")
        found, _ = browser.evaluate(page, script, tmp_path / "profile")
        assert found["texts"] > 100
        assert found["least"] > 4.5
        assert found["wide"] <= 0
