"""What notebooks show of models, histories, gradient checks and models of tables; and what the others say as text."""

import re
from html.parser import HTMLParser

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
