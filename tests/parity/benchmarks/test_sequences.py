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
    """Some of the networks, because JAX compiles for each.

    Not with Adam, which divides by the size of gradients: where they are almost 0, rounding decides whole steps.
    """
    networks, peers = modules(f"{name}_nets"), modules("peers")
    names = getattr(peers, name.upper())
    for network in networks.TRAINING[::3]:
        network = replace(network, batch=3, steps=2, optimizer="momentum")
        found = {peer: modules(f"peers.{peer}").Training(network).steps(2) for peer in names}
        for peer in names[1:]:
            for start, ours, theirs in zip(network.weights(), found["cbackprop"], found[peer], strict=True):
                moved = np.abs(ours - start).max()
                np.testing.assert_allclose(ours - start, theirs - start, rtol=0, atol=1e-2 * moved + 1e-8, err_msg=peer)


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
