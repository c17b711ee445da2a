"""The peers of benchmarks/convolution.py compute the same; fashion_mnist.py trains the same network in PyTorch."""

import importlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
PEERS = ("cbackprop", "torch_images", "torch_channels_last", "onnxruntime_images")


@pytest.fixture
def script(monkeypatch):
    """Imports a module of benchmarks/."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def found(peers, kind, case, ask):
    """The answer of each peer that can do the case."""
    network = case if kind == "Training" else case.network
    able = {name: peer for name, peer in peers.items() if hasattr(peer, kind)}
    if len(network.widths) == 2:
        with pytest.raises(Exception, match="no such layout of signals"):
            getattr(able.pop("torch_channels_last"), kind)(case)
    return {name: ask(getattr(peer, kind)(case)) for name, peer in able.items()}


def test_steps_and_outputs_agree(script):
    """Every network with 3 samples, three steps, and in inference."""
    convnets, rounds = script("convnets"), script("rounds")
    peers = {name: script(f"peers.{name}") for name in PEERS}
    for network in convnets.TRAINING:
        case = replace(network, batch=3, steps=4)
        steps = found(peers, "Training", case, lambda job: job.steps(rounds.STEPS))
        for name, weights in steps.items():
            assert not rounds.problem("Training", case, weights, steps["cbackprop"]), f"{network.name}, {name}"
    for case in convnets.INFERENCE:
        few = replace(case, rows=min(case.rows, 3))
        outputs = found(peers, "Inference", few, lambda job: job.run(1))
        for name, y in outputs.items():
            assert not rounds.problem("Inference", few, y, outputs["cbackprop"]), f"{case.name}, {name}"


def test_jax_agrees(script):
    """It compiles for seconds, so only on networks that have every kind of layer together."""
    convnets, rounds = script("convnets"), script("rounds")
    own, jax = script("peers.cbackprop"), script("peers.jax_images")
    for network in (convnets.AUTOENCODER, convnets.RESNET):
        case = replace(network, batch=3, steps=1)
        expected = own.Training(case).steps(rounds.STEPS)
        job = jax.Training(case)
        assert not rounds.problem("Training", case, job.steps(rounds.STEPS), expected), network.name
        job.run(1)  # one step, on the same samples in another order
        moved = [np.array(weight) for weight in job.state[1]]
        assert not rounds.problem("Training", case, moved, own.Training(case).steps(rounds.STEPS + 1)), network.name
    case = convnets.ConvPrediction(convnets.RESNET, 2, "predict")
    assert not rounds.problem("Inference", case, jax.Inference(case).run(1), own.Inference(case).run(1))


def test_fashion_mnist(script, tmp_path, capsys):
    """Both libraries learn from few images which half is bright."""
    fashion = script("fashion_mnist")
    rng = np.random.default_rng(0)
    y = np.arange(1500, dtype=np.uint8) % 2
    x = rng.integers(0, 100, (1500, 28, 28)).astype(np.uint8)
    x[y == 1, :14] += 100
    np.savez(tmp_path / "data.npz", x_train=x[:1300], y_train=y[:1300], x_test=x[1300:], y_test=y[1300:])
    options = ["--path", str(tmp_path / "data.npz"), "--epochs", "3", "--torch"]
    assert fashion.main(options) == 0
    printed = capsys.readouterr().out
    assert "70,146 parameters (69,874 trained), batches of 128, 1 thread(s)" in printed
    scores = re.findall(r"(cbackprop|PyTorch): 3 epochs in [\d.]+ s, test accuracy ([\d.]+)", printed)
    assert [library for library, _ in scores] == ["cbackprop", "PyTorch"]
    assert all(float(score) > 0.97 for _, score in scores)
    assert fashion.main([*options[:2], "--epochs", "1"]) in (0, 1)
