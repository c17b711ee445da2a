"""Of each compiled module, the version for the best of the chosen instruction set and lesser ones is loaded."""

import importlib
from pathlib import Path

import pytest

from cbackprop import compiled

HERE = Path(compiled.__file__).parent
VARIANTS = HERE / "variants"
CHOSEN = compiled.available()[compiled.available().index(compiled.INSTRUCTION_SET) : -1]
MODULES = sorted({file.relative_to(folder) for folder in VARIANTS.glob("*") for file in folder.rglob("*.so")})


@pytest.mark.skipif(not MODULES, reason="built for the baseline alone")
@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.parent / file.name.split(".")[0]))
def test_the_best_version_is_loaded(file):
    best = next((VARIANTS / name / file for name in CHOSEN if (VARIANTS / name / file).exists()), HERE / file)
    name = ".".join([*file.parent.parts, file.name.split(".")[0]])
    assert Path(importlib.import_module(f"cbackprop.compiled.{name}").__file__) == best


def test_sets_are_searched_from_the_best_to_the_least():
    path = compiled.variant_path("cbackprop.compiled.kernels", ["own"])
    assert path == [*(str(VARIANTS / name / "kernels") for name in CHOSEN), "own"]
