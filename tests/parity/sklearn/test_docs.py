"""The examples in docstrings, and the benchmark run."""

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import cbackprop.sklearn

ROOT = Path(__file__).parents[3]
MODULES = [name for _, name, _ in pkgutil.walk_packages(cbackprop.sklearn.__path__, "cbackprop.sklearn.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_benchmark(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "sklearn_mlp.py"), "--seeds", "1", "--only", "iris"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path), "--early-stopping", "--clock", "cpu"],
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "sklearn_mlp.md").read_text()
    assert text.startswith("# sklearn_mlp\n")
    (row,) = [line for line in text.splitlines() if line.startswith("| iris")]
    scores = [float(cell.split()[0]) for cell in row.split("|")[2:4]]
    assert scores[0] == scores[1]  # fewer samples than a batch: the same numbers
