"""The package of docs/extending.md, built outside of this tree, trains on every instruction set."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cbackprop as cb
from cbackprop import compiled

pytest.importorskip("Cython")
pytest.importorskip("setuptools")

ROOT = Path(__file__).parents[2]
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


def block(after):
    """The first indented block of the page that follows this text."""
    text = (ROOT / "docs" / "extending.md").read_text().split(after, 1)[1]
    found = re.search(r"\n((?:    .*\n|\n)+)", text)
    assert found
    return textwrap.dedent(found.group(1))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package, built in place."""
    folder = tmp_path_factory.mktemp("package")
    files = {
        "cbdouble/__init__.py": block("The spec says where the other two are:\n"),
        "cbdouble/compiled/__init__.py": "",
        "cbdouble/compiled/layers/__init__.py": "",
        "cbdouble/compiled/layers/double.pyx": block("or some of them:\n"),
        "cbdouble/reference/__init__.py": "",
        "cbdouble/reference/layers/__init__.py": "",
        "cbdouble/reference/layers/double.py": block("The twin:\n"),
        "setup.py": block("And `setup.py`:\n"),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run(folder, "setup.py", "-q", "build_ext", "--inplace")
    return folder


def run(folder, *arguments, **environment):
    installed = str(Path(cb.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), installed])} | environment
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("instruction_set", compiled.available())
def test_a_layer_of_another_package(package, instruction_set):
    assert run(package, "-c", TRAIN, CBACKPROP_CPU=instruction_set) == instruction_set
