"""docs/learn/minimal.py: the algorithm in a few lines makes the steps of the compiled engine."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, optimizers

PATH = Path(__file__).parents[2] / "docs" / "learn" / "minimal.py"


@pytest.fixture
def minimal():
    spec = importlib.util.spec_from_file_location("minimal", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("functions", [["tanh", "sigmoid"], ["relu", "tanh", "linear"], ["sigmoid"] * 4])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_same_steps_as_the_engine(minimal, functions, engine):
    cb.config.set_floatx("float64")
    sizes = [3, 5, 4, 2, 2][: len(functions) + 1]
    model = cb.Sequential([cb.Input((3,)), *map(layers.Dense, sizes[1:], functions)])
    model.compile(optimizers.SGD(0.3), "mse", engine=engine)
    found = model.get_weights()
    network = minimal.Network(list(zip(found[::2], found[1::2], strict=True)), functions)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, sizes[-1]))
    for _ in range(5):
        trace = model.trace(x, y)
        a = network.forward(x)
        loss, above = network.loss(a[-1], y)
        gradients = network.backward(a, above)
        np.testing.assert_allclose(loss, trace.loss, rtol=1e-12)
        for layer, output, pair in zip(trace.layers, a[1:], gradients, strict=True):
            np.testing.assert_allclose(layer.a, output, rtol=1e-12, atol=1e-14)
            for weight, gradient in zip(layer.weights, pair, strict=True):
                np.testing.assert_allclose(weight.gradient, gradient, rtol=1e-10, atol=1e-14)
        network.update(gradients, 0.3)
        trace.apply()
    for mine, theirs in zip([w for pair in network.weights for w in pair], model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-14)


def test_it_learns_and_is_short(minimal):
    printed = subprocess.run([sys.executable, PATH], capture_output=True, text=True, check=True).stdout.splitlines()
    assert float(printed[-2].partition(": ")[2]) < 0.001
    code = [
        line for line in PATH.read_text().splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))
    ]
    assert len(code) < 60
