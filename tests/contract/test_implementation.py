import numpy as np
import pytest

from cbackprop.contract.implementation import find, name_of
from cbackprop.optimizers import Adam


@pytest.mark.parametrize(("dtype", "name"), [("float32", "Adam32"), (np.dtype("float64"), "Adam64")])
def test_the_class_for_a_float_type(dtype, name):
    found = find("compiled.optimizers", "adam.Adam", dtype)
    assert found.__name__ == name
    assert name_of(found(Adam())) == "Adam"


@pytest.mark.parametrize("dtype", ["float32", "float64", None])
def test_the_one_class_for_all_float_types(dtype):
    assert find("compiled.optimizers", "second_order.LBFGS", dtype).__name__ == "LBFGS"
    assert find("reference", "optimizers.adam.Adam", dtype).__name__ == "Adam"


@pytest.mark.parametrize("dtype", ["uint8", "float16", "nothing", np.int64])
def test_other_types(dtype):
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', but got"):
        find("compiled.optimizers", "adam.Adam", dtype)


def test_another_package(tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere" / "compiled"
    folder.mkdir(parents=True)
    (folder / "both.py").write_text("class Own: pass\nclass Two32: pass\nclass Two64: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert find("compiled", "elsewhere:both.Own", "float32").__name__ == "Own"
    assert find("compiled", "elsewhere:both.Two", "float64").__name__ == "Two64"
    with pytest.raises(AttributeError, match=r"'elsewhere.compiled.both' has no class Two(\.|$)"):
        find("compiled", "elsewhere:both.Two")
    with pytest.raises(AttributeError, match="no class Three32, or Three for both float types"):
        find("compiled", "elsewhere:both.Three", "float32")


def test_a_name_without_a_float_type():
    assert name_of(Adam()) == "Adam"
