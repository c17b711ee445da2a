"""The programs of docs/scaling.md, which other programs start as several processes."""

import subprocess
import sys

import numpy as np
import pages
import pytest
from mpi_ranks import needs_mpi, succeed

import cbackprop as cb


@pytest.fixture
def folder(tmp_path):
    """The files of the page."""
    pages.write_files(pages.ROOT / "docs" / "scaling.md", tmp_path)
    return tmp_path


@needs_mpi
def test_train(folder, rng):
    np.save(folder / "x.npy", rng.normal(size=(300, 784)).astype("float32"))
    np.save(folder / "y.npy", rng.integers(10, size=300))
    pytest.importorskip("h5py")
    succeed(2, folder, (folder / "train.py").read_text())
    model = cb.models.load_model(folder / "model.keras")
    assert model.optimizer.iterations == 20
    assert not list((folder / "backup").glob("*"))


def test_search(folder):
    pytest.importorskip("distributed", reason="needs Dask: pip install cbackprop[dask]")
    pytest.importorskip("sklearn")
    done = subprocess.run([sys.executable, "search.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    text = (folder / "search.py").read_text()
    assert "print(" in text
    assert f"It prints `{done.stdout.strip()}`." in (pages.ROOT / "docs" / "scaling.md").read_text()
