"""Exercises of the course: right answers are taken, wrong ones get a hint."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import teach

RIGHT = {
    "neuron/1": 0, "neuron/2": -0.4621, "neuron/3": lambda w, b, x: np.tanh(np.sum(w * x) + b),
    "layer/1": (5, 3), "layer/2": 13, "layer/3": lambda x, w, b: x @ w + b,
    "loss/1": 0.025, "loss/2": 0.2231, "loss/3": lambda y, p: (-y / p + (1 - y) / (1 - p)) / len(y),
    "chain/1": 6, "chain/2": 0.7269, "chain/3": lambda a: a - a**2,
    "hidden/1": 0.0369, "hidden/2": lambda d, w, a: (1 - a**2) * (d @ w.T),
    "hidden/3": lambda inputs, outputs, delta: delta * (1 - np.abs(outputs)) ** 2,
    "update/1": -0.6144, "update/2": -0.19,
    "batches/1": 4, "batches/2": lambda g: np.mean(g, 0), "batches/3": 200,
    "wrong/1": 0.25, "wrong/2": 9.537e-7, "wrong/3": 0.5,
}  # fmt: skip


def adam_of_the_library(w, g, m, v, t):
    """By the optimizer itself."""
    rule = cb.optimizers.Adam()
    w = w.copy()
    rule.apply([0 * g], [w.copy()])
    rule.set_state({"batches": t - 1, "learning_rate": 0.001, "0/m": m, "0/v": v})
    rule.apply([g], [w])
    state = rule.state()
    return w, state["0/m"], state["0/v"]


RIGHT["update/3"] = adam_of_the_library


def test_every_exercise_has_an_answer_here():
    assert set(RIGHT) == set(teach.exercises())
    pages = [name.partition("/")[0] for name in teach.exercises()]
    assert all(pages.count(page) == 3 for page in pages)
    assert len(set(pages)) == 8
    assert all(exercise.question[-1] in ".?" for exercise in teach.exercises().values())


@pytest.mark.parametrize("name", list(RIGHT))
def test_right_and_wrong(name, capsys):
    assert teach.check(name, RIGHT[name]) is True
    assert capsys.readouterr().out == f"{name}: right.\n"
    wrong = (lambda *arguments: 2 * np.ones(3)) if callable(RIGHT[name]) else 1.1 * np.array(RIGHT[name]) + 0.1
    for answer in (wrong, "text", None, lambda: 0):
        assert teach.check(name, answer) is False
        printed = capsys.readouterr().out
        assert printed.startswith(f"{name}: not yet. ")
        assert printed.count("\n") == 1


def test_the_planted_bug_is_found(capsys):
    assert not teach.check("hidden/3", lambda inputs, outputs, delta: delta / (1 + np.abs(inputs)))
    assert "check_gradients finds" in capsys.readouterr().out


def test_unknown_exercise():
    for name in ("neuron/4", "nuron/1", 3, None):
        with pytest.raises(ValueError, match="There is no exercise"):
            teach.check(name, 1)


@pytest.mark.parametrize("name", ["batches/1", "layer/1", "layer/3"])
@pytest.mark.parametrize(
    "answer", [10**400, [10**400], "x" * 10**5, lambda *_: 10**400], ids=["number", "list", "text", "function"]
)
def test_odd_answers_get_a_short_hint(name, answer, capsys):
    assert cb.teach.check(name, answer) is False
    assert len(capsys.readouterr().out) < 400
