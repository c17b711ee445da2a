"""Every snippet of docs/weights.md, and of the pages with pictures, runs and does what the page says."""

import re
import runpy
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch

import cbackprop as cb

mpl.use("Agg")

DOCS = Path(__file__).parents[3] / "docs"
PICTURES = runpy.run_path(str(DOCS / "pictures.py"))


def assert_same(ours, theirs):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    with torch.no_grad():
        expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, compared = {}, 0
    for _, text in PICTURES["parts"](DOCS / "weights.md"):
        exec(compile(text, "weights.md", "exec"), names)
        if "model" in names and "small" not in names:
            theirs = names.get("module", names["theirs"])
            theirs.eval()
            assert_same(names["model"], theirs)
            compared += 1
    assert compared == 7
    assert "[[213.]]" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "model.safetensors", "model.weights.h5"]


def test_pictures(tmp_path, monkeypatch):
    """The pictures that pages show are there, and are those of their snippets."""
    monkeypatch.chdir(tmp_path)
    saved = []
    for page in PICTURES["PAGES"]:
        cb.utils.clear_session(free_memory=False)
        saved += PICTURES["run"](page, tmp_path)
    assert sorted(saved) == sorted(f"pictures/{path.name}" for path in (DOCS / "pictures").iterdir())
    for name in saved:
        new, old = ((folder / name).read_text() for folder in (tmp_path, DOCS))
        # Numbers depend on the processor's rounding, and ticks on matplotlib's version.
        assert new.count('id="axes_') == old.count('id="axes_')


def test_pictures_of_the_course(tmp_path, monkeypatch):
    """They are there, and hold the numbers that the pages' code makes now."""
    monkeypatch.chdir(tmp_path)
    saved = PICTURES["run_course"](tmp_path)
    here = DOCS / "learn" / "pictures"
    assert sorted(saved) == sorted(f"pictures/{path.name}" for path in here.iterdir())
    counted = 0
    for name in saved:
        digits = (
            2 if name.endswith("layer.svg") else 4
        )  # numbers of axes have fewer, and depend on matplotlib's version
        number = re.compile(rf">([^<>]*\d\.\d{{{digits}}}[^<>]*)</text>")
        new, old = (number.findall((folder / name).read_text()) for folder in (tmp_path, DOCS / "learn"))
        assert new == old
        counted += len(new)
    assert counted > 50
