"""Output fits the terminal, without broken words; in files lines are whole and do not end in spaces."""

import io
import os
import re
import sys

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.callbacks.short_number import as_many_as_fit, short_number
from cbackprop.cli import main
from cbackprop.cli.console import EpochBar, show_grid
from cbackprop.utils import Progbar


@pytest.fixture(params=[60, 80, 120])
def columns(request, capsys, monkeypatch):
    """A terminal with `columns` columns."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm")
    for stream in (sys.stdout, sys.stderr):  # their class, because the test gets other ones
        monkeypatch.setattr(type(stream), "isatty", lambda stream: True)
    return request.param


def plainly(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def model_of_many_metrics():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2, "softmax")])
    metrics = [
        "accuracy",
        cb.metrics.MeanSquaredError(name="the_long_name_of_a_metric"),
        "mae",
        "mse",
        "cosine_similarity",
    ]
    model.compile("adam", "categorical_crossentropy", metrics=metrics)
    return model


X = np.random.default_rng(0).normal(size=(50, 3))
Y = np.eye(2)[(X[:, 0] > 0).astype(int)]


def test_lines_of_epochs(columns, capsys):
    model = model_of_many_metrics()
    model.fit(X, Y, epochs=3, validation_data=(X, Y), verbose=2)
    model.evaluate(X, Y, verbose=2)
    *lines, evaluated = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert len(line) < columns
        assert re.fullmatch(
            r"Epoch \d/3 - \d+\.\d\d s - loss: \d\.\d{4} - val_loss: \d\.\d{4}( - \w+: \d\.\d{4})*", line
        )
    assert ("accuracy" in lines[0]) == (columns > 60)
    assert re.fullmatch(r"loss: \d\.\d{4}( - \w+: -?\d\.\d{4})+", evaluated)


def test_lines_in_files_are_whole(capsys):
    model_of_many_metrics().fit(X, Y, epochs=1, validation_data=(X, Y), verbose=2)
    (line,) = capsys.readouterr().out.splitlines()
    names = re.findall(r"(\w+): ", line)
    assert len(names) == 12
    assert names == sorted(names, key=lambda name: (name.startswith("val_"), name))


def test_progress_bars_of_ones_own(columns, capsys):
    bar = Progbar(3, interval=0)
    for step in range(1, 4):
        bar.update(step, [(f"value_{index}", 1.0 / step) for index in range(9)])
    lines = re.split(r"[\r\n]+", capsys.readouterr().out.strip())
    assert len(lines) == 3
    for line in lines:
        assert len(line.rstrip()) < columns
        assert re.search(r"\d+ (s|ms|µs)/step( - \w+: \d\.\d{4})+$", line.rstrip())


class Terminal(io.StringIO):
    """An output that rich takes for a terminal."""

    def isatty(self):
        return True


def test_the_bar_of_epochs(columns):
    bar = EpochBar(10, quiet=False)
    bar._bar.console.file = out = Terminal()
    with bar:
        logs = {f"a_long_name_of_a_metric_{index}": 0.5 for index in range(9)} | {
            "loss": 3.14159e-7,
            "val_loss": 2.2e36,
        }
        bar.on_epoch_end(0, logs)
        bar._bar.refresh()
    shown = plainly(out.getvalue()).replace("\r", "\n")
    lines = [line for line in shown.split("\n") if "1/10" in line]
    assert lines
    for line in lines:
        assert len(line) <= columns
        assert "loss 3.142e-07" in line
        assert not re.search(r"metric_?$|…", line.rstrip())


def test_numbers_as_people_read_them():
    assert [short_number(value) for value in (0.5, 0, 3.1e-7, -3.14e-7, 2.2e36, np.nan, 1e6)] == [
        "0.5000",
        "0.0000",
        "3.1e-07",
        "-3.1e-07",
        "2.20e+36",
        "nan",
        "1000000.0000",
    ]


def test_as_many_as_fit():
    assert as_many_as_fit(["ab", "cd", "ef"], None) == "ab - cd - ef"
    assert as_many_as_fit(["ab", "cd", "ef"], 7) == "ab - cd"
    assert as_many_as_fit(["ab", "cd", "ef"], 6) == "ab"
    assert as_many_as_fit(["abcdef"], 3) == "abcdef"
    assert as_many_as_fit([], 3) == ""


def test_tables_of_numbers(columns, capsys):
    header = ("network", "cbackprop", "NumPy twin", "scikit-learn", "PyTorch")
    rows = [("784-128-10, batch 32, sgd", "583.1", "1,301.4", "1,941.4", "1,935.5")] * 2
    show_grid("microseconds", header, rows)
    printed = plainly(capsys.readouterr().out)
    assert max(map(len, printed.splitlines())) <= columns
    for name in header[1:]:
        assert printed.count(name) == (2 if columns == 60 else 1)
    assert printed.count("1,935.5") == 2


def test_a_table_of_long_names(columns, tmp_path, monkeypatch, capsys, rng):
    """Notes, the report of columns, and the summary."""
    monkeypatch.chdir(tmp_path)
    names = {f"a column with a name of some words, part {index} in it": rng.normal(size=40) for index in range(6)}
    texts = [f"{value:,.2f} €" for value in 2000 * rng.normal(size=40)]
    np.savez("d.npz", y=rng.normal(size=40), **{"a name without any gap".replace(" ", "_") * 4: texts}, **names)
    assert main(["train", "d.npz", "--target", "y", "--epochs", "2", "--save", "m"]) == 0
    assert main(["summary", "m"]) == 0
    assert main(["gradcheck", "m"]) == 0
    assert main(["predict", "m", "gone.npz"]) == 2
    printed = capsys.readouterr()
    for line in plainly(printed.out + printed.err).replace("\r", "\n").split("\n"):
        assert len(line.rstrip()) <= max(columns, 92 if "a_name_without" in line else 0), line
    words = " ".join(plainly(printed.out).split())
    for name in names:
        assert name in words


@pytest.mark.parametrize(
    "command", ["train d.npz --epochs 2", "summary m", "evaluate m d.npz", "bench --seconds 0", "info"]
)
def test_no_spaces_at_line_ends_in_pipes(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", x=X, y=X[:, 0])
    assert main(["train", "d.npz", "--epochs", "2", "--save", "m"]) == 0
    capsys.readouterr()
    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    assert not re.search(r"[ \t]$", printed, re.MULTILINE), printed
    assert os.environ.get("COLUMNS") or max(map(len, printed.splitlines())) < 200
