"""Scripts written for Keras run unchanged but for the name of the library, and give Keras's numbers.

Each makes `model`, `history`, `results` (a dict of numbers) and `predictions`. Both libraries are given the same
weights when a model is compiled; nothing else in the scripts is random.
"""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import cbackprop as cb

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


def same_weights(library, monkeypatch):
    """Every model gets trainable weights that depend on nothing but their shapes, when it is first compiled.

    Unless it is read from a file, with its weights.
    """
    owner = next(cls for cls in library.Model.__mro__ if "compile" in vars(cls))
    compile_, seen = owner.compile, {}

    def compile_with_weights(self, *args, **kwargs):
        compile_(self, *args, **kwargs)
        if loading:
            return
        rng = np.random.default_rng(0)
        for weight in self.trainable_weights:
            if id(weight) not in seen and len(weight.shape) > 1:
                weight.assign(rng.normal(0, 0.4, size=weight.shape).astype("float32"))
                seen[id(weight)] = weight

    def load_model(*args, **kwargs):
        loading.append(True)
        model = read(*args, **kwargs)
        loading.pop()
        return model

    loading, read = [], library.models.load_model
    monkeypatch.setattr(owner, "compile", compile_with_weights)
    monkeypatch.setattr(library.models, "load_model", load_model)
    return seen  # to be kept: the number of a weight that is gone would be given to another


def run(path, library, monkeypatch):
    """The names that a script leaves behind."""
    text = path.read_text()
    if library is cb:
        text, found = re.subn(r"^import keras$", "import cbackprop as keras", text, flags=re.MULTILINE)
        assert found == 1
        text = re.sub(r"^from keras ", "from cbackprop ", text, flags=re.MULTILINE)
    kept = same_weights(library, monkeypatch)
    names = {"__name__": "script", "kept": kept}
    exec(compile(text, str(path), "exec"), names)
    return names


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path, monkeypatch):
    ours, theirs = run(path, cb, monkeypatch), run(path, keras, monkeypatch)
    a, b = ours["history"].history, theirs["history"].history
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=2e-4, atol=2e-5, err_msg=name)
    assert set(ours["results"]) == set(theirs["results"])
    for name, value in ours["results"].items():
        np.testing.assert_allclose(value, theirs["results"][name], rtol=2e-4, atol=2e-5, err_msg=name)
    pairs = ours["predictions"], theirs["predictions"]
    for p, q in zip(*(pair if isinstance(pair, list) else [pair] for pair in pairs), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-3, atol=1e-4)


def test_there_are_ten():
    assert len(SCRIPTS) >= 10
