"""``cbackprop step``: the parts of a step, in a terminal and as a script."""

import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
from console import assert_refused

import cbackprop as cb
from cbackprop.cli import main

COMMAND = [sys.executable, "-P", "-m", "cbackprop", "step"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "flowers.csv"
    rows = ["length,width,kind", *(f"{i % 7},{i % 3},{'ab'[i % 2]}" for i in range(12))]
    path.write_text("\n".join(rows))
    return str(path)


def test_xor_prints_all_four_parts(capsys):
    assert main(["step", "xor", "--units", "3", "--activation", "tanh", "--learning-rate", "0.5"]) == 0
    printed = capsys.readouterr().out
    titles = ["1. Forward pass", "2. Loss", "3. Backward pass", "4. Update"]
    assert [line for line in printed.splitlines() if line in titles] == titles
    assert "A1ᵀ (3,4) @ δ2 (4,1) = dW2 (3,1)" in printed
    before, after = map(float, re.findall(r"loss of the batch ([\d.]+) → ([\d.]+)", printed)[0])
    assert after < before
    assert max(map(len, printed.splitlines())) <= 80


def test_enter_goes_on():
    """In a terminal: a part for each Enter, a further step after the last one, and q ends."""
    master, slave = pty.openpty()
    process = subprocess.Popen([*COMMAND, "xor"], stdin=slave, stdout=subprocess.PIPE, text=True)
    os.close(slave)
    try:
        os.write(master, b"\n" * 5 + b"q\n")
        printed, _ = process.communicate(timeout=120)
    finally:
        os.close(master)
    assert process.returncode == 0
    assert printed.count("Enter: go on, q: end") == 6
    assert printed.count("1. Forward pass") == printed.count("2. Loss") == 2
    assert printed.count("3. Backward pass") == printed.count("4. Update") == 1


def test_every_step_has_a_head(capsys):
    assert main(["step", "xor", "--steps", "2"]) == 0
    heads = re.findall(r"^(Step \d, 4 samples)\n=+\n\n1\. Forward", capsys.readouterr().out, re.MULTILINE)
    assert heads == ["Step 1, 4 samples", "Step 2, 4 samples"]
    assert main(["step", "xor", "--steps", "2", "--explain", "hidden[0]"]) == 0
    assert re.findall(r"^Step \d, 4 samples$", capsys.readouterr().out, re.MULTILINE) == heads


@pytest.mark.parametrize(
    ("arguments", "rate"),
    [
        ([], 0.5),
        (["--optimizer", "adam"], 0.001),
        (["--optimizer", "rmsprop"], 0.001),
        (["--optimizer", "adam", "--learning-rate", "0.02"], 0.02),
    ],
)
def test_learning_rate_suits_the_optimizer(arguments, rate, capsys):
    assert main(["step", "xor", *arguments]) == 0
    assert f", η = {rate}, step 1" in capsys.readouterr().out


def test_spirals_are_points_of_the_plane(capsys):
    """Four points at equal distances along the spirals are on one line through the center."""
    assert main(["step", "spirals"]) == 0
    rows = re.search(r"^X .*\n((?: .*\n)+)", capsys.readouterr().out, re.MULTILINE)[1].replace("−", "-")
    points = np.array([[float(number) for number in row.split()] for row in rows.splitlines()])
    assert points.shape == (4, 2)
    assert np.linalg.matrix_rank(points - points.mean(axis=0), tol=0.1) == 2


def test_columns_of_a_table_are_named(tmp_path, capsys):
    """Also of a sorted table all classes are among the samples."""
    path = tmp_path / "sorted.csv"
    rows = ["length,color,kind", *(f"{i % 7},{'red' if i % 3 else 'blue'},{'abc'[i // 10]}" for i in range(30))]
    path.write_text("\n".join(rows))
    assert main(["step", str(path), "--target", "kind"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Columns of X: length, color is blue, color is red. Numbers are standardised.\n")
    assert "Classes of kind: 0 is a, 1 is b, 2 is c.\n" in printed
    targets = re.search(r"^  target \(4,1\)\n((?:    .*\n)+)", printed, re.MULTILINE)[1].split()
    assert sorted(set(targets)) == ["0", "1", "2"]
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize("data", ["xor", "spirals", "digits", "table"])
def test_script_makes_the_same_steps(data, table, tmp_path, capsys):
    arguments = [table, "--target", "kind"] if data == "table" else [data]
    arguments += ["--units", "4,3", "--optimizer", "adam", "--learning-rate", "0.01", "--samples", "5", "--steps", "3"]
    assert main(["step", *arguments]) == 0
    shown = capsys.readouterr().out
    assert main(["step", *arguments, "--python"]) == 0
    script = tmp_path / "script.py"
    script.write_text(capsys.readouterr().out)
    assert "cb.optimizers.Adam(learning_rate=0.01)" in script.read_text()
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    losses = re.findall(r"loss of the batch .* → .*", shown)
    assert len(losses) == 3
    assert re.findall(r"loss of the batch .* → .*", printed) == losses


def test_explain(capsys):
    arguments = ["--explain", "hidden[1]", "--explain", "output/bias[0]", "--sample", "2"]
    assert main(["step", "xor", *arguments]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("sample 2, unit 1 of 'hidden'\nz = ")
    assert "central difference" in printed
    assert "Forward" not in printed


def test_page(tmp_path, capsys):
    page = tmp_path / "xor.html"
    assert main(["step", "xor", "--steps", "3", "--html", str(page)]) == 0
    assert page.read_text(encoding="utf-8").count('"lossAfter"') == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["xor", "--units", "0"], "widths"),
        (["xor", "--html", "page.txt"], "must end in .html"),
        (["xor", "--explain", "hiden[0]"], "hidden"),
        (["xor", "--explain", "hidden[9]"], "unit must be less than 3"),
        (["xor", "--explain", "hidden[x]"], "--explain takes"),
        (["xor", "--explain", "hidden[0 0]"], "--explain takes"),
        (["xor", "--explain", "hidden/kernel[0 0]"], "weight must be a path and an index"),
        (["xor", "--explain", f"hidden[{'1' * 5000}]"], "--explain takes"),
        (["xor", "--html", "\0.html"], "path must not contain a zero byte"),
        (["xor", "--activation", "tanhh"], "tanh"),
        (["xor", "--optimizer", "sdg"], "sgd"),
        (["nothing.csv", "--target", "a"], "nothing.csv"),
        (["xro"], "DATA must be xor, spirals, digits, or a table whose name ends in .csv"),
        (["xor", "--target", "a"], "--target is for a table"),
        (["xor", "--html", "no/such/folder/page.html"], "no such folder"),
        (["xor", "--python", "--optimizer", "sdg"], "sgd"),
    ],
)
def test_mistakes(arguments, message, capsys):
    assert_refused(["step", *arguments], message, capsys)


def test_a_folder_is_no_page(tmp_path, capsys):
    (tmp_path / "page.html").mkdir()
    assert_refused(["step", "xor", "--html", str(tmp_path / "page.html")], "folder", capsys)


def test_goes_on_when_it_has_diverged(capsys):
    arguments = ["--activation", "relu", "--learning-rate", "1e30", "--floatx", "float32", "--steps", "5"]
    assert main(["step", "xor", *arguments]) == 0
    printed = capsys.readouterr()
    assert "nan" in printed.out
    assert not printed.err


def test_table_needs_a_target(table, capsys):
    assert_refused(["step", table], "--target is missing", capsys)
    assert_refused(["step", table, "--target", "kin"], "kind", capsys)


def test_nothing_of_the_process_changes():
    before = cb.config.floatx()
    assert main(["step", "xor", "--floatx", "float64", "--explain", "hidden[0]"]) == 0
    assert cb.config.floatx() == before
