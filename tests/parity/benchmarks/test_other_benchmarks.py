"""The benchmarks that need scikit-learn or mpmath run; the others are run by tests/benchmarks/test_benchmarks.py."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def test_second_order(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", ["second_order", "--rounds", "1"])
    second_order = importlib.import_module("second_order")
    name, _, features, *_ = second_order.NETWORKS[0]
    monkeypatch.setattr(second_order, "NETWORKS", [(name, 60, features, (5,), "tanh", 4)])
    monkeypatch.setattr(second_order, "EARLY", 2)
    monkeypatch.setattr(second_order, "LATE", 4)
    second_order.main()
    printed = capsys.readouterr().out
    # From the same weights, the first steps differ by the line search alone.
    ratios = [float(found) for found in re.findall(rf"^\| {name}: .*\| ([\d.]+) \| \S+ \|$", printed, re.MULTILINE)]
    assert len(ratios) == 2
    assert all(0.5 < ratio < 2 for ratio in ratios)
    assert len(re.findall(r"^\| seed \d \| \S+ \| \S+ \| \S+ \| \d+ \|$", printed, re.MULTILINE)) == 5


def test_coefficients():
    """Those of a logarithm stand in the kernels."""
    command = [sys.executable, str(BENCHMARKS / "coefficients.py"), "log1p float32"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"-?\d+\.\d+(?:e-\d+)?", done.stdout.split("P", 1)[1].split("Q")[0])
    kernels = (BENCHMARKS.parent / "cbackprop/compiled/kernels/elementary.pxd").read_text()
    assert len(found) == 3
    assert all(number in kernels for number in found)
