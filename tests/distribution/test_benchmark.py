"""The benchmark of ranks runs, and its cost model gives the expected results in simple cases."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from delayed_machines import why_not
from mpi_ranks import launcher, needs_mpi

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@needs_mpi
def test_the_benchmark_runs(tmp_path):
    options = ["--rounds", "1", "--seconds", "0.001", "--only", "64-64-10", "--no-peers", "--output", str(tmp_path)]
    path = os.pathsep.join([str(Path(launcher()[0]).parent), os.environ["PATH"]])
    command = [sys.executable, str(BENCHMARKS / "ranks.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "ranks.json").read_text())
    assert set(found["measured"]) == {"1", "2", "4"}
    for result in found["measured"].values():
        assert all(seconds > 0 for seconds in result["networks"]["64-64-10"]["times"]["alone"])


@pytest.mark.skipif(bool(why_not()) or shutil.which("tc") is None, reason="needs network namespaces, and tc")
def test_the_benchmark_of_overlapped_sums_runs():
    command = [sys.executable, str(BENCHMARKS / "overlap.py"), "--rates", "1gbit", "--batches", "8", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| 1gbit | 8 |" in done.stdout


@pytest.fixture
def model(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("ranks_model")


def test_latency_and_bandwidth_are_found_in_what_they_made(model):
    link = model.Link(3e-6, 2e-10)
    sums = {str(size): model.sum_seconds(2, size, link) for size in (1, 16, 2**14, 2**20)}
    found = model.fitted(sums)
    assert found.latency == pytest.approx(link.latency)
    assert found.byte == pytest.approx(link.byte)


def test_efficiency(model):
    link = model.Link(1e-5, 1e-10)
    assert model.efficiency(1, 1e-3, 10**5, link) == 1
    found = [model.efficiency(ranks, 1e-3, 10**5, link) for ranks in (2, 4, 8, 1024)]
    assert found == sorted(found, reverse=True)
    most = model.most_ranks(1e-3, 10**5, link)
    assert model.efficiency(most, 1e-3, 10**5, link) >= model.WANTED > model.efficiency(2 * most, 1e-3, 10**5, link)
