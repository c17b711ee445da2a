"""Summaries as text, in wide and narrow terminals, and as HTML."""

import re
from html.parser import HTMLParser

import pytest

import cbackprop as cb
from cbackprop import layers

LONG = "a_name_that_is_far_too_long_for_any_terminal_in_which_somebody_might_look_at_it"


def graph():
    """Two inputs and outputs, a shared layer, a nested model, a frozen layer, long names."""
    inner = cb.Sequential([cb.Input((4,)), layers.Dense(3, name="deep"), layers.Dropout(0.3)], name="inner")
    a, b = cb.Input((4,), name="a"), cb.Input((4,), name="b")
    shared = layers.Dense(4, name="shared")
    both = layers.Concatenate(name="both")([inner(shared(a)), inner(shared(b))])
    frozen = layers.Dense(2, name=LONG, trainable=False)(both)
    return cb.Model([a, b], [layers.Dense(1, name="x")(frozen), layers.Dense(2, name="y")(frozen)], name="whole")


def text(model, **arguments):
    lines = []
    model.summary(print_fn=lines.append, **arguments)
    return lines[0].split("\n")


def test_a_stack():
    model = cb.Sequential([cb.Input((4,)), layers.Dense(300, name="one"), layers.Dense(2, name="two")], name="m")
    lines = text(model)
    assert lines[2:6] == [
        "Layer (type)  Output shape  Param #",
        "-----------------------------------",
        "one (Dense)   (None, 300)     1,500",
        "two (Dense)   (None, 2)         602",
    ]
    assert lines[-5:] == [
        "Total params: 2,102 (8.21 KB)",
        "Trainable params: 2,102 (8.21 KB)",
        "Non-trainable params: 0 (0 B)",
        "Multiply-adds per sample: 1,800",
        "Memory per sample in training: 2.36 KB",  # values and deltas of 302 numbers
    ]


def test_a_graph_says_what_is_connected_to_what():
    lines = text(graph(), line_length=240)
    row = {line.split(" (")[0]: line for line in lines if "(None" in line}
    assert row["both"].endswith("inner, inner")
    assert row["shared"].endswith(" a")
    assert lines[lines.index(row["shared"]) + 1].strip() == "b"
    assert row["x"].endswith(LONG)
    assert "Connected to" in lines[2]
    assert len(lines[1]) == 240


@pytest.mark.parametrize("width", [40, 55, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = text(graph(), expand_nested=True)
    table = lines[1 : len(lines) - 5]
    assert max(map(len, table)) <= width
    assert all(f"{name} (Dense)" in "\n".join(table) for name in ("x", "y", "shared"))
    assert any(line.startswith(LONG[:3]) and ".." in line for line in table) == (width < 200)


def test_totals_count_each_weight_once():
    lines = text(graph())
    assert lines[-5:-2] == [
        "Total params: 58 (232 B)",
        "Trainable params: 44 (176 B)",
        "Non-trainable params: 14 (56 B)",
    ]


def test_options():
    model = graph()
    nested = text(model, expand_nested=True, line_length=120)
    assert sum(line.startswith("  deep (Dense)") for line in nested) == 1
    shown = text(model, show_trainable=True, line_length=120)
    assert next(line for line in shown if line.startswith(LONG[:10])).endswith("no")
    assert next(line for line in shown if line.startswith("shared")).endswith("yes")
    part = text(model, layer_range=["shared", "both"], line_length=120)
    assert [line.split(" ")[0] for line in part if "(None" in line] == ["shared", "inner", "both"]


def test_before_there_is_a_shape():
    lines = text(cb.Sequential([layers.Dense(3, name="one")], name="later"))
    assert re.fullmatch(r"one \(Dense\) +\? +\?", lines[4])
    assert lines[-1].startswith("Model 'later' has no shape yet")


BAD = {
    "line_length": [(39, "line_length must be at least 40"), ("80", "line_length must be an integer")],
    "expand_nested": [(1, "expand_nested must be True or False")],
    "show_trainable": [(None, "show_trainable must be True or False")],
    "show_costs": [(1, "show_costs must be True or False")],
    "layer_range": [
        ("shared", "names of a first and a last layer"),
        (["shared"], "names of a first and a last layer"),
        (["shared", "nobody"], "No layer is called 'nobody'"),
        (["both", "shared"], "'both' comes after 'shared'"),
    ],
}


@pytest.mark.parametrize(("argument", "value", "message"), [(k, v, m) for k, pairs in BAD.items() for v, m in pairs])
def test_mistakes(argument, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        graph().summary(**{argument: value})


class Checker(HTMLParser):
    """Refuses tags that do not close in order, and keeps texts."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_html():
    checker = Checker()
    page = graph()._repr_html_()
    checker.feed(page)
    assert checker.open == []
    assert {"shared (Dense)", "whole", "Connected to", "inner, inner", "Trainable"} <= set(checker.texts)
    assert "58 parameters (232 B), 14 of them not trainable" in checker.texts
    assert "Multiply-adds per sample: 74" in checker.texts
    assert "color:" not in page.replace("color:transparent", "")  # light or dark, as the notebook is


def test_html_is_escaped():
    model = cb.Sequential([layers.Dense(1, name="<script>alert(1)</script>")], name="<b>&")
    page = model._repr_html_()
    assert "<script>" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "Has no shape yet" in page
