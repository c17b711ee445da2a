"""The package of docs/extending.md, built outside of this tree, trains on every instruction set."""

import os
import subprocess
import sys
from pathlib import Path

import pages
import pytest

import cbackprop as cb
from cbackprop import compiled

pytest.importorskip("Cython")
pytest.importorskip("setuptools", "77")
pytest.importorskip("pip")

TRAIN = """
import numpy as np
import cbackprop as cb, cbdouble
from cbackprop import layers

losses = []
for engine in ("compiled", "reference"):
    cb.utils.set_random_seed(1)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="tanh"), cbdouble.Double(), layers.Dense(1)])
    model.compile("adam", "mse", engine=engine)
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = x.sum(axis=1, keepdims=True)
    losses.append(model.fit(x, y, epochs=3, verbose=0).history["loss"])
    assert model.check_gradients(x[:5], y[:5]).max_relative_error < 1e-6
    assert type(cb.Sequential.from_config(model.get_config()).layers[1]) is cbdouble.Double
np.testing.assert_allclose(*losses, rtol=1e-5)
assert losses[0][-1] < losses[0][0]
print(cb.compiled.INSTRUCTION_SET)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package, installed into a folder."""
    folder = tmp_path_factory.mktemp("package")
    pages.write_files(pages.ROOT / "docs" / "extending.md", folder)
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"]
    run(folder, "-m", "pip", "install", *options, "--target", folder / "installed", ".")
    return folder / "installed"


def run(folder, *arguments, **environment):
    installed = str(Path(cb.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), installed])} | environment
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("instruction_set", compiled.available())
def test_a_layer_of_another_package(package, instruction_set):
    assert run(package, "-c", TRAIN, CBACKPROP_CPU=instruction_set) == instruction_set
