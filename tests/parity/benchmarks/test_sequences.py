"""Results of the peers of recurrent.py and attention.py on the networks that are measured."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    """Imports a module of benchmarks/."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.mark.parametrize("name", ["recurrent", "attention"])
def test_all_peers_train_alike(modules, name):
    """Some of the networks, because JAX compiles for each."""
    networks, peers = modules(f"{name}_nets"), modules("peers")
    names = getattr(peers, name.upper())
    for network in networks.TRAINING[::3]:
        network = replace(network, batch=3, steps=2)
        found = {}
        for peer in names:
            found[peer] = modules(f"peers.{peer}").Training(network).steps(2)
        for peer in names[1:]:
            for a, b in zip(found["cbackprop"], found[peer], strict=True):
                np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("name", ["recurrent", "attention"])
def test_all_peers_predict_alike(modules, name):
    networks, peers = modules(f"{name}_nets"), modules("peers")
    for prediction in networks.INFERENCE:
        found = [
            modules(f"peers.{peer}").Inference(prediction).run(1)
            for peer in getattr(peers, name.upper())
            if hasattr(modules(f"peers.{peer}"), "Inference")
        ]
        for other in found[1:]:
            np.testing.assert_allclose(found[0], other, rtol=1e-4, atol=1e-5)
