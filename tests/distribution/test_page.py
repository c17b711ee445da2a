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


@pytest.mark.parametrize(
    ("program", "module", "extra"), [("search.py", "distributed", "dask"), ("search_with_ray.py", "ray", "ray")]
)
def test_search(folder, program, module, extra):
    pytest.importorskip(module, reason=f"needs {module}: pip install cbackprop[{extra}]")
    pytest.importorskip("sklearn")
    done = subprocess.run([sys.executable, program], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    text = (folder / program).read_text()
    assert "print(" in text
    assert f"It prints `{done.stdout.strip()}`." in (pages.ROOT / "docs" / "scaling.md").read_text()
