"""What importing cbackprop and its peers costs, beyond a Python that has imported NumPy and SciPy's BLAS.

Every import runs in a fresh process; rounds are interleaved. The first one, which reads files from the disk and
compiles Python, is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import Report, number

BASE = "import numpy, scipy.linalg.cython_blas"
PEERS = {
    "cbackprop": "cbackprop",
    "scikit-learn": "sklearn.neural_network",
    "PyTorch": "torch",
    "JAX": "jax.numpy",
    "ONNX Runtime": "onnxruntime",
}
PROBE = """
import time
{base}
def memory():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * __import__("resource").getpagesize() / 1e6
    except OSError:
        return 0.0
before, start = memory(), time.perf_counter()
{statement}
print((time.perf_counter() - start) * 1e3, memory() - before)
"""


def probe(statement: str, cache: str) -> tuple[float, float]:
    """Milliseconds and megabytes that a statement costs in a fresh process, which finds compiled Python in `cache`."""
    script = PROBE.format(base=BASE, statement=statement)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    command = [sys.executable, "-P", "-c", script]  # -P: the package that is installed, whatever the folder
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    milliseconds, megabytes = map(float, done.stdout.split())
    return milliseconds, megabytes


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="part of a library's name")
    parser.add_argument("--output", type=Path, help="directory for startup.md, startup.json and startup.png")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1.")
    chosen = [name for name in PEERS if options.only in name]
    there = [name for name in chosen if importlib.util.find_spec(PEERS[name].partition(".")[0])]
    if not there:
        parser.error(f"No library that is here has {options.only!r} in its name.")
    with tempfile.TemporaryDirectory() as cache:
        rounds = [{name: probe(f"import {PEERS[name]}", cache) for name in there} for _ in range(options.rounds + 1)]
    del rounds[0]
    report = Report("startup")
    report.say(
        f"Median and least of {options.rounds} interleaved rounds, each import in a fresh process, beyond `{BASE}`."
    )
    report.table("Import", ["library", "ms, median", "ms, least", "MB"])
    results: dict[str, Any] = {}
    for name in there:
        times = [one[name][0] for one in rounds]
        results[name] = {"milliseconds": times, "megabytes": rounds[-1][name][1]}
        report.row(name, number(statistics.median(times)), number(min(times)), number(rounds[-1][name][1]))
    report.data = {"rounds": options.rounds, "results": results}
    report.write(options.output, lambda figure: draw(results, figure))
    return 0


def draw(results: dict[str, Any], figure: Any) -> None:
    axis = figure.subplots()
    axis.barh(list(results), [statistics.median(one["milliseconds"]) for one in results.values()])
    axis.invert_yaxis()
    axis.set_xlabel("ms to import, beyond NumPy and SciPy's BLAS")


if __name__ == "__main__":
    sys.exit(main())
