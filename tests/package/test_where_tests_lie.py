"""Tests lie where the code lies that they test, and no two files of tests have one name."""

from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
LIBRARY = ROOT / "cbackprop"
# Folders of tests that do not belong to one part of the library.
OTHERS = {"benchmarks", "docs", "package", "robustness", "typing"}
FILES = [path.relative_to(TESTS) for path in sorted(TESTS.rglob("test_*.py"))]


def families_of_modules():
    """The names for tests in tests/ itself: those of the library's modules that are in no folder."""
    return {path.stem for path in LIBRARY.glob("*.py")} - {"__init__", "__main__"}


def complaint(path):
    """The fault of a test file's place, a path within tests/ or tests/parity/; empty if it is right."""
    folder, subject = path.parent, path.stem.removeprefix("test_")
    if folder == Path():
        if any(subject == name or subject.startswith(f"{name}_") for name in families_of_modules()):
            return ""
        return f"{path} begins with the name of no module of cbackprop/: it belongs in the folder of what it tests"
    if folder.parts[0] in OTHERS or (LIBRARY / folder).is_dir():
        return ""
    return f"{path} lies in a folder for which there is none in cbackprop/"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_place(path):
    assert not complaint(path.relative_to("parity") if path.parts[0] == "parity" else path)


@pytest.mark.parametrize(
    "path", ["test_losses.py", "test_losses_of_axes.py", "kernels/test_matrix.py", "layers/more/test_dense.py"]
)
def test_a_wrong_place_is_found(path):
    assert complaint(Path(path))


def test_names_are_different():
    """A name says all there is to know of a file: in pytest's output, and in an editor's list."""
    assert not [name for name, count in Counter(path.name for path in FILES).items() if count > 1]
